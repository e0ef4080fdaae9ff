"""A page for each neuron, made from its class."""

import inspect
from dataclasses import astuple

import torch

from making import markdown, pictures
from picojoule.neurons import Neuron, kinds

COSTS = ("additions", "multiplications", "words of state", "comparisons")


def alone(kind: type[Neuron]) -> Neuron | None:
    """One neuron of a kind; None if the kind is made of other neurons."""
    given = inspect.signature(kind).parameters.values()
    if [one.name for one in given if one.default is one.empty] not in ([], ["size"]):
        return None
    torch.manual_seed(0)  # some draw their parameters
    return kind(1)  # pyright: ignore[reportCallIssue]


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    return {f"{name.lower()}.md": page(name, kind) for name, kind in kinds().items()}


def drawn() -> dict[str, str]:
    """Every picture as SVG, by file name."""
    made = {name: alone(kind) for name, kind in kinds().items()}
    return {
        f"{name.lower()}.svg": pictures.drawn(name, one)
        for name, one in made.items()
        if one is not None
    }


def page(name: str, kind: type[Neuron]) -> str:
    """One neuron."""
    obj, one = markdown.described(kind), alone(kind)
    parts = [f"# {name}", markdown.summary(obj)]
    if one is not None:
        parts.append(f"![The answers of {name} to a step and to a chirp]({name.lower()}.svg)")
    parts.append(f"```python\n{markdown.signature(obj, f'picojoule.{name}')}\n```")
    parts.append(markdown.documented(obj, skip_first=True))
    if one is not None:
        words = [f"{what} {number}" for what, number in zip(COSTS, astuple(one.cost), strict=True)]
        parts.append(f"**Output**\n\n{one.output}")
        parts.append(f"**Cost of an update**\n\n{', '.join(words)}")
    parts.append("[All neurons](../neurons.md)")
    return "\n\n".join(parts) + "\n"


def table() -> str:
    """All neurons side by side."""
    rows = []
    for name, kind in sorted(kinds().items(), key=lambda item: item[0].lower()):
        obj, one = markdown.described(kind), alone(kind)
        cost = [""] * len(COSTS) if one is None else [str(n) for n in astuple(one.cost)]
        link = f"[`{name}`](neurons/{name.lower()}.md)"
        rows.append((link, markdown.summary(obj), markdown.advice(obj), *cost))
    return markdown.table(("neuron", "what", "take it", *COSTS), rows)

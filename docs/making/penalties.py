"""A page for each penalty, made from its class."""

from making import markdown
from picojoule.training.penalties import Penalty, kinds


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    return markdown.class_pages(kinds(), "[All penalties](../penalties.md)")


def table() -> str:
    """All penalties side by side."""
    rows = []
    for name, kind in kinds().items():
        obj = markdown.described(kind)
        link = f"[`{markdown.signature(obj, name, short=True)}`](penalties/{name.lower()}.md)"
        rows.append((link, markdown.summary(obj), looks_at(kind), markdown.advice(obj)))
    return markdown.table(("penalty", "what", "looks at", "take it"), rows)


def looks_at(kind: type[Penalty]) -> str:
    """What a penalty is given."""
    if not kind.looks_at_traffic:
        return "the energy on a chip"
    fired = {True: "spikes put out", False: "spikes at synapses"}
    return fired.get(getattr(kind, "fired", None), "spikes")

"""Docstrings as Markdown, and tables.

Sections are those of Google's style, read by griffe. Blocks behind ``::`` and formulas may stand in
a docstring as Sphinx knows them.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from pathlib import Path
from textwrap import dedent

import griffe

import picojoule

WIDTH = 88
KEYWORD = griffe.ParameterKind.keyword_only
STARS = {griffe.ParameterKind.var_positional: "*", griffe.ParameterKind.var_keyword: "**"}
Made = griffe.Class | griffe.Function


@cache
def package() -> griffe.Module:
    """The library as griffe reads it."""
    found = griffe.load(
        "picojoule",
        search_paths=[Path(picojoule.__file__).parents[1]],
        docstring_parser="google",
        docstring_options={"returns_named_value": False, "returns_multiple_items": False},
    )
    assert isinstance(found, griffe.Module)
    return found


def described(obj: type) -> Made:
    """A class or function as griffe reads it."""
    path = f"{obj.__module__}.{obj.__qualname__}".removeprefix("picojoule.")
    found = package()[path]
    assert isinstance(found, Made)
    return found


def summary(obj: griffe.Object) -> str:
    """The first line of a docstring."""
    return clean(obj.docstring.value.splitlines()[0]) if obj.docstring else ""


def advice(obj: griffe.Object) -> str:
    """When to take it: the paragraph of a docstring that begins so."""
    found = re.search(r"^Take it (.*?)(?:\n\n|\Z)", obj.docstring.value, flags=re.M | re.S)
    return clean(" ".join(found[1].split())) if found else ""


def signature(obj: Made, name: str, *, short: bool = False) -> str:
    """How it is called; ``short`` without types."""
    parts: list[str] = []
    for one in obj.parameters:
        if one.name in ("self", "cls"):
            continue
        if one.kind is KEYWORD and "*" not in parts:
            parts.append("*")
        text = STARS.get(one.kind, "") + one.name
        typed = one.annotation is not None and not short
        text += f": {one.annotation}" if typed else ""
        equals = " = " if typed else "="
        starred = one.kind in STARS
        parts.append(text if one.default is None or starred else f"{text}{equals}{one.default}")
    if short:
        return f"{name}({', '.join(part for part in parts if part != '*')})"
    after = getattr(obj, "returns", None) if isinstance(obj, griffe.Function) else None
    end = ")" if after is None else f") -> {after}"
    line = f"{name}({', '.join(parts)}{end}"
    if len(line) <= WIDTH:
        return line
    return f"{name}(\n" + "".join(f"    {part},\n" for part in parts) + end


def documented(obj: griffe.Object, *, skip_first: bool = False) -> str:
    """A docstring, section by section; ``skip_first`` leaves out the first line."""
    if obj.docstring is None:
        return ""
    parts = [_section(part) for part in obj.docstring.parsed]
    text = "\n\n".join(part for part in parts if part)
    return text.partition("\n\n")[2] if skip_first else text


def class_pages(kinds: Mapping[str, type], back: str) -> dict[str, str]:
    """The page of each class, by file name."""
    return {f"{name.lower()}.md": class_page(name, kind, back) for name, kind in kinds.items()}


def class_page(name: str, kind: type, back: str) -> str:
    """The page of a public class: what it is, how it is called, its docstring, a link back."""
    obj = described(kind)
    call = f"```python\n{signature(obj, f'picojoule.{name}')}\n```"
    parts = [f"# {name}", summary(obj), call, documented(obj, skip_first=True), back]
    return "\n\n".join(parts) + "\n"


def _section(part: griffe.DocstringSection) -> str:
    kind, value = part.kind.value, part.value
    if kind == "text":
        return clean(value)
    if kind in ("parameters", "attributes"):
        items = [f"`{_whole(one.name)}`: {_inline(one.description)}" for one in value]
        return _list("Arguments" if kind == "parameters" else "Attributes", items)
    if kind == "raises":
        return _list("Raises", [f"`{one.annotation}`: {_inline(one.description)}" for one in value])
    if kind in ("returns", "yields"):
        return "\n\n".join([f"**{kind.title()}**", *(clean(one.description) for one in value)])
    if kind == "admonition" and value.kind == "example":
        code = re.sub(r" *# doctest: .*", "", value.contents)
        return f"**Example**\n\n```pycon\n{code}\n```"
    if kind == "admonition":
        return f"**{part.title}**\n\n{clean(value.contents)}"
    raise ValueError(f"a section of an unknown kind: {kind} {part.title}")


def _whole(name: str) -> str:
    if not name.strip("*").isidentifier():
        raise ValueError(f"arguments stand on lines of their own in a docstring, got '{name}'")
    return name


def _list(title: str, items: Iterable[str]) -> str:
    return "\n".join([f"**{title}**\n", *(f"- {item}" for item in items)])


def _inline(text: str) -> str:
    return clean(" ".join(text.split()))


def clean(text: str) -> str:
    """Text of a docstring in Markdown."""
    text = re.sub(r"^\.\. math:: (.*\n?(?: +.*\n?)*)", _formula, text, flags=re.M)
    text = re.sub(r":math:`([^`]*)`", r"$\1$", text)
    text = re.sub(r"::\n\n((?:    .*\n?|\n)+)", _block, text)
    return re.sub(r"(?<!`)``(?!`)", "`", text).strip()


def _formula(found: re.Match[str]) -> str:
    return "$$\n" + dedent(found[1]).strip() + "\n$$\n"


def _block(found: re.Match[str]) -> str:
    return f":\n\n```text\n{dedent(found[1]).strip()}\n```\n\n"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table."""
    lines = [columns, ["---"] * len(columns), *([_cell(cell) for cell in row] for row in rows)]
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def _cell(text: str) -> str:
    return text.replace("|", r"\|")

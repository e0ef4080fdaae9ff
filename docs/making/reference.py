"""A page for each room: every public name, with its signature and its docstring."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import griffe

import picojoule
from making import markdown

HIDDEN = ("cli",)  # its commands explain themselves
INDEX = """\
# Reference

Every public name, made from the docstrings. What most programs need is in `picojoule` itself; the
pages of the rooms have all there is.

"""


def rooms() -> list[str]:
    """The modules and packages right below ``picojoule``."""
    names = sorted(one.name for one in iter_modules(picojoule.__path__))
    return [name for name in names if not name.startswith("_") and name not in HIDDEN]


@cache
def public(room: str) -> dict[str, Any]:
    """What others may touch of a room, by name; no room for what ``picojoule`` itself has."""
    module = import_module(f"picojoule.{room}" if room else "picojoule")
    own = [name for name, one in vars(module).items() if _module(one) == module.__name__]
    names = getattr(module, "__all__", None) or own
    found = {name: getattr(module, name) for name in names if not name.startswith("_")}
    if room:
        found |= {name: one for name, one in public("").items() if _home(one) == room}
    return dict(sorted(found.items(), key=lambda item: (item[0].lower(), item[0])))


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    return {f"{room}.md": page(room) for room in rooms()} | {"README.md": index()}


def index() -> str:
    """The names in ``picojoule`` in one table, and the rooms in another."""
    names = [(link(name, one), about(one)) for name, one in public("").items()]
    doors = [
        (f"[`picojoule.{room}`]({room}.md)", about(import_module(f"picojoule.{room}")))
        for room in rooms()
    ]
    tables = (markdown.table(("name", "what"), names), markdown.table(("room", "what"), doors))
    return INDEX + "\n".join(tables)


def page(room: str) -> str:
    """All public names of a room."""
    about = inspect.getdoc(import_module(f"picojoule.{room}")) or ""
    entries = [entry(room, name, one) for name, one in public(room).items()]
    return "\n\n".join([f"# picojoule.{room}", markdown.clean(about), *entries]) + "\n"


def entry(room: str, name: str, one: Any) -> str:
    """One name: a link if another room is its home."""
    if inspect.ismodule(one) or (
        _module(one) and _home(one) != room and name in public(_home(one))
    ):
        return f"## {name}\n\nSee {link(name, one)}."
    if not _module(one):
        return f"## {name}\n\n{about(one)}"
    obj = markdown.described(one)
    parts = [f"## {name}"]
    if isinstance(obj, griffe.Function) or len(obj.parameters):
        parts.append(f"```python\n{markdown.signature(obj, name)}\n```")
    parts += [markdown.documented(obj), *members(obj)]
    return "\n\n".join(part for part in parts if part)


def members(obj: markdown.Made) -> Iterator[str]:
    """What a class adds to its bases."""
    if not isinstance(obj, griffe.Class):
        return
    for name, one in obj.members.items():
        known = name.startswith("_") or any(name in base.members for base in obj.mro())
        if known or one.is_alias or one.docstring is None:
            continue
        head = f"### {obj.name}.{name}"
        if isinstance(one, griffe.Function):
            head += f"\n\n```python\n{markdown.signature(one, name)}\n```"
        yield f"{head}\n\n{markdown.documented(one)}"


def link(name: str, one: Any) -> str:
    """A name with the page that tells of it."""
    if inspect.ismodule(one):
        return f"[`{name}`]({_home(one)}.md)"
    home = _home(one) or next(room for room in rooms() if name in public(room))
    alike = [other for other in public(home) if other.lower() == name.lower()]
    place = alike.index(name)  # of two anchors that are alike the second gets a -1
    return f"[`{name}`]({home}.md#{name.lower()}{f'-{place}' if place else ''})"


def about(one: Any) -> str:
    """One line on an object."""
    if inspect.ismodule(one):
        return markdown.clean((one.__doc__ or "").partition("\n")[0])
    if _module(one):
        return markdown.summary(markdown.described(one))
    if isinstance(one, (Mapping, Sequence)):
        kind = type(one).__name__.strip("_").lower()
        return f"A {kind} of {', '.join(f'`{item}`' for item in one)}."
    return f"`{one}`".replace("picojoule.", "")


def _module(one: Any) -> str:
    """Where a class, function or module of the library is defined; nothing for values."""
    if inspect.ismodule(one):
        return one.__name__
    module = one.__module__ if inspect.isroutine(one) or inspect.isclass(one) else ""
    return module if module.startswith("picojoule.") else ""


def _home(one: Any) -> str:
    return _module(one).removeprefix("picojoule.").partition(".")[0]

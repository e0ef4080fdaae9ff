"""The reference of the site: a page for each room, written by mkdocstrings."""

import inspect
from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from types import ModuleType

import griffe

import picojoule
from making import markdown

HIDDEN = ("cli",)  # its commands explain themselves
INDEX = """\
# Reference

What most programs need is in `picojoule` itself; the pages of the rooms, `picojoule.energy` and the
others, have every public name. All of it is from the docstrings.

"""
ENTRY = "::: {path}\n    options: {{heading: {name}, show_root_heading: true, heading_level: 2}}\n"


def rooms() -> list[str]:
    """The modules and packages right below ``picojoule``."""
    names = sorted(one.name for one in iter_modules(picojoule.__path__))
    return [name for name in names if not name.startswith("_") and name not in HIDDEN]


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    modules = [picojoule, *(import_module(f"picojoule.{room}") for room in rooms())]
    named = [getattr(module, name) for module in modules for name in getattr(module, "__all__", ())]
    modules += [one for one in named if inspect.ismodule(one)]  # such as pj.plots
    every = {path for module in modules for _, path in public(module)}
    return {f"{room}.md": page(room, every) for room in rooms()} | {"README.md": index()}


def page(room: str, every: set[str]) -> str:
    """What is defined in a room, of all public names."""
    paths = [path for path in every if path.startswith(f"picojoule.{room}.")]
    named = sorted((path.rpartition(".")[2], path) for path in paths)
    entries = [ENTRY.format(name=name, path=path) for name, path in sorted(named, key=lower)]
    return "\n".join(
        [f"# picojoule.{room}\n\n::: picojoule.{room}\n    options: {{members: false}}\n", *entries]
    )


def index() -> str:
    """The names in ``picojoule`` in one table, and the rooms in another."""
    names = [
        (f"[`{name}`][{path}]", markdown.summary(read(path)))
        for name, path in sorted(public(picojoule), key=lower)
    ]
    doors = [
        (f"[`picojoule.{room}`]({room}.md)", markdown.summary(read(f"picojoule.{room}")))
        for room in rooms()
    ]
    tables = markdown.table(("name", "what"), names), markdown.table(("room", "what"), doors)
    return INDEX + "\n".join(tables)


def public(module: ModuleType) -> Iterator[tuple[str, str]]:
    """What others may touch of a module: each name, and where it is defined."""
    members = read(module.__name__).members
    own = [name for name, one in members.items() if not (one.is_alias or name.startswith("_"))]
    for name in getattr(module, "__all__", own):
        one = getattr(module, name)
        if inspect.isclass(one) or inspect.isroutine(one):
            yield name, f"{one.__module__}.{one.__qualname__}"
        elif not inspect.ismodule(one) and not name.startswith("_"):
            yield name, members[name].canonical_path


def read(path: str) -> griffe.Object | griffe.Alias:
    """What stands at a path, as griffe reads it."""
    room = path.removeprefix("picojoule").lstrip(".")
    return markdown.package()[room] if room else markdown.package()


def lower(named: tuple[str, str]) -> str:
    """The order of names, whatever their case."""
    return named[0].lower()

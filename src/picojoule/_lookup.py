"""Classes by name: ours by the folder they are in, a user's own by where they are."""

from functools import cache
from importlib import import_module
from inspect import isabstract
from pkgutil import iter_modules
from typing import Any, TypeVar

from picojoule._names import unknown

T = TypeVar("T")


def classes_in(room: str, base: type[T]) -> dict[str, type[T]]:
    """Finds the concrete classes of a room by name.

    Every file of the room is looked through, so that a class is known by being there.

    Args:
        room: A package, by its dotted name.
        base: What the classes derive from.
    """
    return _classes_in(room, base).copy()


@cache
def _classes_in(room: str, base: type[T]) -> dict[str, type[T]]:
    files = iter_modules(import_module(room).__path__)
    modules = [import_module(f"{room}.{file.name}") for file in files]
    return {
        name: one
        for module in modules
        for name, one in vars(module).items()
        if is_kind(one, base) and one.__module__ == module.__name__
    }


def class_named(what: str, name: str, room: str, base: type[T]) -> type[T]:
    """Returns the class of a name.

    Args:
        what: What it is called in errors, such as ``"neuron"``.
        name: Its name in whatever case, or ``"module:Class"`` for a user's own.
        room: Where ours are, see ``classes_in``.
        base: What it derives from.

    Raises:
        ValueError: If there is none; the message names the nearest.
    """
    if ":" in name:
        found = imported(what, name)
        if not is_kind(found, base):
            raise ValueError(f"{what} '{name}' is no class derived from {base.__name__}: {found!r}")
        return found
    kinds = classes_in(room, base)
    for known, kind in kinds.items():
        if known.lower() == name.lower():
            return kind
    raise ValueError(f'{unknown(what, name, kinds)}, or "module:Class" for your own')


def is_kind(found: Any, base: type) -> bool:
    """Returns whether something is a concrete class that derives from a base."""
    return isinstance(found, type) and issubclass(found, base) and not isabstract(found)


def imported(what: str, name: str) -> Any:
    """Imports what a user names as ``"module:name"``.

    Args:
        what: What it is called in errors, such as ``"network"``.
        name: Module and name.

    Raises:
        ValueError: If Python finds no such module, or the module has no such name.
    """
    module, _, attribute = name.partition(":")
    try:
        return getattr(import_module(module), attribute)
    except ModuleNotFoundError as error:
        raise ValueError(
            f"{what} '{name}' is in no module that Python finds ({error}): install it, or add "
            "its folder to PYTHONPATH"
        ) from error
    except AttributeError:
        raise ValueError(f"{what} '{name}': module {module} has no '{attribute}'") from None

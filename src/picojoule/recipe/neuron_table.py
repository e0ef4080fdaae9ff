"""``[network] neuron``: checks which neurons a recipe names, and makes them.

A mixture names its kinds, each a neuron of its own with a share::

    neuron = { name = "Mixture", dt = "10 ms", kinds = [
        { name = "LIF", share = 0.75, tau = ["20 ms", "60 ms"] },
        { name = "BRF", share = 0.25, learn = ["omega", "b_offset"] },
    ] }
"""

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cache
from itertools import product
from typing import Any

import torch

from picojoule._names import unknown
from picojoule.neurons import Mixture, Neuron, kinds, neuron
from picojoule.neurons.shares import numbers
from picojoule.recipe.base import Named, check_types, completed, in_seconds, is_time, named, plain
from picojoule.surrogate import SURROGATES, Surrogate
from picojoule.units import seconds

_MIXTURE = ("kinds", "learned", "dt")
_LARGE = 1000  # neurons of a layer in which shares are to leave no kind without one


def checked(table: Named) -> Named:
    """Returns the table with the type's own name and all times in seconds.

    Raises:
        ValueError: If there is no such neuron or parameter, or a value is out of range.
    """
    mixed = table.name.lower() == "mixture"
    with torch.random.fork_rng(devices=[]):  # what is drawn here is thrown away
        table = _checked_mixture(table) if mixed else _checked_kind(table)
        _try_mixture(table) if mixed else _try_kind(table)
    return table


def make(table: Named, size: int) -> Neuron:
    """Makes ``size`` neurons as a checked table describes them."""
    params = table.params
    if table.name == "Mixture":
        shares = {kind: kind.share for kind in _kinds_of(table)}
        return Mixture(shares, size, **_options_of(table))  # pyright: ignore[reportArgumentType]
    learn = params.pop("learn", ())
    kind = neuron(table.name)
    for name, value in params.items():
        params[name] = surrogate(value) if name == "surrogate" else _record(kind, name, value)
    made = kind(size, **params)  # pyright: ignore[reportCallIssue]
    for name in learn:
        getattr(made, name).requires_grad_()
    return made


@dataclass(frozen=True, eq=False, repr=False)
class _Kind:
    """Factory of the neurons of one kind in a mixture."""

    table: Named
    share: float

    def __repr__(self) -> str:
        return self.table.name

    def __call__(self, size: int) -> Neuron:
        return make(self.table, size)


def _kinds_of(mixture: Named) -> list[_Kind]:
    kinds = [dict(kind) for kind in mixture.params["kinds"]]
    return [_Kind(share=float(kind.pop("share")), table=Named(**kind)) for kind in kinds]


def _options_of(mixture: Named) -> dict[str, Any]:
    return {name: value for name, value in mixture.params.items() if name != "kinds"}


def _try_kind(table: Named) -> None:
    """Makes one neuron as it may be drawn, and one at each corner of the ranges drawn from."""
    make(table, 1)
    ranges = {name: ends for name, ends in table.params.items() if _is_range(name, ends)}
    for corner in product(*ranges.values()):
        ends = {name: [end, end] for name, end in zip(ranges, corner, strict=True)}
        make(table.model_copy(update=ends), 1)


def _is_range(name: str, value: object) -> bool:
    return isinstance(value, list) and name != "learn"


def _try_mixture(table: Named) -> None:
    """Makes one neuron of each kind, and looks whether the shares are some."""
    kinds = _kinds_of(table)
    numbers({kind: kind.share for kind in kinds}, _LARGE)
    for kind in kinds:
        _try_kind(kind.table)
    Mixture(dict.fromkeys(kinds, 1), **_options_of(table))


def _checked_kind(table: Named, more: tuple[str, ...] = ()) -> Named:
    kind = _offered(table.name)
    known = [name for name in _parameters(kind) if name != "size"]
    for name in table.params:
        if name not in (*known, "learn", *more):
            raise ValueError(unknown(f"parameter of neuron '{kind.__name__}'", name, known))
    surrogate(table.params.get("surrogate"))
    name = table.name if ":" in table.name else kind.__name__
    table = in_seconds(table.model_copy(update={"name": name}))
    others = ("surrogate", "learn", *more)
    rest = {name: value for name, value in table.params.items() if name not in others}
    check_types("network.neuron", rest, kind)
    _check_learning(table, kind)
    return _completed(table, kind)


def _completed(table: Named, kind: type[Neuron]) -> Named:
    """Returns the table of one kind with every parameter in it, those of parts in their tables."""
    given, without = {"learn": [], **table.params}, ["size"]
    for name, parameter in _parameters(kind).items():
        value = given.get(name, parameter.default)
        if name == "surrogate":
            shape = value if isinstance(value, Surrogate) else surrogate(value)
            if type(shape) in SURROGATES.values():
                known = next(name for name, one in SURROGATES.items() if one is type(shape))
                given[name] = {"name": known, **plain(shape)}
            else:  # of the user's own: no recipe can name it
                without.append(name)
        elif name in given:
            record = _record(kind, name, value)
            given[name] = plain(record) if is_dataclass(record) else record
    return completed(Named(name=table.name, **given), kind, without)


def _record(kind: type[Neuron], name: str, value: Any) -> Any:
    """Makes the record that a table stands for, such as the adaptation of AdLIF; else the value.

    Raises:
        ValueError: If it has an unknown key, or is no table.
    """
    parameter = _parameters(kind).get(name)
    default = None if parameter is None else parameter.default
    if not is_dataclass(default):
        return value
    if not isinstance(value, dict):
        raise ValueError(f"network.neuron.{name} is a table, got {value!r}")
    start: Any = default
    known = [one.name for one in fields(start)]
    parts = {}
    for key, part in value.items():
        if key not in known:
            raise ValueError(unknown(f"key of network.neuron.{name}", key, known))
        at = f"network.neuron.{name}.{key}"
        ends = [named(at, seconds, end) if is_time(key) else end for end in _several(part)]
        parts[key] = tuple(ends) if isinstance(part, list) else ends[0]
    check_types(f"network.neuron.{name}", plain(parts), type(start))
    return replace(start, **parts)


def _several(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _check_learning(table: Named, kind: type[Neuron]) -> None:
    learn = table.params.get("learn", [])
    there = [name for name, _ in kind(1).named_parameters()]
    if not isinstance(learn, list):
        raise ValueError(f'learn must be a list of parameters such as ["{there[0]}"], got {learn}')
    for name in learn:
        if name not in there:
            raise ValueError(unknown(f"learning parameter of '{kind.__name__}'", str(name), there))


def _checked_mixture(table: Named) -> Named:
    for name in table.params:
        if name not in _MIXTURE:
            raise ValueError(unknown("parameter of neuron 'Mixture'", name, _MIXTURE))
    kinds = table.params.get("kinds")
    if not isinstance(kinds, list) or not kinds or not all(map(_is_kind, kinds)):
        raise ValueError(
            "a Mixture needs its kinds: kinds = [{ name = 'LIF', share = 0.75 }, "
            "{ name = 'BRF', share = 0.25 }]"
        )
    if not isinstance(table.params.get("learned", False), bool):
        raise ValueError(f"learned must be true or false, got {table.params['learned']!r}")
    clock = {"dt": table.params["dt"]} if "dt" in table.params else {}
    each = [Named.model_validate({**clock, **k} if isinstance(k, dict) else k) for k in kinds]
    checked = {"kinds": [_checked_share(kind).model_dump() for kind in each]}
    table = in_seconds(table.model_copy(update={"name": Mixture.__name__, **checked}))
    return completed(table, Mixture, ("size",))


def _is_kind(kind: object) -> bool:
    """Tells whether something names a kind, alone or in a table."""
    return isinstance(kind, str) or (isinstance(kind, dict) and isinstance(kind.get("name"), str))


def _checked_share(kind: Named) -> Named:
    share = kind.params.get("share")
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        raise ValueError(f"kind '{kind.name}' of a Mixture needs its share, such as share = 0.5")
    return _checked_kind(kind, ("share",))


def surrogate(value: Any) -> Any:
    """Makes the surrogate that a recipe names, alone or in a table with its parameters.

    Raises:
        ValueError: If there is no such surrogate or parameter.
    """
    if value is None:
        return None
    params = dict(value) if isinstance(value, dict) else {"name": value}
    name = params.pop("name", None)
    if name is None:
        raise ValueError('a surrogate needs its name: surrogate = { name = "atan", alpha = 2.0 }')
    if not isinstance(name, str) or name not in SURROGATES:
        raise ValueError(unknown("surrogate", str(name), SURROGATES))
    known = list(inspect.signature(SURROGATES[name]).parameters)
    for param in params:
        if param not in known:
            raise ValueError(unknown(f"parameter of surrogate '{name}'", param, known))
    check_types("network.neuron.surrogate", params, SURROGATES[name])
    return SURROGATES[name](**params)


def _offered(name: str) -> type[Neuron]:
    """Returns the neuron of a name if a layer can be made of it, from nothing but its size."""
    if ":" in name:
        kind = neuron(name)
        if needed := _needed(kind):
            raise ValueError(f"neuron '{name}' needs {needed[0]}: give it a default")
        return kind
    known = {one.lower(): kind for one, kind in kinds().items() if not _needed(kind)}
    if name.lower() not in known:
        raise ValueError(f'{unknown("neuron", name, offered())}, or "module:Class" for your own')
    return known[name.lower()]


def offered() -> list[str]:
    """Lists the neurons that a recipe may name."""
    return [*(name for name, kind in kinds().items() if not _needed(kind)), Mixture.__name__]


def _needed(kind: type[Neuron]) -> list[str]:
    """Returns what a neuron must be told beside its size."""
    parameters = _parameters(kind).values()
    return [p.name for p in parameters if p.name != "size" and p.default is p.empty]


@cache
def _parameters(kind: type[Neuron]) -> Mapping[str, inspect.Parameter]:
    """Returns what a neuron takes; looked up for each neuron that is made."""
    return inspect.signature(kind).parameters

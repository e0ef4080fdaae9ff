"""``[network] neuron``: which neurons a recipe means, and how they are made.

A mixture names its kinds, each a neuron of its own with a share::

    neuron = { name = "Mixture", dt = "10 ms", kinds = [
        { name = "LIF", share = 0.75, tau = ["20 ms", "60 ms"] },
        { name = "BRF", share = 0.25, learn = ["omega", "b_offset"] },
    ] }
"""

import inspect
from dataclasses import dataclass
from typing import Any

import torch

from picojoule._names import unknown
from picojoule.neurons import Mixture, Neuron
from picojoule.recipe.base import Named, check_types, in_seconds
from picojoule.surrogate import SURROGATES

_MIXTURE = ("kinds", "learned", "dt")
_TRIED = 1000  # neurons made of each table, to see whether their values make sense


def checked(table: Named) -> Named:
    """The table with the type's own name and all times in seconds.

    Raises:
        ValueError: No such neuron or parameter, or a value that it cannot have.
    """
    mixed = table.name.lower() == "mixture"
    with torch.random.fork_rng(devices=[]):  # what is drawn here is thrown away
        table = _checked_mixture(table) if mixed else _checked_kind(table)
        make(table, _TRIED)
    return table


def make(table: Named, size: int) -> Neuron:
    """``size`` neurons as a checked table describes them."""
    params = table.params
    if table.name == "Mixture":
        kinds = [Named.model_validate(kind) for kind in params.pop("kinds")]
        clock = {"dt": params["dt"]} if "dt" in params else {}
        shares = {_Kind(kind, clock): float(kind.params["share"]) for kind in kinds}
        return Mixture(shares, size, **params)  # pyright: ignore[reportArgumentType]
    learn = params.pop("learn", ())
    if "surrogate" in params:
        params["surrogate"] = surrogate(params["surrogate"])
    made = _kinds()[table.name.lower()](size, **params)
    for name in learn:
        getattr(made, name).requires_grad_()
    return made


@dataclass(frozen=True, eq=False, repr=False)
class _Kind:
    """Makes neurons of one kind in a mixture, from their number and on the mixture's clock."""

    table: Named
    clock: dict[str, float]

    def __repr__(self) -> str:
        return self.table.name

    def __call__(self, size: int) -> Neuron:
        own = {name: value for name, value in self.table.params.items() if name != "share"}
        return make(Named(name=self.table.name, **{**self.clock, **own}), size)


def _checked_kind(table: Named, more: tuple[str, ...] = ()) -> Named:
    kinds = _kinds()
    if table.name.lower() not in kinds:
        names = [*(kind.__name__ for kind in kinds.values()), Mixture.__name__]
        raise ValueError(unknown("neuron", table.name, names))
    kind = kinds[table.name.lower()]
    known = [name for name in inspect.signature(kind).parameters if name != "size"]
    for name in table.params:
        if name not in (*known, "learn", *more):
            raise ValueError(unknown(f"parameter of neuron '{kind.__name__}'", name, known))
    surrogate(table.params.get("surrogate"))
    table = in_seconds(table.model_copy(update={"name": kind.__name__}))
    others = ("surrogate", "learn", *more)
    plain = {name: value for name, value in table.params.items() if name not in others}
    check_types("network.neuron", plain, kind)
    _check_learning(table, kind)
    return table


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
    if not isinstance(kinds, list) or not kinds:
        raise ValueError(
            "a Mixture needs its kinds: kinds = [{ name = 'LIF', share = 0.75 }, "
            "{ name = 'BRF', share = 0.25 }]"
        )
    if not isinstance(table.params.get("learned", False), bool):
        raise ValueError(f"learned must be true or false, got {table.params['learned']!r}")
    checked = [_checked_share(Named.model_validate(kind)) for kind in kinds]
    table = in_seconds(table.model_copy(update={"name": Mixture.__name__}))
    return table.model_copy(update={"kinds": [kind.model_dump() for kind in checked]})


def _checked_share(kind: Named) -> Named:
    share = kind.params.get("share")
    if isinstance(share, bool) or not isinstance(share, (int, float)):
        raise ValueError(f"kind '{kind.name}' of a Mixture needs its share, such as share = 0.5")
    return _checked_kind(kind, ("share",))


def surrogate(value: Any) -> Any:
    """The surrogate a recipe means by a name, or by a table of a name and its parameters.

    Raises:
        ValueError: No such surrogate or parameter.
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


def _kinds() -> dict[str, type[Neuron]]:
    """The neurons a layer can be made of: those that need nothing but their number."""
    found = {}
    for kind in Neuron.__subclasses__():
        parameters = inspect.signature(kind).parameters.values()
        if all(p.name == "size" or p.default is not p.empty for p in parameters):
            found[kind.__name__.lower()] = kind
    return found

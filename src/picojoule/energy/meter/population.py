"""Layers of neurons, ours and anyone's: what is known of them, and what one call costs."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from picojoule.contract import Group, NeuronCost
from picojoule.energy.counts import OpCounts, Sizes, as_counts, dtype_name
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.foreign import Arriving, Foreign, Inner, is_known, known
from picojoule.energy.presence import wide
from picojoule.energy.rules.synapses import projection


@dataclass(frozen=True)
class NeuronLayer:
    """A layer of neurons, as a meter knows it.

    Attributes:
        cost: Operations and state of one update.
        kind: What it puts out.
        leading: First axes of its output that are no part of a neuron's place: 2 for [T, B, ...].
        species: The type of neuron, by which chips price.
        dt: Seconds per step, None if that is not known.
        covers: Parameters that are part of the update and no synapses.
        arrivals: What arrives at synapses inside, None if there are none.
        timed: Whether it runs through time as picojoule's do, so that axis 1 is the batch.
        groups: Its kinds of neurons, if there are several, and what each put out.
        levels: The most events of one neuron in one step.
        named: The user named it.
        written: The user wrote its type, after picojoule's own.
        seen: Whether the synapses inside are counted as they run, by the rules of their functions.
        present: Returns which of its neurons there are, if training decides it; None if all are.
    """

    cost: NeuronCost
    kind: Kind
    leading: int
    species: str
    dt: float | None
    covers: tuple[Tensor, ...] = ()
    arrivals: Arriving | None = None
    timed: bool = False
    groups: "Groups | None" = None
    levels: int = 1
    named: bool = False
    written: bool = False
    seen: bool = False
    present: Callable[[], Tensor] | None = None

    @property
    def plain(self) -> bool:
        """True for known neurons of ours that put out events or analog values."""
        return self.trusted and self.kind.name in ("events", "analog")

    @property
    def trusted(self) -> bool:
        """True if it is picojoule's own, and need not be checked in what it puts out."""
        return self.timed and not (self.named or self.written)

    def count(
        self,
        out: Tensor,
        spikes: Tensor | None,
        valid: float | Tensor,
        present: Tensor | None = None,
    ) -> OpCounts:
        """Returns the updates of one call, and what it put out, of the neurons that are present."""
        updates = out.numel() * valid
        if present is not None:
            updates = updates * wide(present).mean()
        times = {
            "update": 1,
            "add": self.cost.adds,
            "multiply": self.cost.multiplies,
            "state_read": self.cost.states,
            "state_write": self.cost.states,
            "second": self.dt or 0,
        }
        fixed = as_counts({count: updates * n for count, n in times.items() if n})
        sizes = Sizes(
            potentials=out.shape[self.leading :].numel(),
            neuron=self.species,
            dtype=dtype_name(None, out),
        )
        fired = {} if spikes is None else {"spike": spikes, "output_write": spikes}
        # Training can change which neurons there are, and with them what they cost anyway.
        return OpCounts.of(fixed | fired, fired if present is None else fixed | fired, sizes)


# What each kind of neurons in a layer of several put out, and what is known of it.
Kinds = list[tuple[Group, NeuronLayer]]
Groups = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], Kinds | None]


def population(
    module: nn.Module, costs: Mapping[Any, NeuronCost | Foreign], dt: float | None
) -> NeuronLayer | None:
    """Returns what is known of a module as a layer of neurons, None if it is none.

    Args:
        module: Any module.
        costs: What the user says of types that are not known, or are known otherwise.
        dt: Seconds per step of neurons that have none of their own.
    """
    said = next((costs[kind] for kind in type(module).__mro__ if kind in costs), None)
    cost = getattr(module, "cost", None)
    own_cost = said.cost if isinstance(said, Foreign) else said
    if isinstance(cost, NeuronCost):
        ours = _ours(module)
        return ours if own_cost is None else replace(ours, cost=own_cost, named=True)
    about = said if isinstance(said, Foreign) else known(module)
    if about is None and own_cost is not None:
        about = Foreign(own_cost)
    if about is None:
        return None
    layer = described(about, type(module).__name__, dt)
    return replace(
        layer,
        cost=own_cost or about.cost,
        covers=tuple(module.get_parameter(name) for name in about.covers),
        named=said is not None,
        seen=said is not None and about.arrivals is None,
    )


def described(about: Foreign, name: str, dt: float | None) -> NeuronLayer:
    """Returns a layer of neurons as it is described, without the parameters that it covers.

    Args:
        about: The description.
        name: Its species if the description has none.
        dt: Seconds per step if the description has none.
    """
    return NeuronLayer(
        cost=about.cost,
        kind=Kind(about.output, about.scale, about.signed, hidden=about.output != "analog"),
        leading=about.leading,
        species=about.species or name,
        dt=about.dt if dt is None else dt,
        arrivals=about.arrivals,
        levels=about.levels,
        named=True,
    )


def altered(module: nn.Module) -> str | None:
    """Returns the method by which a neuron, or its type, departs from a known type."""
    line = type(module).__mro__
    if isinstance(getattr(module, "cost", None), NeuronCost):
        return next((name for name in ("step", "forward") if _before(module, name, "cost")), None)
    depth = next((i for i, kind in enumerate(line) if is_known(kind)), 0)
    base = line[depth]
    for holder in (module, *line[:depth]):
        for name, value in vars(holder).items():
            step = name == "forward" or not hasattr(nn.Module, name)
            if inspect.isroutine(value) and step and hasattr(base, name) and "reset" not in name:
                return name
    return None


def _before(module: nn.Module, method: str, attribute: str) -> bool:
    """Tells whether a neuron, or its type, has a method and leaves an attribute to its base."""
    holders = (module, *type(module).__mro__)
    method_at, attribute_at = (
        next((i for i, holder in enumerate(holders) if name in vars(holder)), len(holders))
        for name in (method, attribute)
    )
    return method_at < attribute_at


def _ours(own: Any) -> NeuronLayer:
    """Returns what is known of a layer of picojoule's own neurons."""
    return NeuronLayer(
        cost=own.cost,
        kind=Kind(own.output, hidden=own.output != "analog"),
        leading=2,
        species=own.species,
        dt=own.dt,
        arrivals=_inner,
        timed=True,
        groups=_groups,
        levels=getattr(own, "levels", 1) if own.output == "levels" else 1,
        written=not all(map(_is_ours, (own.step, own.forward))),
        present=own.present,
    )


def _is_ours(method: Any) -> bool:
    return getattr(method, "__module__", "").startswith("picojoule.")


def _groups(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> Kinds | None:
    """Returns the kinds of neurons in one layer of picojoule's own, None if there is one."""
    groups = module.groups(result[0], _state(args, kwargs), result[1])
    return None if groups is None else [(group, _ours(group.neuron)) for group in groups]


def _state(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """Returns the state that a layer of picojoule's own neurons was given."""
    return args[1] if len(args) > 1 else kwargs.get("state")


def _inner(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Callable[[Any], Iterable[Inner]]:
    """Returns the inner synapses of picojoule's own neurons."""
    state = _state(args, kwargs)

    def arrived(result: Any) -> Iterable[Inner]:
        for name, values, weight, steps in module.arrivals(result[0], state):
            yield Inner(name, projection(values, weight, None, skip), "output", steps)

    return arrived

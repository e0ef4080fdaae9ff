"""Layers of neurons, ours and anyone's: what is known of them and what one call cost."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from picojoule.contract import NeuronCost
from picojoule.energy.counts import OpCounts, Sizes
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.foreign import Arriving, Foreign, Inner, known
from picojoule.energy.rules.synapses import projection


@dataclass(frozen=True)
class Population:
    """A layer of neurons, as a meter knows it.

    Attributes:
        cost: Operations and state of one update.
        kind: What it puts out.
        leading: First axes of its output that are no part of a neuron's place: 2 for [T, B, ...].
        species: The type of neuron, by which chips price.
        dt: Seconds per step, None where that is not known.
        covers: Parameters that are part of the update and no synapses.
        arrivals: What arrives at synapses inside, None where there are none.
        timed: Whether it runs through time as picojoule's do, so that axis 1 is the batch.
        groups: Its kinds of neurons, where there are several, and what each put out.
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

    def count(
        self,
        out: Tensor,
        spikes: Tensor | None,
        valid: float | Tensor,
        present: Tensor | None = None,
    ) -> OpCounts:
        """Updates of one call, and what it put out; of all neurons or those that are present."""
        updates = torch.as_tensor(out.numel() * valid, dtype=torch.float64)
        if present is not None:
            updates = updates * present.double().mean()
        times = {
            "add": self.cost.adds,
            "multiply": self.cost.multiplies,
            "state_read": self.cost.states,
            "state_write": self.cost.states,
            "second": self.dt or 0,
        }
        fixed = {count: updates * number for count, number in times.items() if number}
        sizes = Sizes(
            potentials=out.shape[self.leading :].numel(),
            neuron=self.species,
            bits=out.element_size() * 8,
        )
        fixed["update"] = updates
        fired = {} if spikes is None else {"spike": spikes, "output_write": spikes}
        # Training can change which neurons there are, and with them what they cost anyway.
        return OpCounts.of(fixed | fired, fired if present is None else fixed | fired, sizes)


class Part(NamedTuple):
    """What the neurons of one kind put out, in a layer that holds several.

    Attributes:
        name: Below that of the layer.
        population: What is known of them.
        values: What they put out.
        present: Which neurons there are, with their gradient; None where all are.
    """

    name: str
    population: Population
    values: Tensor
    present: Tensor | None = None


Groups = Callable[[Any, tuple[Any, ...], dict[str, Any], Any], list[Part] | None]


def population(
    module: nn.Module, costs: Mapping[type[nn.Module], NeuronCost | Foreign], dt: float | None
) -> Population | None:
    """What is known of a module as a layer of neurons, None where it is none.

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
        return ours if own_cost is None else replace(ours, cost=own_cost)
    about = said if isinstance(said, Foreign) else known(module)
    if about is None and own_cost is not None:
        about = Foreign(own_cost)
    if about is None:
        return None
    kind = Kind(about.output, about.scale, about.signed, hidden=about.output != "analog")
    return Population(
        cost=own_cost or about.cost,
        kind=kind,
        leading=about.leading,
        species=about.species or type(module).__name__,
        dt=about.dt if dt is None else dt,
        covers=tuple(module.get_parameter(name) for name in about.covers),
        arrivals=about.arrivals,
    )


def _ours(own: Any) -> Population:
    """What is known of a layer of picojoule's own neurons."""
    kind = Kind(own.output, hidden=own.output != "analog")
    return Population(
        *(own.cost, kind, 2, own.species, own.dt), arrivals=_inner, timed=True, groups=_groups
    )


def _groups(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> list[Part] | None:
    """The kinds of neurons in one layer of picojoule's own, None where there is one."""
    groups = module.groups(result[0], _state(args, kwargs), result[1])
    if groups is None:
        return None
    return [Part(name, _ours(kind), values, there) for name, kind, values, there in groups]


def _state(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """The state that a layer of picojoule's own neurons was given."""
    return args[1] if len(args) > 1 else kwargs.get("state")


def _inner(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Callable[[Any], Iterable[Inner]]:
    """The inner synapses of picojoule's own neurons."""
    state = _state(args, kwargs)

    def arrived(result: Any) -> Iterable[Inner]:
        for name, values, weight, steps in module.arrivals(result[0], state):
            yield Inner(name, projection(values, weight, None, skip), "output", steps)

    return arrived

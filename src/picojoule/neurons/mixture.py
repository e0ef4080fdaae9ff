"""Layers of several kinds of neurons: by given shares, or as training chooses."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from picojoule.contract import Group, NeuronCost
from picojoule.engine.fused import AllSteps
from picojoule.neurons.base import Neuron
from picojoule.neurons.shares import (
    OFF,
    Factory,
    along_first,
    keep,
    make,
    names,
    numbers,
    undecided,
)


class MixtureState(NamedTuple):
    """State of a mixture.

    Attributes:
        kinds: The state of each kind's neurons.
        fired: If kinds are learned, what each neuron would have fired so far as each kind.
    """

    kinds: tuple[Any, ...]
    fired: tuple[Tensor, ...]


class Mixture(Neuron):
    """Neurons of several kinds in one layer, by given shares or as training chooses.

    Equation::

        s[t] = [kind_1(I_1[t]), kind_2(I_2[t]), ...]      side by side along the neurons' axis
        s[t] = sum_k g_k * kind_k(I[t])                   learned=True

    Each kind has its own state, and a meter counts it below the layer's name, as ``1.lif`` and
    ``1.brf``, with its own cost and price.

    **Learned.** Every neuron runs as each kind, and its gates g choose one of them, or none
    (``"off"``). It starts almost undecided, with a small lead of the kind that its share gives it,
    so that the layer starts as the plain mixture. The choice is hard in every forward pass: spikes
    stay spikes, and counts exact. Gradients pass through the softmax of the gates, and so reach
    kinds that were not chosen: what each would have done for the task and, under a meter, what it
    would have cost. No noise is drawn. After training, ``compiled`` gives the plain mixture; the
    lever ``Kinds`` sees to it that training settles, and compiles.

    Take it for several kinds under one budget.

    Args:
        kinds: Shares that sum to one, or numbers of neurons, of each kind: a neuron's name, its
            class, or another callable from a number to neurons of parameters [] or [size].
        size: Number of neurons (or channels); may be left out if ``kinds`` holds numbers.
        learned: Whether training chooses.
        dt: Seconds per step, given to kinds by name or class; other callables bring their own.

    Attributes:
        kinds: The neurons of each kind, by lower-case type; the second of a type has a 2 behind it.
        gates: If learned, how much each neuron prefers each kind, [size] of each; else None.
        choice: If it was learned and is plain now, the number of each neuron's kind among those it
            had, that of none behind the last, [size]; else None.

    Shape:
        Currents [T, B, size, ...] to spikes [T, B, size, ...].

    Raises:
        ValueError: If shares do not sum to one or leave a kind without a neuron, or a kind has
            another ``dt`` or an analog output.
        TypeError: If a kind does not make neurons, or makes a layer of layers.

    Example:
        >>> from picojoule.neurons import LIF, MultiLevelIF
        >>> layer = Mixture({"lif": 0.75, MultiLevelIF: 0.25}, 8)
        >>> layer.counts
        {'lif': 6, 'multilevelif': 2}
    """

    choice: Tensor | None
    order: Tensor | None
    places: Tensor | None

    def __init__(
        self,
        kinds: Mapping[str | Factory, float],
        size: int | None = None,
        *,
        learned: bool = False,
        dt: float = 1e-3,
    ) -> None:
        super().__init__()
        counts = numbers(kinds, size)
        self.size, self.dt = sum(counts), dt
        made = [
            make(kind, self.size if learned else count, dt)
            for kind, count in zip(kinds, counts, strict=True)
        ]
        outputs = {kind.output for kind in made}
        if not outputs <= {"events", "levels"}:
            raise ValueError("a mixture is of neurons that fire: one of its kinds puts out analog")
        self.output = "levels" if "levels" in outputs else "events"
        self._counts = dict(zip(names(made), counts, strict=True))
        self.kinds = nn.ModuleDict(dict(zip(self._counts, made, strict=True)))
        self.gates = undecided(self._counts) if learned else None
        self._offered = tuple(self._counts)
        self.register_buffer("choice", None)
        self.register_load_state_dict_post_hook(_arrange)
        # Where each place among the kinds is in the layer, and the other way round.
        self.register_buffer("order", None, persistent=False)
        self.register_buffer("places", None, persistent=False)

    @property
    def _members(self) -> dict[str, Neuron]:
        return {name: cast(Neuron, kind) for name, kind in self.kinds.items()}

    @property
    def cost(self) -> NeuronCost:  # pyright: ignore[reportIncompatibleVariableOverride]
        """Largest cost of any kind; a meter counts each kind by its own."""
        costs = [kind.cost for kind in self._members.values()] or [NeuronCost()]
        names = [field.name for field in fields(NeuronCost)]
        return NeuronCost(**{name: max(getattr(cost, name) for cost in costs) for name in names})

    @property
    def counts(self) -> dict[str, int]:
        """Number of neurons of each kind, and of none if there are any, as chosen now."""
        if self.gates is None:
            off = self.size - sum(self._counts.values())
            return {**self._counts, OFF: off} if off else dict(self._counts)
        chosen = self.chosen.bincount(minlength=len(self.kinds) + 1).tolist()
        return dict(zip([*self.kinds, OFF], chosen, strict=True))

    def init_state(self, current: Tensor) -> MixtureState:
        """Returns the state of each kind at rest."""
        if current.shape[1:2] != (self.size,):
            raise ValueError(
                f"expected currents [T, B, {self.size}, ...], got one step of shape "
                f"{list(current.shape)}: give size= the number of neurons (or channels)"
            )
        parts = zip(self._members.values(), self._parts(current, 1), strict=True)
        fired = () if self.gates is None else tuple(torch.zeros_like(current) for _ in self.kinds)
        return MixtureState(tuple(kind.init_state(part) for kind, part in parts), fired)

    def step(self, current: Tensor, state: MixtureState) -> tuple[Tensor, MixtureState]:
        """Runs one step: current [B, size, ...] to spikes [B, size, ...]."""
        return self._run([kind.step for kind in self._members.values()], current, state, 1)

    def apart(self, state: MixtureState) -> Sequence[tuple[Neuron, int | None, Any]]:
        """Returns its kinds, if the neurons of each are side by side."""
        if self.gates is not None or self.order is not None:
            return super().apart(state)
        kinds = zip(self._members.values(), self._counts.values(), state.kinds, strict=True)
        return [(kind, count, own) for kind, count, own in kinds]

    def fuse(self, currents: Tensor, state: MixtureState) -> AllSteps | str:
        """Returns a function that runs each kind through all steps; see ``Neuron.fuse``."""
        if self.gates is None and self.order is None:
            return super().fuse(currents, state)
        parts = zip(self._members.items(), self._parts(currents, 2), state.kinds, strict=True)
        runs: list[AllSteps] = []
        for (name, kind), part, before in parts:
            run = kind.fuse(part, before)
            if isinstance(run, str):
                return f"its {name}: {run}"
            runs.append(run)
        return lambda currents, state: self._run(runs, currents, state, 2)

    def _run(
        self, runs: Sequence[AllSteps], x: Tensor, state: MixtureState, axis: int
    ) -> tuple[Tensor, MixtureState]:
        """Runs each kind through one step or all; ``axis`` is that of the neurons."""
        parts = zip(runs, self._parts(x, axis), state.kinds, strict=True)
        ran = [run(part, before) for run, part, before in parts]
        outs, states = [out for out, _ in ran], tuple(after for _, after in ran)
        if self.gates is None:
            if self.places is not None:
                outs.append(torch.zeros_like(x.narrow(axis, 0, 1)))  # of neurons that are off
            out = torch.cat(outs, axis)
            if self.places is not None:
                out = out.index_select(axis, self.places)
            return out, MixtureState(states, ())
        gates = [along_first(gate, x.dim() - axis) for gate in self._chosen()[:-1]]
        out = torch.zeros_like(x)
        for gate, own in zip(gates, outs, strict=True):
            out = torch.addcmul(out, gate, own)
        new = outs if axis == 1 else [own.sum(0) for own in outs]
        fired = tuple(before + more for before, more in zip(state.fired, new, strict=True))
        return out, MixtureState(states, fired)

    def _parts(self, x: Tensor, axis: int) -> Sequence[Tensor]:
        """Splits values along the axis of neurons into those of each kind."""
        if self.gates is not None:
            return [x] * len(self.kinds)
        if self.order is not None:
            x = x.index_select(axis, self.order)
        return x.split(list(self._counts.values()), axis)

    def _gates(self) -> Tensor:
        """Stacks the gates of each kind, and of none as the last, [kinds + 1, size]."""
        assert self.gates is not None
        return torch.stack([self.gates[name] for name in (*self.kinds, OFF)])

    def _chosen(self) -> Tensor:
        """Returns 1 for a neuron's kind, else 0, [kinds + 1, size]; backward, the softmax."""
        soft = self._gates().softmax(0)
        hard = torch.zeros_like(soft).scatter_(0, self.chosen.unsqueeze(0), 1.0)
        return hard + (soft - soft.detach())

    def groups(
        self, out: Tensor, before: MixtureState | None, after: MixtureState
    ) -> Iterable[Group]:
        """Returns the output of the neurons of each kind."""
        if self.gates is None:
            for (name, kind), own in zip(self._members.items(), self._parts(out, 2), strict=True):
                yield Group(name, kind, own)
            return
        started = [0.0] * len(self.kinds) if before is None else before.fired
        gates = self._chosen()[:-1]
        # Zero in value. For its gradient each kind's spikes per step will do: that of a sum over
        # steps is then what the kind fired, and ``out`` is left with none to the gates.
        slack = [
            along_first(gate - gate.detach(), out.dim() - 2) * (end - start).detach() / len(out)
            for gate, end, start in zip(gates, after.fired, started, strict=True)
        ]
        spikes = out - torch.stack(slack).sum(0)
        for (name, kind), gate, own in zip(self._members.items(), gates, slack, strict=True):
            values = spikes * along_first(gate.detach(), out.dim() - 2) + own
            yield Group(name, kind, values, gate)

    def on(self) -> Tensor:
        """Returns 1 for each neuron of a learned layer that is of a kind, else 0, [size]."""
        return 1 - self._chosen()[-1]

    def compiled(self) -> "Mixture":
        """Returns a plain mixture with the same output: each neuron is of the kind that it chose.

        Neurons that chose none put out nothing and cost nothing. Parameters and buffers along the
        axis of neurons keep the values of the neurons that are left.
        """
        plain = copy.deepcopy(self)
        if self.gates is not None:
            plain.settle(self.chosen)
        return plain

    @property
    def chosen(self) -> Tensor:
        """Number of each neuron's kind in a learned layer, that of none behind the last, [size]."""
        return self._gates().detach().argmax(0)

    def settle(self, choice: Tensor) -> None:
        """Becomes a plain mixture; see ``compiled``.

        Args:
            choice: The number of each neuron's kind, that of none behind the last, [size].
        """
        for k, name in enumerate(self._offered):
            if len(own := (choice == k).nonzero().flatten()):
                keep(self.kinds[name], own, self.size)
            else:
                del self.kinds[name]
        del self.gates
        self.gates, self.choice = None, choice
        _arrange(self)

    def extra_repr(self) -> str:
        """Returns the number of neurons of each kind, for ``repr``."""
        return ", ".join(f"{name}={count}" for name, count in self.counts.items())


def _arrange(mixture: Mixture, *_: Any) -> None:
    """Puts the neurons of each kind side by side, as they were chosen."""
    if (choice := mixture.choice) is None:
        return
    index = [(choice == k).nonzero().flatten() for k in range(len(mixture._offered))]
    counts = zip(mixture._offered, map(len, index), strict=True)
    mixture._counts = {name: count for name, count in counts if count}
    order, here = torch.cat(index), torch.arange(len(choice), device=choice.device)
    sorted_already = torch.equal(order, here)
    places = torch.full_like(choice, len(order))
    places[order] = here[: len(order)]
    mixture.order = None if sorted_already else order
    mixture.places = None if sorted_already else places

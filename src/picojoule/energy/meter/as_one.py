"""Runs of a network as one function, and their counts layer by layer."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from picojoule.energy.kinds import Kind
from picojoule.energy.meter.firing import Firing
from picojoule.energy.meter.forecast import Factor
from picojoule.energy.meter.roster import Roster
from picojoule.energy.presence import known_as, presence_of
from picojoule.energy.rules.arguments import tensors


class WholeRun(NamedTuple):
    """One run of a network as one function.

    Attributes:
        net: The network.
        stack: What runs it, with its ``pairs`` of linear layers and neurons.
        x: Its input [T, B, ...].
        weights: Those of the linear layers.
        present: For each layer of neurons which there are [N], None for all.
        ones: The events in the input, in all [] or at each place [K]; None if they are not known.
        fired: What each layer that fires put out [T, B, N], with its totals [N].
        result: What the network gave back.
    """

    net: nn.Module
    stack: Any
    x: Tensor
    weights: Sequence[Tensor]
    present: Sequence[Tensor | None] = ()
    ones: Tensor | None = None
    fired: Sequence[tuple[Tensor, Tensor]] = ()
    result: Any = None

    @property
    def values(self) -> list[Tensor]:
        """The values that passed between the layers."""
        return [self.x, *(values for values, _ in self.fired)]

    @property
    def decided(self) -> list[Factor]:
        """The weights and neurons that training decides about, at each place where it does."""
        found = []
        for k, (weight, present) in enumerate(zip(self.weights, self.present, strict=True)):
            if (known := presence_of(weight)) is not None:
                found += [((k + 1,), known.outputs), ((k,), known.inputs)]
                found += [((k + 1, k), known.each)]
            found += [((k + 1,), present)]
        return [Factor(axes, values) for axes, values in found if values is not None]

    def with_events(self, ones: Tensor, totals: Iterable[Tensor], *, keep: bool) -> "WholeRun":
        """Returns a run with these numbers of events, and shapes in place of values not to keep."""
        x, *fired = self.values if keep else map(_shape, self.values)
        return self._replace(x=x, ones=ones, fired=list(zip(fired, totals, strict=True)))

    def with_decided(self, numbers: Mapping[int, Tensor]) -> "WholeRun":
        """Returns a run with other numbers in the place of what training decides, by its id."""

        def swap(one: Tensor) -> Tensor:
            return numbers[id(one)]

        weights = [
            weight if known is None else known_as(weight.detach(), known.map(swap))
            for weight, known in ((one, presence_of(one)) for one in self.weights)
        ]
        return self._replace(
            weights=weights, present=[None if one is None else swap(one) for one in self.present]
        )


def count(roster: Roster, firing: Firing, run: WholeRun) -> None:
    """Counts all layers of a run."""
    recorder, names, fired = firing.recorder, roster.names, iter(run.fired)
    values = run.x
    if values.dim() > 3:
        values = values.flatten(2)
        recorder.ran(names[run.net], torch.flatten, (run.x, 2), values)
    if run.ones is not None:
        recorder.hear(values, run.ones)
    for (layer, neuron), weight, there in zip(
        run.stack.pairs, run.weights, run.present, strict=True
    ):
        currents = values.new_empty(()).expand(*values.shape[:2], len(weight))
        recorder.ran(names[layer], linear, (values, weight, layer.bias), currents)
        values, known = run.result[0], roster.layers[neuron]
        if known.kind.sparse:
            values, totals = next(fired)
            firing.hear(values, totals)
        if there is not None:
            known = replace(known, present=partial(_same, there))
        firing.count(names[neuron], known, values, None)
    if values is not run.result[0] and (kind := recorder.lineage.kind_of(values)) is not None:
        recorder.lineage.declare(run.result[0], kind)  # values may be a shape alone
    for state in filter(recorder.lineage.is_new, tensors([run.result])):
        recorder.lineage.declare(state, Kind("analog"))


def _same(there: Tensor) -> Tensor:
    return there


def _shape(values: Tensor) -> Tensor:
    return values.new_empty(()).expand(values.shape)

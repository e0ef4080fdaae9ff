"""The counts of neuron layers: their updates, their spikes and the synapses inside them."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule._torch import version_of
from picojoule.energy.events import (
    Summed,
    event_map,
    events_of,
    faults,
    inside,
    step_map,
    step_maps,
)
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.foreign import Inner
from picojoule.energy.meter.population import Kinds, NeuronLayer
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.presence import wide
from picojoule.energy.rules.arguments import tensors
from picojoule.energy.rules.outcome import Synapses
from picojoule.energy.traffic import Traffic


class Fired(NamedTuple):
    """The events that a layer put out.

    Attributes:
        kind: Of what it put out.
        events: Their sum at each place, None if they are none.
        steps: The same of each step, None if these were not summed.
        later: The same of each step whose next one lies within its sequence, as arrives there; None
            if nothing does, or all lie within.
    """

    kind: Kind
    events: Tensor | None = None
    steps: Tensor | None = None
    later: Tensor | None = None


class Firing:
    """Record keeper of what layers of neurons did in one call.

    Args:
        recorder: The notes to add to.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder, self.clock = recorder, recorder.clock
        self._told: list[tuple[Tensor, Tensor]] = []

    def hear(self, out: Tensor, totals: Tensor) -> None:
        """Takes the totals of what is put out from an engine that gives them; see ``SUMS``."""
        self._told.append((out, totals))

    def expect(self, name: str, args: tuple[Any, ...]) -> None:
        """Lists what comes to neurons from where nothing was seen, such as a scripted function."""
        for value in tensors(args)[:1]:
            self.recorder.lineage.forget_written(value)
            if self.recorder.lineage.is_new(value):
                self.recorder.lineage.declare(value, Kind("analog"))
                self.recorder.miss(f"{name}: input of unknown origin", value.numel())

    def put_out(self, layer: NeuronLayer, result: Any) -> list[Tensor]:
        """Returns what neurons put out: the first tensor, or a list of spikes, one a step."""
        first = result
        while isinstance(first, (list, tuple)) and first and isinstance(first[0], (list, tuple)):
            first = first[0]
        if isinstance(first, list) and first and all(isinstance(one, Tensor) for one in first):
            kinds = [self.recorder.lineage.kind_of(one) for one in first]
            alike = all(kind is not None and kind.name == layer.kind.name for kind in kinds)
            if alike and all(one.shape == first[0].shape for one in first):
                return list({id(one): one for one in first}.values())
        return tensors([result])[:1]

    def mark(self, name: str, layer: NeuronLayer, out: Tensor) -> None:
        """Says of what neurons put out of which kind it is, and counts nothing."""
        kind = replace(layer.kind, steps=out.shape[0]) if layer.timed else layer.kind
        self.recorder.lineage.declare(out, kind)
        self._doubt(name, layer, out, kind)

    def count(self, name: str, layer: NeuronLayer, out: Tensor, groups: Kinds | None) -> Fired:
        """Counts updates and spikes of one call of a layer.

        Args:
            name: The layer's name.
            layer: What is known of it.
            out: What it put out.
            groups: Its kinds of neurons, None if there is one.
        """
        put_out = self._put_out(layer, out)
        kind, events = put_out.kind, put_out.events
        if groups is None:
            present = None if layer.present is None else layer.present()
            fired = events if present is None else self._fired(out, kind, present, events)
            self._count_kind(name, layer, out, kind, fired, present)
        for group, known in groups or ():
            own = self._put_out(known, group.values)
            below = f"{name}.{group.name}"
            self._count_kind(below, known, group.values, own.kind, own.events, group.present)
        self.recorder.lineage.declare(out, self.clock.ending(kind) if layer.timed else kind)
        self._doubt(name, layer, out, kind)
        self._told.clear()
        within = self.clock.within if layer.timed else None
        if events is not None and (within is None or put_out.steps is not None):
            self.recorder.lineage.keep_sum(out, events, within)
        return put_out

    def arrived(
        self,
        name: str,
        layer: NeuronLayer,
        arrivals: Iterable[Inner],
        kinds: dict[str, Kind | None],
        fired: Fired,
        length: int,
    ) -> None:
        """Counts the synapses inside a layer.

        Args:
            name: The layer's name.
            layer: What is known of it.
            arrivals: What arrived at them.
            kinds: The kind of each source.
            fired: What the layer put out.
            length: How many steps it put out.
        """
        within = self.clock.within if layer.timed else None
        for part in arrivals:
            events = None
            if part.steps is not None and fired.steps is not None and within is None:
                events = fired.steps[part.steps].sum(0)
            elif part.steps == slice(0, -1) and fired.later is not None:
                events = fired.later[part.steps].sum(0)
            kind = kinds.get(part.source) or Kind("analog")
            if layer.timed:
                self._record_steps(f"{name}.{part.name}", part.call, kind, events, length)
            else:
                self.recorder.record(f"{name}.{part.name}", part.call, kind)

    def _doubt(self, name: str, layer: NeuronLayer, out: Tensor, kind: Kind) -> None:
        if kind.counted and not layer.trusted:
            self.recorder.doubts.append((name, kind, faults(out, kind)))

    def _put_out(self, layer: NeuronLayer, out: Tensor) -> Fired:
        """Sums what neurons put out."""
        kind = replace(layer.kind, steps=out.shape[0]) if layer.timed else layer.kind
        if not kind.sparse:
            return Fired(kind)
        if layer.leading != 2 or out.dim() < 3:
            return Fired(kind, event_map(out, kind, 1))
        within = self.clock.within if layer.timed else None
        if within is not None:
            masks = [within] if layer.arrivals is None else [within, _next(within)]
            steps, *later = step_maps(out, kind, masks)
            return Fired(kind, steps.sum(0), steps, *later)
        totals = next((totals for one, totals in self._told if one is out), None)
        if totals is None:
            steps = step_map(out, kind, None)
            return Fired(kind, steps.sum(0), steps)
        whole = totals.dim() == out.dim() - 2
        totals = totals.sum(0 if whole else 1) if out.dim() > 3 else totals
        return Fired(kind, totals) if whole else Fired(kind, totals.sum(0), totals)

    def _fired(
        self, out: Tensor, kind: Kind, present: Tensor, events: Tensor | None
    ) -> Tensor | None:
        """Returns the events of each of the neurons (or channels) that are present.

        They lie along axis 2, or behind a linear layer of which each sample has several rows along
        the last.
        """
        if events is None:
            return None
        if events.shape != present.shape:
            number = events_of(inside(out, self.clock.within), kind, multiplied=False)
            own = 2 if out.shape[2:3] == present.shape else out.dim() - 1
            others = [axis for axis in range(1, out.dim()) if axis != own]
            events = number.sum(others).double().sum(0)
        return events * wide(present)

    def _count_kind(
        self,
        name: str,
        layer: NeuronLayer,
        out: Tensor,
        kind: Kind,
        events: Tensor | None,
        present: Tensor | None = None,
    ) -> None:
        """Counts updates and spikes of neurons of one kind, those that are present."""
        clock = self.clock
        within, valid = (clock.within, clock.valid) if layer.timed else (None, 1.0)
        spikes = None
        if events is not None:
            spikes = events.sum()
            if kind.counted:
                self.recorder.sums.append((name, kind, Summed(events)))
            values = self.recorder.kept(out)
            fired = Traffic(
                layer=name,
                values=values,
                kind=kind,
                fanout=1,
                synapses=None,
                events=events,
                within=within,
                leading=layer.leading,
                version=version_of(values),
            )
            self.recorder.traffic.append(fired)
        self.recorder.others.append((name, layer.count(out, spikes, valid, present)))

    def _record_steps(
        self, layer: str, call: Synapses, kind: Kind, events: Tensor | None, steps: int
    ) -> None:
        """Takes down what arrived inside a layer, at the last of its steps [T, B, ...]."""
        within, valid = self.clock.within, 1.0
        if within is not None:
            within = within[steps - len(call.values) :]
            valid = within.double().mean() if within.numel() else 1.0
            if events is None or self.recorder.keep:
                call = call._replace(values=inside(call.values, within))
        kind = replace(kind, steps=len(call.values))
        lag = steps - len(call.values)
        self.recorder.record(layer, call, kind, events=events, valid=valid, lag=lag)


def _next(within: Tensor) -> Tensor:
    """Returns which of the steps after these [T, B] lie within their sequences."""
    return torch.cat([within[1:], torch.zeros_like(within[:1])])

"""Networks that run all their layers as one function, and tell what passed between them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, pad

from picojoule._torch import DisableTorchFunction, function_modes, hooks, version_of
from picojoule.contract import READY, SUMS
from picojoule.energy.convention import Convention
from picojoule.energy.counts import OpCounts
from picojoule.energy.events import Summed, summed
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.clock import Clock
from picojoule.energy.meter.firing import Firing
from picojoule.energy.meter.forecast import Forecast, Foreseen
from picojoule.energy.meter.names import Unseen
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.meter.roster import Roster
from picojoule.energy.rules.arguments import tensors

_MOST = 64  # forecasts that are kept of a network


class _Run(NamedTuple):
    """One run of a network as one function.

    Attributes:
        net: The network.
        stack: What runs it, with its ``pairs`` of linear layers and neurons.
        x: Its input [T, B, ...].
        told: What the layers told: the input with its number of events [], if they know it, then
            what each layer that fires put out [T, B, N], with its totals [N].
        result: What the network gave back.
    """

    net: nn.Module
    stack: Any
    x: Tensor
    told: list[tuple[Tensor, Tensor]]
    result: Any

    @property
    def ones(self) -> Tensor | None:
        """The number of events in the input, if the layers know it."""
        return self.told[0][1] if self.told and not self.told[0][1].dim() else None

    @property
    def fired(self) -> list[tuple[Tensor, Tensor]]:
        """The outputs and totals that each layer that fires told."""
        return self.told if self.ones is None else self.told[1:]

    @property
    def values(self) -> list[Tensor]:
        """The values that passed between the layers."""
        return [self.x, *(values for values, _ in self.fired)]

    def with_events(self, ones: Tensor, totals: Iterable[Tensor], *, keep: bool) -> "_Run":
        """Returns a run with these numbers of events, and shapes in place of values not to keep."""
        x, *fired = self.values if keep else map(_shape, self.values)
        return self._replace(x=x, told=[(x, ones), *zip(fired, totals, strict=True)])


class Whole:
    """Counter of networks that run as one function, as ``Sequential.as_stack`` says.

    Their layers are counted afterwards, as if each had been seen. What is counted is the same each
    time but for the numbers of events: a meter takes it from a forecast, and counts layer by layer
    only if it is asked for more.

    Args:
        roster: What is known of the modules.
        firing: Counts layers of neurons.
    """

    def __init__(self, roster: Roster, firing: Firing) -> None:
        self._roster, self._firing = roster, firing
        self._recorder: Recorder = firing.recorder
        self._run: _Run | None = None
        self._quiet: Any = None
        self._heard: Any = None
        self._ready: Any = None
        self._foreseen: tuple[Forecast, Sequence[Tensor]] | None = None
        self._settle: Any = None

    @property
    def runs(self) -> bool:
        """True while such a network runs."""
        return self._run is not None

    def begin(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Looks away and listens if a network is about to run as one function."""
        as_stack = getattr(net, "as_stack", None)
        if as_stack is None or function_modes() != 1 or not all(map(_looks, hooks(net))):
            return
        self._quiet = DisableTorchFunction()
        self._quiet.__enter__()
        if (stack := as_stack(*args, **kwargs)) is None:
            self.stop()
            return
        x = args[0] if args else kwargs["x"]
        self._run = run = _Run(net, stack, x, [], None)
        self._heard = SUMS.set(lambda *told: run.told.append(told))
        self._ready = READY.set((net, x, stack))

    def stop(self) -> None:
        """Sees functions again, and hears no more."""
        if self._heard is not None:
            SUMS.reset(self._heard)
            READY.reset(self._ready)
        if self._quiet is not None:
            self._quiet.__exit__(None, None, None)
        self._run = self._quiet = self._heard = self._ready = None

    def end(self, result: Any) -> Iterable[nn.Module]:
        """Counts what ran since ``begin``, and returns its modules."""
        run = self._run
        self.stop()
        if result is None or run is None:  # an error
            return ()
        run = run._replace(result=result)
        with Unseen():
            kind = self._recorder.lineage.kind_of(run.x)
            if kind is None or not self._foresee(run, kind):
                _count(self._roster, self._firing, run)
        return run.net.modules()

    def foreseen(self, samples: int) -> Foreseen | None:
        """Returns the counts if they are of a forecast, else None."""
        return None if self._foreseen is None else Foreseen(*self._foreseen, samples)

    def settle(self) -> None:
        """Counts layer by layer what a forecast stood for until now."""
        if self._settle is not None:
            settle, self._settle, self._foreseen = self._settle, None, None
            settle()

    def _foresee(self, run: _Run, kind: Kind) -> bool:
        """Tells whether the counts of a run are known but for its events, and sums these."""
        recorder, roster, pairs = self._recorder, self._roster, run.stack.pairs
        layers = [roster.layers[neuron] for _, neuron in pairs]
        convention = recorder.conventions
        if not isinstance(convention, Convention) or convention.skip_zero_weights:
            return False
        plain = _is_plain(kind) and all(one.plain for one in layers)
        if recorder.layers or not plain:
            return False
        key = (id(run.stack), kind.name, convention)
        stack, forecast = roster.forecasts.get(key, (None, None))
        if stack is not run.stack:
            if len(roster.forecasts) >= _MOST:
                roster.forecasts.clear()
            forecast = Forecast.of(partial(self._totals, run, kind), 1 + len(run.fired))
            roster.forecasts[key] = run.stack, forecast
        if forecast is None:
            return False
        ones = run.ones
        if ones is None and kind.sparse:
            found = summed(run.x, kind, 1)
            recorder.sums.append((roster.names[pairs[0][0]], kind, found))
            ones = found.events
        checks = len(recorder.sums)  # the input's own stays
        ones = torch.zeros((), dtype=torch.float64) if ones is None else ones
        totals = [totals for _, totals in run.fired]
        firing = [pair[1] for pair, one in zip(pairs, layers, strict=True) if one.kind.sparse]
        for neuron, own in zip(firing, totals, strict=True):
            one = roster.names[neuron], roster.layers[neuron].kind, Summed(own)
            recorder.sums.append(one)
        self._foreseen = forecast, [ones, *(own.sum() for own in totals)]
        held = run.with_events(ones, totals, keep=recorder.keep)
        versions = {one.data_ptr(): version_of(one) for one in held.values if recorder.keep}
        graph = torch.is_grad_enabled()
        self._settle = partial(self._settled, held, kind, checks, versions, graph=graph)
        return True

    def _settled(
        self, run: _Run, kind: Kind, checks: int, versions: dict[int, int | None], *, graph: bool
    ) -> None:
        recorder = self._recorder
        del recorder.sums[checks:]  # which come again
        with Unseen(), torch.set_grad_enabled(graph):
            recorder.lineage.declare(run.x, kind)
            _count(self._roster, self._firing, run)
        if recorder.keep:  # values may have changed in place since they were counted
            recorder.traffic[:] = [
                replace(one, version=versions.get(one.values.data_ptr(), one.version))
                for one in recorder.traffic
            ]

    def _totals(self, run: _Run, kind: Kind, events: Sequence[Tensor]) -> dict[str, OpCounts]:
        """Returns what would be counted of other numbers of events, in all."""
        clock = Clock()
        clock.start(self._recorder.clock.steps, None)
        clock.batch = self._recorder.clock.batch
        recorder = Recorder(run.net, self._recorder.conventions, clock, keep=False)
        totals = [
            pad(one.view(1), (0, len(own) - 1))
            for one, (_, own) in zip(events[1:], run.fired, strict=True)
        ]
        run = run.with_events(events[0], totals, keep=False)
        recorder.lineage.declare(run.x, kind)
        _count(self._roster, Firing(recorder), run)
        return recorder.totals()


def _count(roster: Roster, firing: Firing, run: _Run) -> None:
    """Counts all layers of a run."""
    recorder, names, fired = firing.recorder, roster.names, iter(run.fired)
    values = run.x
    if values.dim() > 3:
        values = values.flatten(2)
        recorder.ran(names[run.net], torch.flatten, (run.x, 2), values)
    if run.ones is not None:
        recorder.hear(values, run.ones)
    for layer, neuron in run.stack.pairs:
        currents = values.new_empty(()).expand(*values.shape[:2], len(layer.weight))
        recorder.ran(names[layer], linear, (values, layer.weight, layer.bias), currents)
        values = run.result[0]
        if roster.layers[neuron].kind.sparse:
            values, totals = next(fired)
            firing.hear(values, totals)
        firing.count(names[neuron], roster.layers[neuron], values, None)
    if values is not run.result[0] and (kind := recorder.lineage.kind_of(values)) is not None:
        recorder.lineage.declare(run.result[0], kind)  # values may be a shape alone
    for state in filter(recorder.lineage.is_new, tensors([run.result])):
        recorder.lineage.declare(state, Kind("analog"))


def _is_plain(kind: Kind) -> bool:
    """Tells whether values are the network's own, analog or events of 1, and all of them count."""
    plain = kind.given and kind.name in ("analog", "events") and kind.is_worth(1)
    return plain and not kind.signed and kind.within is None and kind.number is None


def _shape(values: Tensor) -> Tensor:
    return values.new_empty(()).expand(values.shape)


def _looks(hook: Any) -> bool:
    return getattr(hook, "only_looks", False)

"""Networks that run all their layers as one function, and tell what passed between them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from picojoule._torch import DisableTorchFunction, function_modes, hooks, version_of
from picojoule.contract import READY, SUMS
from picojoule.energy.convention import Convention
from picojoule.energy.counts import OpCounts
from picojoule.energy.events import Summed, summed
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.as_one import WholeRun, count
from picojoule.energy.meter.clock import Clock
from picojoule.energy.meter.firing import Firing
from picojoule.energy.meter.forecast import Factor, Forecast, Foreseen
from picojoule.energy.meter.names import Unseen
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.meter.roster import Roster
from picojoule.energy.presence import presence_of, wide

_MOST = 64  # forecasts that are kept of a network
_EXACT = 1 << 24  # ones that can be added in single precision


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
        self._run: WholeRun | None = None
        self._told: list[tuple[Tensor, Tensor]] = []
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
        self._run, self._told = WholeRun(net, stack, x, stack.weights), []
        self._heard = SUMS.set(lambda *told: self._told.append(told))
        self._ready = READY.set((net, x, stack))

    def stop(self) -> None:
        """Sees functions again, and hears no more."""
        if self._heard is not None:
            SUMS.reset(self._heard)
            READY.reset(self._ready)
        if self._quiet is not None:
            self._quiet.__exit__(None, None, None)
        self._run = self._quiet = self._heard = self._ready = None
        self._told = []

    def end(self, result: Any) -> Iterable[nn.Module]:
        """Counts what ran since ``begin``, and returns its modules."""
        run, fired, ones = self._run, self._told, None
        self.stop()
        if result is None or run is None:  # an error
            return ()
        layers = (self._roster.layers[neuron] for _, neuron in run.stack.pairs)
        present = [None if one.present is None else one.present() for one in layers]
        if fired and not fired[0][1].dim():  # the first product has counted what is in the input
            (_, ones), *fired = fired
        run = run._replace(present=present, ones=ones, fired=fired, result=result)
        with Unseen():
            kind = self._recorder.lineage.kind_of(run.x)
            if kind is None or not self._foresee(run, kind):
                count(self._roster, self._firing, run)
        (root, *_), modules = self._roster.names, self._roster.names
        return modules if run.net is root else run.net.modules()

    def foreseen(self, samples: int) -> Foreseen | None:
        """Returns the counts if they are of a forecast, else None."""
        return None if self._foreseen is None else Foreseen(*self._foreseen, samples)

    def settle(self) -> None:
        """Counts layer by layer what a forecast stood for until now."""
        if self._settle is not None:
            settle, self._settle, self._foreseen = self._settle, None, None
            settle()

    def _foresee(self, run: WholeRun, kind: Kind) -> bool:
        """Tells whether the counts of a run are known but for its events, and sums these."""
        recorder, roster, pairs = self._recorder, self._roster, run.stack.pairs
        layers = [roster.layers[neuron] for _, neuron in pairs]
        convention = recorder.conventions
        if not isinstance(convention, Convention) or convention.skip_zero_weights:
            return False
        plain = _is_plain(kind) and all(one.plain for one in layers)
        if recorder.layers or not plain:
            return False
        ones, totals = self._arrived(run, kind), [totals for _, totals in run.fired]
        checks = len(recorder.sums)  # the input's own stays
        decided = run.decided
        several = {id(one.values): one for one in decided}  # one gate may close several parts
        factors = [Factor((0,) if ones.dim() else (), ones)]
        factors += [Factor(one.axes, wide(one.values)) for one in several.values()]
        firing = [pair[1] for pair, one in zip(pairs, layers, strict=True) if one.kind.sparse]
        for k, (neuron, own) in enumerate(zip(firing, totals, strict=True), 1):
            factors.append(Factor((k,), own) if decided else Factor((), own.sum()))
            one = roster.names[neuron], roster.layers[neuron].kind, Summed(factors[-1].values)
            recorder.sums.append(one)
        snapshot, order = run.stack.snapshot, [*several]
        shared = tuple((one.axes, order.index(id(one.values))) for one in decided)
        key = (id(snapshot), kind.name, convention, shared)
        known, forecast = roster.forecasts.get(key, (None, None))
        if known is not snapshot:
            if len(roster.forecasts) >= _MOST:
                roster.forecasts.clear()
            forecast = Forecast.of(partial(self._totals, run, kind, order), factors)
            roster.forecasts[key] = snapshot, forecast
        if forecast is None:
            del recorder.sums[checks:]
            return False
        self._foreseen = forecast, forecast.sums(factors)
        held = run.with_events(ones, totals, keep=recorder.keep)
        versions = {one.data_ptr(): version_of(one) for one in held.values if recorder.keep}
        graph = torch.is_grad_enabled()
        self._settle = partial(self._settled, held, kind, checks, versions, graph=graph)
        return True

    def _arrived(self, run: WholeRun, kind: Kind) -> Tensor:
        """Returns the events in the input: at each place [K] if some inputs may be absent."""
        if not kind.sparse:
            return torch.zeros((), dtype=torch.float64)
        known = presence_of(run.weights[0])
        apart = known is not None and (known.inputs is not None or known.each is not None)
        if run.ones is not None and not apart:
            return run.ones
        if run.ones is not None and run.x.shape[:2].numel() <= _EXACT:
            return run.x.flatten(2).sum((0, 1)).double()  # of zeros and ones, as a product found
        x, name = run.x.flatten(2), self._roster.names[run.stack.pairs[0][0]]
        found = summed(x, kind, x[0, 0] if apart else 1)
        self._recorder.sums.append((name, kind, found))
        return found.events

    def _settled(
        self,
        run: WholeRun,
        kind: Kind,
        checks: int,
        versions: dict[int, int | None],
        *,
        graph: bool,
    ) -> None:
        recorder = self._recorder
        del recorder.sums[checks:]  # which come again
        with Unseen(), torch.set_grad_enabled(graph):
            recorder.lineage.declare(run.x, kind)
            count(self._roster, self._firing, run)
        if recorder.keep:  # values may have changed in place since they were counted
            recorder.traffic[:] = [
                replace(one, version=versions.get(one.values.data_ptr(), one.version))
                for one in recorder.traffic
            ]

    def _totals(
        self, run: WholeRun, kind: Kind, decided: Sequence[int], numbers: Sequence[Tensor]
    ) -> dict[str, OpCounts]:
        """Returns what would be counted in all of other numbers of factors.

        Args:
            run: The run.
            kind: That of its input.
            decided: The ids of what training decides.
            numbers: Of the input's events, of these, and of the events of each layer that fires.
        """
        clock = Clock()
        clock.start(self._recorder.clock.steps, None)
        clock.batch = self._recorder.clock.batch
        recorder = Recorder(run.net, self._recorder.conventions, clock, keep=False)
        ones, *others = numbers
        run = run.with_decided(dict(zip(decided, others, strict=False)))
        totals = [
            one if one.dim() else pad(one.view(1), (0, len(own) - 1))
            for one, (_, own) in zip(others[len(decided) :], run.fired, strict=True)
        ]
        run = run.with_events(ones, totals, keep=False)
        recorder.lineage.declare(run.x, kind)
        count(self._roster, Firing(recorder), run)
        return recorder.totals()


def _is_plain(kind: Kind) -> bool:
    """Tells whether values are the network's own, analog or events of 1, and all of them count."""
    plain = kind.given and kind.name in ("analog", "events") and kind.is_worth(1)
    return plain and not kind.signed and kind.within is None and kind.number is None


def _looks(hook: Any) -> bool:
    return getattr(hook, "only_looks", False)

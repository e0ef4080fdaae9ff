"""The meter: what happened in a network, without a change to it."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from torch import Tensor, nn

from picojoule._plain_table import PlainTable
from picojoule.contract import NeuronCost
from picojoule.energy.convention import Convention, Conventions, check_fit
from picojoule.energy.counts import OpCounts
from picojoule.energy.meter.clock import Clock
from picojoule.energy.meter.coverage import Coverage
from picojoule.energy.meter.forecast import Foreseen
from picojoule.energy.meter.foreign import Foreign
from picojoule.energy.meter.observer import Observer
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.meter.roster import roster
from picojoule.energy.meter.said import (
    ValueCheck,
    check_network,
    checked,
    spike_functions,
    warn_of_derived,
    warn_of_idle,
    warn_of_none,
)
from picojoule.energy.meter.shown import counts_table
from picojoule.energy.meter.watch import Calls, eager
from picojoule.energy.tally import by_layer, count_dense
from picojoule.energy.traffic import Traffic


class Meter:
    """Counter of what a network does inside a ``with`` block.

    Layers are named by forward hooks; a ``TorchFunctionMode`` sees every torch function that runs
    between them, so that functions count as modules do and the graph is kept. Whether values are
    events follows from the operations that made them. See "How a picojoule is counted" in the docs.

    Neurons of picojoule, snnTorch, SpikingJelly and Norse are known. A compiled network runs
    uncompiled inside the block; scripted and traced modules are named in ``uncounted``. Activation
    checkpointing is fine in its non-reentrant form.

    Args:
        net: The network, of picojoule or of any other library. It is not changed.
        samples: Number of samples that run inside the block; may be left out if the network has a
            picojoule neuron and its input is [T, B, ...] (then it is the sum of ``x.shape[1]``
            over all calls, also of those that go on with a state).
        inputs: The kind of the network's inputs, or a kind per argument name: ``"analog"``,
            ``"events"`` or ``"levels"``.
        neurons: Further neurons and the cost of one update of each, or a
            ``picojoule.energy.Foreign`` if there is more to say than that. A neuron is a type of
            module, an ``autograd.Function`` that fires, or a function in Python.
        dt: Seconds per step, for neurons that have no ``dt``.
        convention: Convention of counting for all layers, or a mapping from dotted names of layers
            (``*`` stands for anything) to their conventions.
        traffic: Whether to keep what arrived at each layer, which penalties on rates look at;
            ``counts`` does not need it, and takes less memory without it.

    Raises:
        TypeError: If ``net`` is not a module, ``samples`` not a whole number, or ``neurons`` not a
            mapping.
        ValueError: If a kind is unknown, ``samples`` is missing, not positive or not the number
            that ran, or was left out and neurons ran on another batch than ``x.shape[1]``, a
            convention is for no layer, or the network returns no tensor.
        RuntimeError: If it is entered twice, the network did not run inside the block, or uses
            activation checkpointing in its reentrant form.

    Example:
        >>> import torch
        >>> import picojoule as pj
        >>> net = pj.Sequential(nn.Linear(3, 2), pj.LIF())
        >>> with Meter(net) as meter:
        ...     _ = net(torch.ones(5, 4, 3))
        >>> meter.counts["0"].mac
        tensor(30., dtype=torch.float64)
    """

    def __init__(
        self,
        net: nn.Module,
        samples: int | None = None,
        inputs: str | Mapping[str, str] = "analog",
        neurons: Mapping[Any, NeuronCost | Foreign] | None = None,
        dt: float | None = None,
        convention: Conventions = Convention(),
        traffic: bool = True,
    ) -> None:
        check_network(net)
        self._net, neurons = net, checked(neurons)
        self._roster = roster(net, neurons, dt)
        names, layers = self._roster.names, self._roster.layers
        self._functions = spike_functions(neurons, dt)
        warn_of_derived(layers, names)
        if not (layers or self._functions):
            warn_of_none()
        self._convention = convention
        self._recorder = Recorder(net, convention, Clock(), keep=traffic)
        for layer in layers.values():
            self._recorder.reach(layer.covers)
        self._calls = Calls(samples, needed=not any(layer.timed for layer in layers.values()))
        self._observer = Observer(
            self._roster, self._functions, inputs, self._recorder, self._calls
        )
        ran, unseen = self._observer.ran, self._roster.scripted
        self._coverage = Coverage(names, unseen, ran, self._recorder)
        self._values = ValueCheck(self._recorder)
        self._undo = ExitStack()
        self._entered = False

    def __enter__(self) -> "Meter":
        if self._entered:
            raise RuntimeError("this Meter was entered before: make a new one for each block")
        with ExitStack() as undo:  # an error here undoes what was done before it
            eager(self._net, undo)
            self._observer.attach(self._net, undo)
            self._undo = undo.pop_all()
        self._entered = True
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        self._undo.close()  # and with it every cycle through self, which would keep the graph
        if error is not None:
            return
        self._coverage.check_ran(self._net, elsewhere=self._observer.hooks.elsewhere)
        if self._observer.silent:
            raise ValueError(
                "the network gave back no tensor: let its forward return what it put out, or meter "
                "the module that does"
            )
        self._calls.check(timed=self._observer.timed)
        check_fit(self._convention, {*self._roster.names.values(), *self._recorder.layers})
        idle = self._coverage.idle(self._roster.layers)
        idle += [one.__name__ for one in self._functions if one not in self._observer.functions.ran]
        warn_of_idle(idle)

    @property
    def samples(self) -> int:
        """Samples run inside the block."""
        return self._calls.samples

    @property
    def levels(self) -> int:
        """Largest number of spikes of one neuron in one step, as far as it is known."""
        layers = (*self._roster.layers.values(), *self._functions.values())
        return max((layer.levels for layer in layers), default=1)

    @property
    def traffic(self) -> list[Traffic]:
        """Records of what arrived at synapses, and of what neurons put out, in each call.

        Raises:
            RuntimeError: If the traffic was not kept.
            ValueError: As for ``counts``.
        """
        if not self._recorder.keep:
            raise RuntimeError("this meter keeps counts alone: make it with traffic=True")
        self._observer.settle()
        self._values.read()
        return [replace(call, samples=self.samples) for call in self._recorder.traffic]

    @property
    def counts(self) -> dict[str, OpCounts]:
        """Counts per sample, by the dotted name of the layer that consumed or fired.

        Raises:
            ValueError: If values that count as events or levels are not whole numbers of them:
                inputs, outputs of neurons or tensors that were declared so, or values that changed
                unobserved.
        """
        foreseen = self.foreseen
        return self._per_sample(self._recorder.totals()) if foreseen is None else foreseen.counts

    @property
    def foreseen(self) -> Foreseen | None:
        """Counts except the numbers of events, if known before the run; None otherwise.

        Raises:
            ValueError: As for ``counts``.
        """
        self._values.read()
        return self._observer.foreseen(self.samples)

    @property
    def multiplied(self) -> dict[str, OpCounts]:
        """Counts of the layers at which levels arrived, as if each were one multiplication.

        These are what ``Convention(levels="multiply")`` would count. They are known of calls that
        recorded no graph.
        """
        self._observer.settle()
        others = self._recorder.multiplied
        layers = {call.layer for call in others.values()}
        totals = self._recorder.totals(others)
        return self._per_sample({layer: one for layer, one in totals.items() if layer in layers})

    def dense(self, steps: int | None = None) -> dict[str, OpCounts]:
        """Counts per sample of the same architecture as a dense ANN.

        Args:
            steps: How often the ANN runs: 1 if the input is static; as many times as the input
                has steps if left out.

        Raises:
            ValueError: ``steps`` of a foreign network, of which every call counts: how many of
                them are steps is not known.
        """
        if steps is not None and not self._observer.timed:
            raise ValueError(
                "steps= needs a network that takes x [T, B, ...] as picojoule's do; of others each "
                "call counts: meter the dense network in as many calls as it needs"
            )
        self._observer.settle()
        arrived = (call for call in self._recorder.traffic if not call.fired)
        return self._per_sample(by_layer((one.layer, count_dense(one, steps)) for one in arrived))

    @property
    def uncounted(self) -> dict[str, int]:
        """Elements of functions, then of weights, that ran and were not counted, by name."""
        self._observer.settle()
        return self._coverage.uncounted

    @property
    def unreached(self) -> list[str]:
        """Layers with weights that did not run at all."""
        self._observer.settle()
        return self._coverage.unreached

    def decide(self, going: Tensor) -> None:
        """Declares the decision of training that ends samples early, before the network runs.

        The network is given the ``lengths``. With the decision, the counts have the gradient of
        the cost of each step.

        Args:
            going: Ones for the steps that run [T, B], else zeros, with the graph of the decision.
        """
        self._observer.given.decided = going

    def put_off_check(self) -> Callable[[], None]:
        """Defers the check of the counts, which waits for the device.

        Returns:
            A function that runs the check and raises the errors of ``counts``.
        """
        return self._values.put_off()

    def __str__(self) -> str:
        """Returns a short table: counts per sample by layer, and what was not counted."""
        return str(self._table())

    def _repr_html_(self) -> str:
        return self._table().html()

    def _table(self) -> PlainTable:
        return counts_table(lambda: self.counts, self.samples, self.uncounted, self.unreached)

    def _per_sample(self, totals: Mapping[str, OpCounts]) -> dict[str, OpCounts]:
        return {layer: counts / self.samples for layer, counts in totals.items()}

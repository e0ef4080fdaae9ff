"""Networks that run all their layers as one function, and tell what passed between them."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._torch import DisableTorchFunction, function_modes, hooks
from picojoule.contract import SUMS
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.firing import Firing
from picojoule.energy.meter.names import Unseen
from picojoule.energy.meter.population import NeuronLayer
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.rules.arguments import tensors


class Whole:
    """Counter of networks that run as one function, as ``Sequential.as_stack`` says.

    Their layers are counted afterwards, as if each had been seen.

    Args:
        names: All modules that can be seen, with their names.
        neurons: Those that are layers of neurons.
        firing: Counts these.
    """

    def __init__(
        self,
        names: Mapping[nn.Module, str],
        neurons: Mapping[nn.Module, NeuronLayer],
        firing: Firing,
    ) -> None:
        self._names, self._neurons, self._firing = names, neurons, firing
        self._recorder: Recorder = firing.recorder
        self._stack: Any = None
        self._x: Any = None
        self._told: list[tuple[Tensor, Tensor]] = []
        self._quiet: Any = None
        self._heard: Any = None

    @property
    def runs(self) -> bool:
        """True while such a network runs."""
        return self._stack is not None

    def begin(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Looks away and listens if a network is about to run as one function."""
        as_stack = getattr(net, "as_stack", None)
        if as_stack is None or function_modes() != 1 or not all(map(_looks, hooks(net))):
            return
        self._quiet = DisableTorchFunction()
        self._quiet.__enter__()
        self._stack = as_stack(*args, **kwargs)
        if self._stack is None:
            self.stop()
            return
        self._x = args[0] if args else kwargs["x"]
        self._heard = SUMS.set(lambda *told: self._told.append(told))

    def stop(self) -> None:
        """Sees functions again, and hears no more."""
        if self._heard is not None:
            SUMS.reset(self._heard)
        if self._quiet is not None:
            self._quiet.__exit__(None, None, None)
        self._stack = self._x = self._quiet = self._heard = None
        self._told = []

    def end(self, net: nn.Module, result: Any) -> Iterable[nn.Module]:
        """Counts what ran since ``begin``, and returns its modules."""
        stack, x, told = self._stack, self._x, self._told
        self.stop()
        if result is None:  # but an error
            return ()
        with Unseen():
            self._count(net, stack.pairs, x, told, result)
        return net.modules()

    def _count(
        self,
        net: nn.Module,
        pairs: Iterable[tuple[Any, nn.Module]],
        x: Tensor,
        told: list[tuple[Tensor, Tensor]],
        result: Any,
    ) -> None:
        recorder, values = self._recorder, x
        if x.dim() > 3:
            values = x.flatten(2)
            recorder.ran(self._names[net], torch.flatten, (x, 2), values)
        if told and not told[0][1].dim():
            recorder.hear(values, told.pop(0)[1])
        for linear, neuron in pairs:
            currents = values.new_empty(()).expand(*values.shape[:2], len(linear.weight))
            given = (values, linear.weight, linear.bias)
            recorder.ran(self._names[linear], nn.functional.linear, given, currents)
            layer, values = self._neurons[neuron], result[0]
            if layer.kind.sparse:
                values, totals = told.pop(0)
                self._firing.hear(values, totals)
            self._firing.count(self._names[neuron], layer, values, None)
        for state in filter(recorder.lineage.is_new, tensors([result])):
            recorder.lineage.declare(state, Kind("analog"))


def _looks(hook: Any) -> bool:
    return getattr(hook, "only_looks", False)

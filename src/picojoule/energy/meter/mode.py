"""The mode in which a meter sees the torch functions of its network."""

from typing import Any, Protocol

from torch import Tensor
from torch.overrides import TorchFunctionMode

from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.spikes import spikes

# Functions that tell something about a tensor and give none.
_QUESTIONS = frozenset(
    (
        *(getattr(Tensor, name).__get__ for name in ("shape", "dtype", "device", "layout", "ndim")),
        *(getattr(Tensor, name).__get__ for name in ("requires_grad", "is_cpu", "is_cuda")),
        *(Tensor.dim, Tensor.numel, Tensor.size, Tensor.stride, Tensor.__len__),
        *(Tensor.is_floating_point, Tensor.is_contiguous, Tensor.is_neg),
    )
)

# Functions that give a tensor's memory to others, who may write into it.
_LENDING = frozenset(
    (
        *(Tensor.data_ptr, Tensor.numpy, Tensor.__array__, Tensor.__dlpack__),
        *(Tensor.storage, Tensor.untyped_storage),
    )
)


class Watcher(Protocol):
    """Knowledge of which layer runs, as the mode asks for it.

    Attributes:
        recorder: Takes down what is seen.
    """

    recorder: Recorder

    @property
    def layer(self) -> str | None:
        """Name of the layer that runs, None outside the network and inside neurons."""

    @property
    def outside(self) -> bool:
        """True while no part of the network runs."""
        ...

    @property
    def updating(self) -> bool:
        """True inside a neuron's update."""
        ...

    def settle(self) -> None:
        """Counts what a forecast stood for until now."""

    def marked(self, value: Tensor, kind: str, scale: float, signed: bool) -> Tensor:
        """Sets the kind of a tensor as its author says."""
        ...


class FunctionMode(TorchFunctionMode):
    """Mode in which a meter sees the functions inside its network, but not inside its neurons.

    Between calls of the network it follows what was moved, such as a state that is detached.
    """

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        if func in _QUESTIONS:
            return func(*args, **(kwargs or {}))
        watcher = self._watcher
        if func is spikes:
            return watcher.marked(*args, **(kwargs or {}))
        layer = watcher.layer
        if layer is None:
            if watcher.outside:
                return watcher.recorder.follow(func, args, kwargs or {})
            return func(*args, **(kwargs or {}))
        watcher.settle()
        if func in _LENDING:
            watcher.recorder.lineage.lend(args[0])
        watcher.recorder.updating = watcher.updating
        return watcher.recorder.see(layer, func, args, kwargs or {})

"""The order of features in memory."""

from torch import Tensor


class Order:
    """The axes of features as they lie in memory, so that channels may come last there.

    Args:
        currents: [T, B, ...].
        as_they_lie: Whether they may; else in the order of their shape.

    Attributes:
        axes: Those of the features, the outermost in memory first.
    """

    def __init__(self, currents: Tensor, *, as_they_lie: bool = True) -> None:
        if currents.dim() < 4:  # one axis at most has one order
            self.axes = self._inverse = tuple(range(currents.dim() - 2))
            return
        strides = currents.stride()[2:]
        order = sorted(range(len(strides)), key=lambda axis: -strides[axis])
        dense = as_they_lie and bool(currents.numel())
        dense = dense and currents[0, 0].permute(order).is_contiguous()
        self.axes = tuple(order if dense else range(len(strides)))
        self._inverse = tuple(sorted(self.axes, key=self.axes.__getitem__))

    def of(self, tensor: Tensor) -> Tensor:
        """Returns a view of [..., features] in their order in memory."""
        return self._turned(tensor, self.axes)

    def back(self, tensor: Tensor) -> Tensor:
        """Returns a view of them in the order of their shape again."""
        return self._turned(tensor, self._inverse)

    def _turned(self, tensor: Tensor, axes: tuple[int, ...]) -> Tensor:
        if axes == tuple(range(len(axes))):
            return tensor
        leading = tensor.dim() - len(axes)
        return tensor.permute(*range(leading), *(leading + axis for axis in axes))

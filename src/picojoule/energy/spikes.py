"""The kind of a tensor, declared by hand."""

import math

from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function_unary

from picojoule._names import unknown
from picojoule.energy.kinds import KINDS


def spikes(
    tensor: Tensor, kind: str = "events", *, scale: float = 1.0, signed: bool = False
) -> Tensor:
    """Declares the kind of a tensor, for spikes and masks that are not recognised otherwise.

    Outside a ``Meter`` it does nothing. Inside, the tensor is of that kind from then on. Whether
    its values fit is checked when the counts are read.

    Args:
        tensor: Any tensor.
        kind: ``"events"`` (0 or 1), ``"levels"`` (whole numbers of events), ``"graded"`` (an analog
            value at each event, else 0) or ``"analog"``.
        scale: Worth of one event in the tensor, above zero.
        signed: Whether events may be negative; they count by magnitude.

    Returns:
        The same tensor, with its graph.

    Raises:
        ValueError: An unknown kind, or a scale that is no number above zero.

    Example:
        >>> import torch
        >>> membrane = torch.tensor([0.5, 1.5])
        >>> spikes((membrane > 1).float())
        tensor([0., 1.])
    """
    if kind not in KINDS:
        raise ValueError(unknown("kind", kind, KINDS))
    if not (math.isfinite(scale) and scale > 0):
        raise ValueError(f"scale is what one event is worth, a number above zero, got {scale!r}")
    if has_torch_function_unary(tensor):
        return handle_torch_function(
            spikes, (tensor,), tensor, kind=kind, scale=scale, signed=signed
        )
    return tensor

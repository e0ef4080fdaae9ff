"""A watch over the loss that does not make a step wait for the device."""

from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from picojoule.training.ranks import gathered

_NEVER = torch.iinfo(torch.int64).max


class NonFiniteLoss(ArithmeticError):  # noqa: N818
    """The loss, or a weight, became infinite or not a number.

    Attributes:
        epoch: Epoch in which it began, from 1.
        step: Step at which it began, from 1.
    """

    def __init__(self, what: str, epoch: int, step: int, checkpoint: Path | None) -> None:
        kept = f"kept the last good checkpoint, {checkpoint}" if checkpoint else "no checkpoint yet"
        super().__init__(
            f"{what} became infinite or not a number in epoch {epoch} at step {step} ({kept}): "
            "lower the learning rate or look for bad values in the data"
        )
        self.epoch = epoch
        self.step = step


class LossWatch:
    """Remembers on the device at which step the loss was first not finite.

    Args:
        device: Where the loss is.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), _NEVER, dtype=torch.int64, device=device)

    def see(self, loss: Tensor, step: int) -> None:
        """Takes note of the loss of a step, without waiting for it."""
        self._first = torch.where(loss.isfinite(), self._first, self._first.clamp(max=step))

    def check(self, fabric: Fabric, epoch: int, checkpoint: Path | None) -> None:
        """Reads the note; waits for the device, and is for all ranks to call together.

        Raises:
            NonFiniteLoss: The loss of a step was not finite, on any rank.
        """
        first = int(gathered(fabric, self._first).min())
        if first < _NEVER:
            raise NonFiniteLoss("the loss", epoch, first, checkpoint)


def check_weights(net: nn.Module, epoch: int, step: int, checkpoint: Path | None) -> None:
    """Looks at every weight; a finite loss can still have an infinite gradient.

    Raises:
        NonFiniteLoss: One is not finite.
    """
    finite = [weight.isfinite().all() for weight in net.parameters()]
    if finite and not bool(torch.stack(finite).all()):
        raise NonFiniteLoss("a weight", epoch, step, checkpoint)

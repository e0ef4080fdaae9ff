"""A watch over the loss that does not make a step wait for the device."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from picojoule.training.ranks import gathered

_NEVER = torch.iinfo(torch.int64).max


class NonFiniteLoss(ArithmeticError):  # noqa: N818
    """Error of a training whose loss, energy of a layer or weight is infinite or not a number.

    Attributes:
        epoch: The epoch in which it began, from 1.
        step: The step at which it began, from 1.
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
    """Watch for the first step at which the loss or a layer's energy is not finite.

    It is kept on the device.

    Args:
        device: That of the loss.
    """

    def __init__(self, device: torch.device) -> None:
        self._first = torch.full((), _NEVER, dtype=torch.int64, device=device)
        self._bad: dict[tuple[str, ...], Tensor] = {}  # by the names of the layers that ran
        self._counts: Callable[[], None] | None = None

    def see(
        self,
        loss: Tensor,
        step: int,
        layers: Mapping[str, Tensor],
        counts: Callable[[], None] | None = None,
    ) -> None:
        """Takes in the loss of a step and the energy of each layer, without waiting for them.

        Args:
            loss: The loss.
            step: The step.
            layers: The energy of each layer.
            counts: Checks the counts of the step; ``check`` calls that of the last one.
        """
        self._counts = counts
        device, names = self._first.device, tuple(layers)
        seen = [one.detach().to(device, torch.float64) for one in (loss, *layers.values())]
        finite = torch.stack(seen).isfinite()
        self._first = torch.where(finite.all(), self._first, self._first.clamp(max=step))
        bad = ~finite[1:] & (self._first == step)
        self._bad[names] = self._bad[names] | bad if names in self._bad else bad

    def check(self, fabric: Fabric, epoch: int, checkpoint: Path | None) -> None:
        """Raises an error if anything was not finite; waits for the device, for all ranks at once.

        Raises:
            NonFiniteLoss: If the loss of a step was not finite, on any rank.
            ValueError: If what the last step counted as events is none.
        """
        if self._counts is not None:
            self._counts()
        first = int(gathered(fabric, self._first).min())
        if first < _NEVER:
            each = (zip(names, bad.tolist(), strict=True) for names, bad in self._bad.items())
            bad = dict.fromkeys(name for layers in each for name, found in layers if found)
            what = "the energy of " + ", ".join(f"layer '{name}'" for name in bad)
            raise NonFiniteLoss(what if bad else "the loss", epoch, first, checkpoint)


def check_weights(net: nn.Module, epoch: int, step: int, checkpoint: Path | None) -> None:
    """Checks every weight: a finite loss can still have an infinite gradient.

    Raises:
        NonFiniteLoss: If one is not finite.
    """
    finite = [weight.isfinite().all() for weight in net.parameters()]
    if finite and not bool(torch.stack(finite).all()):
        raise NonFiniteLoss("a weight", epoch, step, checkpoint)

"""Numbers as what a network learns: regression."""

import torch
from torch import Tensor, nn

from picojoule.targets.base import Scored, Target, check_read

ONE_HOT = (
    "give the number of each class, label.argmax(-1), and it is measured by its accuracy; a loss "
    "of one-hot labels makes them itself: lambda scores, label: mse_loss(scores, one_hot(label, "
    "scores.shape[-1]).float())"
)


class Numbers(Target):
    """One or more real numbers."""

    missing = torch.nan
    measures = ("mse",)

    def criterion(self) -> nn.Module:
        """Makes the mean squared error."""
        return nn.MSELoss()

    def check(self, y: Tensor) -> None:
        """Checks that labels are finite, or all NaN for a step without one."""
        none = y.isnan().all(-1, keepdim=True) & self.each_step
        if not (y.isfinite() | none).numpy().all():
            rule = ", or NaN in all numbers of a step that has none" if self.each_step else ""
            raise ValueError(
                f"expected labels that are finite numbers{rule}, got some that are infinite or not "
                "a number (NaN): mend them, or leave their items out"
            )

    def is_label(self, y: Tensor) -> Tensor:
        """Returns where labels are numbers."""
        return ~(y.isnan().any(-1) if self.each_step else y.isnan().view(len(y), -1).any(1))

    def outputs(self, y: Tensor) -> int:
        """Returns how many numbers a label has."""
        return 1 if y.dim() == 1 else y.shape[-1]

    def check_outputs(self, needed: int, outputs: int) -> None:
        """Checks that there are as many outputs as numbers."""
        if needed != outputs:
            raise ValueError(
                f"the network puts out {outputs} numbers, and labels have {needed}: give it "
                f"{needed} outputs, or labels of classes as whole numbers (label.long())"
            )

    def strata(self, y: Tensor) -> Tensor:
        """Returns one group for all items."""
        return torch.zeros(len(y), dtype=torch.int64)

    @property
    def strata_in_words(self) -> str:
        """The way in which items are divided, in words."""
        return "whatever the labels"

    def measure(self, scores: Tensor, label: Tensor) -> Tensor:
        """Computes the mean squared error."""
        error = (scores.double() - label.double()).square().sum()
        return error / max(1, label.numel())

    def sums(self, scores: Tensor, label: Tensor) -> Tensor:
        """Sums labels, NaN scores, one-hot labels, squared errors, numbers and their squares."""
        scores, label = scores.double(), label.double()
        unclear = scores.isnan().any(-1).sum()
        counts = [torch.full_like(unclear, len(label)), unclear, one_hot_rows(label).sum()]
        head = torch.stack(counts).double()
        error = (scores - label).square().sum().unsqueeze(0)
        return torch.cat([head, error, label.sum(0), label.square().sum(0)])

    def read(self, sums: Tensor) -> Scored:
        """Reads the mean squared error, and that of always predicting the mean."""
        labels, unclear, one_hot, error = sums[:4].tolist()
        check_read(self, int(labels), int(unclear), "are no result")
        if labels == one_hot > 1:
            raise ValueError(f"all {labels:,.0f} labels are one-hot: {ONE_HOT}")
        mean, square = sums[4:].view(2, -1) / labels
        variance = (square - mean.square()).clamp(min=0).mean()
        return Scored(
            labels=int(labels),
            mse=error / labels / len(mean),
            variance=float(variance),
        )


def one_hot_rows(y: Tensor) -> Tensor:
    """Returns which rows of labels ``[M, K]`` hold one 1 and zeros, none if K is 1."""
    either = ((y == 0) | (y == 1)).all(-1)
    return either & (y.sum(-1) == 1) & (y.shape[-1] > 1)

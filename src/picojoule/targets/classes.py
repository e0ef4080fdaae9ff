"""Classes as what a network learns."""

import math

import torch
from torch import Tensor, nn

from picojoule.targets.base import Scored, Target, check_read

_TOLD = 100  # classes up to which a report has all confusions


class Classes(Target):
    """One class of several: whole numbers from 0."""

    missing = -1
    measures = ("accuracy", "macro_f1")

    def criterion(self) -> nn.Module:
        """Makes the cross entropy."""
        return nn.CrossEntropyLoss()

    def check(self, y: Tensor) -> None:
        """Checks that labels are numbers of classes, or -1 for a step without one."""
        if y.numel() and (least := int(y.numpy().min())) < (-1 if self.each_step else 0):
            none = ", or -1 where a step has none" if self.each_step else ""
            raise ValueError(
                f"expected labels from 0 on, the numbers of classes{none}, got {least}"
            )

    def is_label(self, y: Tensor) -> Tensor:
        """Returns where labels are classes."""
        return y >= 0

    def outputs(self, y: Tensor) -> int:
        """Returns the highest class and one; 0 without a label."""
        return int(y.numpy().max()) + 1 if y.numel() else 0

    def check_outputs(self, needed: int, outputs: int) -> None:
        """Checks that there are as many outputs as classes, or more."""
        if needed > outputs:
            raise ValueError(_strange(outputs, str(needed - 1)))

    def strata(self, y: Tensor) -> Tensor:
        """Returns the class of each item; of labels per step the most frequent, -1 without one."""
        if not self.each_step:
            return y
        classes, place = y.long().unique(return_inverse=True)
        votes = torch.zeros(len(y), len(classes), dtype=torch.int64)
        votes.scatter_add_(1, place, self.is_label(y).long())
        return torch.where(votes.any(1), classes[votes.argmax(1)], -1)

    @property
    def strata_in_words(self) -> str:
        """The way in which items are divided, in words."""
        return "by the class of most steps" if self.each_step else "by class"

    def measure(self, scores: Tensor, label: Tensor) -> Tensor:
        """Computes the accuracy."""
        return (scores.argmax(-1) == label).double().sum() / max(1, len(label))

    def sums(self, scores: Tensor, label: Tensor) -> Tensor:
        """Counts scores that are NaN, labels of no class, and the confusion matrix."""
        classes = scores.shape[1]
        known = (label >= 0) & (label < classes)
        place = torch.where(known, label * classes + scores.argmax(-1), classes * classes)
        counts = torch.zeros(classes * classes + 1, dtype=torch.int64, device=scores.device)
        counts.index_add_(0, place, torch.ones_like(label))
        unclear = scores.isnan().any(-1).sum().unsqueeze(0)
        return torch.cat([unclear, counts[-1:], counts[:-1]])

    def read(self, sums: Tensor) -> Scored:
        """Reads accuracy, macro F1, the share of the most frequent class, and confusions."""
        unclear, strange = sums[:2].tolist()
        counts = sums[2:]
        counts = counts.view(math.isqrt(len(counts)), -1)
        actual, predicted, right = (
            one.tolist() for one in (counts.sum(1), counts.sum(0), counts.diag())
        )
        labels = sum(actual)
        if strange:
            raise ValueError(_strange(len(counts), f"{strange} others"))
        check_read(self, labels, unclear, "predict no class")
        there = zip(actual, predicted, right, strict=True)
        f1 = [2 * hits / (ours + theirs) for ours, theirs, hits in there if ours or theirs]
        return Scored(
            labels=labels,
            accuracy=sum(right) / labels,
            macro_f1=sum(f1) / len(f1),
            majority=max(actual) / labels,
            confusion=tuple(map(tuple, counts.tolist())) if len(counts) <= _TOLD else None,
        )


def _strange(classes: int, got: str) -> str:
    return (
        f"expected labels 0 to {classes - 1}, since the network puts out {classes} classes, got "
        f"{got}: give it as many outputs as there are classes, or mend the labels"
    )

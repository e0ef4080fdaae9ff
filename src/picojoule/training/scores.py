"""The comparison of a network's scores with the labels."""

from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor

from picojoule.training.batches import Batch
from picojoule.training.ranks import gathered


class Scored(NamedTuple):
    """The outcome on a data set.

    Attributes:
        accuracy: Share of samples with the right label.
        majority: Share of samples with the most frequent label.
    """

    accuracy: float
    majority: float


def check_scores(scores: Tensor, batch: Batch) -> None:
    """Checks that scores are one for each sample and class, and that every label is a class.

    Raises:
        ValueError: If they are not.
    """
    if scores.dim() != 2 or len(scores) != len(batch.label):
        raise ValueError(
            f"expected scores [{len(batch.label)}, classes] from the readout, got "
            f"{list(scores.shape)}: let the network put out [T, B, classes], and take a readout "
            "that makes one score of all steps, such as picojoule.readout.mean"
        )
    if batch.highest is not None and batch.highest >= scores.shape[1]:
        raise ValueError(_strange(scores.shape[1], str(batch.highest)))


class Scoring:
    """Sums over batches of how scores compare with labels, kept on the device."""

    def __init__(self) -> None:
        self._sums: Tensor | None = None  # right; not a number; of each class; of none

    def add(self, scores: Tensor, batch: Batch, *, counted: bool) -> None:
        """Adds a batch; one that is not ``counted`` weighs nothing.

        Args:
            scores: [B, classes].
            batch: The batch they are for.
            counted: Whether it counts.

        Raises:
            ValueError: If scores and labels do not fit.
        """
        check_scores(scores, batch)
        label, classes = batch.label, scores.shape[1]
        known = (label >= 0) & (label < classes)
        sums = torch.zeros(classes + 3, dtype=torch.int64, device=scores.device)
        sums[0] = (scores.argmax(-1) == label).sum()
        sums[1] = scores.isnan().any(-1).sum()
        sums.index_add_(0, torch.where(known, label, classes) + 2, torch.ones_like(label))
        sums = sums * counted
        self._sums = sums if self._sums is None else self._sums + sums

    def read(self, fabric: Fabric) -> Scored:
        """Reads the sums over all ranks from the device.

        Raises:
            ValueError: If scores were not numbers, or labels none of the classes.
        """
        assert self._sums is not None
        right, unclear, *labels, strange = gathered(fabric, self._sums).sum(0).tolist()
        if strange:
            raise ValueError(_strange(len(labels), f"{strange} others"))
        samples = sum(labels)
        if unclear:
            raise ValueError(
                f"the scores of {unclear} of {samples} samples are not numbers (NaN), so that "
                "they name no class: look for weights or inputs that are not finite"
            )
        return Scored(right / samples, max(labels) / samples)


def _strange(classes: int, got: str) -> str:
    return (
        f"expected labels 0 to {classes - 1}, since the network puts out {classes} classes, got "
        f"{got}: give it as many outputs as there are classes, or mend the labels"
    )

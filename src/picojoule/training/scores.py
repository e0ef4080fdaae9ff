"""The comparison of a network's scores with the labels."""

from lightning_fabric import Fabric
from torch import Tensor

from picojoule.readout import Readout
from picojoule.targets import Scored, Target
from picojoule.training.batches import Batch, same_target
from picojoule.training.ranks import gathered


def scores_of(readout: Readout, out: Tensor, batch: Batch) -> Tensor:
    """Makes a score of each output for each of the M labels of a batch, [M, K].

    Args:
        readout: out [T, B, K] and lengths to scores [B, K], or [T, B, K] if labels are per step.
        out: The output of the network [T, B, K].
        batch: The batch it is of.

    Raises:
        ValueError: If scores are of another shape, or labels need other outputs.
    """
    scores, samples = readout(out, batch.lengths), batch.x.shape[1]
    if batch.steps is None:
        if scores.dim() != 2 or len(scores) != samples:
            raise ValueError(
                f"expected scores [{samples}, outputs] from the readout, got "
                f"{list(scores.shape)}: let the network put out [T, B, outputs], and take a "
                "readout that makes one score of all steps, such as picojoule.readout.mean"
            )
    else:
        steps, there = batch.steps
        if scores.dim() != 3 or scores.shape[:2] != (steps, samples):
            raise ValueError(
                f"expected scores [{steps}, {samples}, outputs] from the readout, since labels are "
                f"per step, got {list(scores.shape)}: let the network put out as many steps as "
                "there are labels, and take the readout picojoule.readout.each"
            )
        scores = scores.flatten(0, 1).index_select(0, there)
    if batch.outputs is not None:
        batch.target.check_outputs(batch.outputs, scores.shape[1])
    return scores


class Scoring:
    """Sums over batches of how scores compare with labels, kept on the device."""

    def __init__(self) -> None:
        self.target: Target | None = None
        self._sums: Tensor | None = None

    def add(self, scores: Tensor, batch: Batch, *, counted: bool) -> None:
        """Adds a batch; one that is not ``counted`` weighs nothing.

        Args:
            scores: [M, K], as ``scores_of`` makes them.
            batch: The batch they are for.
            counted: Whether it counts.

        Raises:
            ValueError: If its labels are of another target than those before.
        """
        self.target = same_target(batch, self.target)
        sums = self.target.sums(scores, batch.label) * counted
        self._sums = sums if self._sums is None else self._sums + sums

    def read(self, fabric: Fabric) -> Scored:
        """Reads the sums over all ranks from the device.

        Raises:
            ValueError: If there was no label, scores were not numbers, or labels none of the
                classes.
        """
        assert self._sums is not None
        assert self.target is not None
        return self.target.read(gathered(fabric, self._sums).sum(0))

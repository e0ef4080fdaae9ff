"""Findings that put a result in doubt, each in one line."""

import math
from collections.abc import Iterator, Mapping, Sequence

from picojoule.units import format_energy

# Share of the first epoch's loss that a later one must have fallen by.
_FALL = 0.01


def of_silence(silent: Sequence[str]) -> Iterator[str]:
    """Yields a note if layers of neurons put out no spike."""
    if silent:
        yield f"silent layers: {', '.join(silent)} put out no spike on the test set"


def of_chance(accuracy: float, majority: float | None, samples: int) -> Iterator[str]:
    """Yields a note if an accuracy is not better than that of always naming one class.

    Args:
        accuracy: Share of samples with the right label.
        majority: Share of samples with the most frequent label; None if it is not known.
        samples: Number of samples.
    """
    if majority is None:
        return
    # Two standard errors of the number that such a network has right.
    bound = samples * majority + 2 * math.sqrt(samples * majority * (1 - majority))
    if (right := round(accuracy * samples)) <= bound:
        yield (
            f"accuracy at chance: {right} of {samples} right, and always naming the most frequent "
            f"class has {round(majority * samples)} (up to {math.floor(bound)} by chance)"
        )


def of_loss(loss: Sequence[float]) -> Iterator[str]:
    """Yields a note if no later epoch had a lower loss than the first."""
    if len(loss) > 1 and (best := min(loss[1:])) > loss[0] - _FALL * abs(loss[0]):
        yield f"loss never fell: {loss[0]:.4g} in the first epoch, {best:.4g} at best after it"


def of_budget(
    limit_pj: float, highest_pj: float | None, multiplier: Sequence[float]
) -> Iterator[str]:
    """Yields a note if a limit changed nothing.

    Args:
        limit_pj: Energy allowed per sample.
        highest_pj: The most that an epoch spent per sample; None if it is not known.
        multiplier: The penalty's multiplier after each epoch.
    """
    if highest_pj is not None and highest_pj <= limit_pj and not any(multiplier):
        yield (
            f"budget never bound: no epoch spent more than {format_energy(highest_pj)} of "
            f"{format_energy(limit_pj)}, and the multiplier stayed at 0"
        )


def of_counting(uncounted: Mapping[str, int], unreached: Sequence[str]) -> Iterator[str]:
    """Yields notes on what is missing in the counts."""
    if uncounted:
        yield f"not counted: {', '.join(uncounted)}"
    if unreached:
        yield f"did not run: {', '.join(unreached)}"

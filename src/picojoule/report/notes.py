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


def of_chance(accuracy: float, majority: float, labels: int, samples: int) -> Iterator[str]:
    """Yields a note if an accuracy is not better than that of always predicting one class.

    Args:
        accuracy: Share of correct predictions.
        majority: Share of the most frequent label.
        labels: Number of labels.
        samples: Number of samples, of which each has one label or one for each step.
    """
    # Two standard errors of the number of correct predictions of such a network. The steps of a
    # sample are correlated, so they count as one.
    one = labels / samples
    bound = labels * majority + 2 * one * math.sqrt(samples * majority * (1 - majority))
    if (right := round(accuracy * labels)) <= bound:
        yield (
            f"accuracy at chance: {right} of {labels} correct, and always predicting the most "
            f"frequent class gives {round(majority * labels)} (up to {math.floor(bound)} by chance)"
        )


def of_mean(mse: float, variance: float) -> Iterator[str]:
    """Yields a note if a mean squared error is not below that of always predicting the mean.

    Args:
        mse: Mean squared error.
        variance: Mean squared error of always predicting the mean label.
    """
    if mse >= variance:
        yield (
            f"mean squared error at chance: {mse:.4g}, and always predicting the mean label gives "
            f"{variance:.4g}"
        )


def of_loss(loss: Sequence[float]) -> Iterator[str]:
    """Yields a note if no later epoch had a lower loss than the first."""
    if len(loss) > 1 and (best := min(loss[1:])) > loss[0] - _FALL * abs(loss[0]):
        yield f"loss never fell: {loss[0]:.4g} in the first epoch, {best:.4g} at best after it"


def of_budget(
    limit_pj: float,
    highest_pj: float | None,
    multiplier: Sequence[float],
    unit: str = "pJ",
) -> Iterator[str]:
    """Yields a note if a limit changed nothing.

    Args:
        limit_pj: Energy allowed per sample.
        highest_pj: The most that an epoch spent per sample; None if it is not known.
        multiplier: The penalty's multiplier after each epoch.
        unit: Unit of both, see ``LimitReport``.
    """
    if highest_pj is not None and highest_pj <= limit_pj and not any(multiplier):
        yield (
            f"budget never bound: no epoch spent more than {amount(highest_pj, unit)} of "
            f"{amount(limit_pj, unit)}, and the multiplier stayed at 0"
        )


def of_miss(needed_pj: float | None, limit_pj: float, unit: str = "pJ") -> Iterator[str]:
    """Yields a note if a limit was missed: what would have been needed.

    Args:
        needed_pj: The limit that the network would have met; None if it met its own.
        limit_pj: Energy allowed per sample.
        unit: Unit of both, see ``LimitReport``.
    """
    if needed_pj is not None:
        yield (
            f"budget missed: the best network found needs {amount(needed_pj, unit)}, and "
            f"{amount(limit_pj, unit)} was allowed"
        )


def amount(value: float, unit: str) -> str:
    """Words an energy in pJ, or a number of another unit.

    Example:
        >>> amount(12_400, "pJ"), amount(203.4, "spikes")
        ('12.4 nJ', '203.4 spikes')
    """
    return format_energy(value) if unit == "pJ" else f"{value:.4g} {unit}"


def of_counting(uncounted: Mapping[str, int], unreached: Sequence[str]) -> Iterator[str]:
    """Yields notes on what is missing in the counts."""
    if uncounted:
        yield f"not counted: {', '.join(uncounted)}"
    if unreached:
        yield f"did not run: {', '.join(unreached)}"

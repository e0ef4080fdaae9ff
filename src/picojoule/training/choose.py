"""The choice of the epoch whose weights a network keeps."""

from collections.abc import Sequence

from picojoule.targets import better
from picojoule.training.records import Chosen, EpochRecord, Limits, Validation


def choose(
    history: Sequence[EpochRecord], limit_pj: Limits, by: str | None = None
) -> Chosen | None:
    """Chooses the best epoch on the validation set among those that meet the limit.

    Epochs that meet it by two standard errors come first, since those will most likely meet it on
    unseen samples too; then those that just meet it; if there is neither, the one that spends
    least. Of equally good epochs the one that spends less is chosen, of those the first. Of
    several limits all must be met, and what counts is the highest energy as a share of its limit.

    Args:
        history: Every epoch so far.
        limit_pj: Energy per sample, in pJ; limits by the name of the chip (``""`` for the first);
            None for no limit.
        by: Name of the measure that says which is best: ``accuracy``, ``macro_f1`` or ``mse``;
            None for the accuracy, in regression the mean squared error.

    Returns:
        The choice, or None if no epoch was validated.

    Raises:
        ValueError: If an epoch has no such measure.
    """

    def merit_of(item: tuple[int, Validation]) -> tuple[bool, bool, float, float]:
        _, validation = item
        within, safely = (validation.meets(limit_pj, errors=errors) for errors in (0, 2))
        spent = validation.load(limit_pj) if limit_pj else validation.energy_pj
        merit = better(measure, validation.measure(measure))
        if within:
            return True, safely, merit, -spent
        return False, False, -spent, merit

    validated = [(r.epoch, r.validation) for r in history if r.validation is not None]
    if not validated:
        return None
    measure = by or validated[0][1].own
    epoch, best = max(validated, key=merit_of)
    return Chosen(
        epoch=epoch,
        accuracy=best.accuracy,
        energy_pj=best.energy_pj,
        feasible=best.meets(limit_pj),
        by=measure,
        macro_f1=best.macro_f1,
        mse=best.mse,
    )

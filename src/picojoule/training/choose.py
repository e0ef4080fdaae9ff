"""The choice of the epoch whose weights a network keeps."""

from collections.abc import Sequence

from picojoule.targets import better
from picojoule.training.records import Chosen, EpochRecord, Limits, Validation

# An epoch is within a limit for sure if it is so by this many standard errors of the energy to
# expect: of 20 such, 19 would be within it if they were measured on all samples that there are.
SAFELY = 1.64


def choose(
    history: Sequence[EpochRecord], limit_pj: Limits, by: str | None = None
) -> Chosen | None:
    """Chooses the best epoch on the validation set among those that meet the limit.

    Epochs that meet it by 1.64 standard errors come first, since those will most likely meet it on
    unseen samples too; then those that just meet it; if there is neither, the one that spends
    least. Of equally good epochs the one that spends less is chosen, of those the first. Of
    several limits all must be met, and what counts is the highest energy as a share of its limit.

    While a budget still comes down to its limit an epoch meets that by chance, such as one of which
    the batch norms have not settled, so that it is silent in use. Those epochs are chosen only if
    there are no later ones.

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

    def merit_of(item: tuple[EpochRecord, Validation]) -> tuple[bool, bool, bool, float, float]:
        record, validation = item
        settled = record.settled or not limit_pj
        within, safely = (validation.meets(limit_pj, errors=errors) for errors in (0, SAFELY))
        spent = validation.load(limit_pj) if limit_pj else validation.energy_pj
        merit = better(measure, validation.measure(measure))
        if within:
            return settled, True, safely, merit, -spent
        return settled, False, False, -spent, merit

    validated = [(r, r.validation) for r in history if r.validation is not None]
    if not validated:
        return None
    measure = by or validated[0][1].own
    record, best = max(validated, key=merit_of)
    return Chosen(
        epoch=record.epoch,
        accuracy=best.accuracy,
        energy_pj=best.energy_pj,
        feasible=best.meets(limit_pj),
        by=measure,
        macro_f1=best.macro_f1,
        mse=best.mse,
    )

"""The outcome of a run's budget, limit by limit."""

from collections.abc import Sequence

from picojoule.energy import COUNTERS
from picojoule.recipe.allowance import Allowance
from picojoule.report import BudgetReport, LimitReport
from picojoule.training import EnergyBudget, Log, Measurement


def outcome(
    found: Measurement,
    allowances: Sequence[Allowance],
    budgets: Sequence[EnergyBudget],
    last: Log,
    free_pj: float | None,
    sample_s: float | None,
) -> BudgetReport:
    """Returns the budget's part of the report: the limit that was kept worst, and all if several.

    Args:
        found: The test set, on all chips, the recipe's own first.
        allowances: What one sample may cost.
        budgets: What kept them, in the same order.
        last: The last record of the training.
        free_pj: Energy per sample without a budget; None if it is not known.
        sample_s: Mean duration of a sample in seconds, None if no power is limited.
    """
    own = next(iter(found.chips))
    pairs = zip(allowances, budgets, strict=True)
    kept = [_limit(found, own, *pair, last, sample_s) for pair in pairs]
    worst = max(kept, key=lambda one: one.ratio)
    several = {one.chip: one for one in kept} if len(kept) > 1 else {}
    return BudgetReport(**worst.model_dump(), unconstrained_pj=free_pj, limits=several)


def _limit(
    found: Measurement,
    own: str,
    allowance: Allowance,
    budget: EnergyBudget,
    last: Log,
    sample_s: float | None,
) -> LimitReport:
    """Returns the outcome of one limit."""
    assert last.chosen is not None
    name = allowance.on or own
    key = "" if name == own else name
    chosen = last.history[last.chosen.epoch - 1].validation
    assert chosen is not None
    test_pj, limit_pj = found.chips[name].total_pj, allowance.limit_pj
    validation_pj = chosen.on(key).energy_pj
    spent = [one.on(key).energy_pj for one in last.history]
    spent += [one.validation.on(key).energy_pj for one in last.history if one.validation]
    multipliers = (one.multipliers.get(key, one.multiplier) for one in last.history)
    met = test_pj <= limit_pj
    return LimitReport(
        chip=name,
        unit=name if name in COUNTERS else "pJ",
        rate_hz=allowance.rate_hz,
        sample_s=None if allowance.rate_hz is None else sample_s,
        limit_pj=limit_pj,
        floor_pj=budget.floor_pj,
        met=met,
        validation_pj=validation_pj,
        test_pj=test_pj,
        ratio=test_pj / limit_pj,
        multiplier=tuple(one or 0.0 for one in multipliers),
        highest_pj=max(spent),
        needed_pj=None if met else max(test_pj, validation_pj),
    )

"""Reports: the record of what a network reached and what it spent, as JSON and as tables."""

from picojoule.report.measured import measure
from picojoule.report.record import (
    Accuracy,
    BudgetReport,
    RecipeId,
    Report,
    versions,
)

__all__ = ["Accuracy", "BudgetReport", "RecipeId", "Report", "measure", "versions"]

"""Rules: what each torch function costs, and what its result carries; ``RULES`` holds them all."""

from picojoule.energy.rules.base import Call, Outcome, Rule
from picojoule.energy.rules.table import RULES

__all__ = ["RULES", "Call", "Outcome", "Rule"]

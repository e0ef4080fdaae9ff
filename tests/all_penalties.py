"""THE list of what each penalty must be given: the tests of all penalties make them with it.

A new penalty is one class in ``picojoule.training.penalties`` and, if it has arguments without a
default, one line here.
"""

from typing import Any

GIVEN: dict[str, dict[str, Any]] = {
    "BalancedPenalty": {"weight": 0.5},
    "EnergyBudget": {"limit_pj": 500.0},
    "FixedPrice": {"weight": 0.5},
    "RateTarget": {"rate": 0.05, "weight": 5.0},
    "SpikePenalty": {"weight": 1e-2, "p": 2},
    "SynapticPenalty": {"weight": 1e-3},
    "SynOpsTarget": {"target": 10.0},
}

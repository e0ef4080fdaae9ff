"""A budget and a penalty beside it."""

from collections.abc import Sequence

from torch import Tensor

from picojoule.energy import Energy, Traffic
from picojoule.training.penalties import EnergyBudget, Penalty


class Together(Penalty):
    """A budget and a penalty beside it: the sum of their terms.

    Args:
        budget: Keeps its limit.
        beside: A penalty that may stand beside one, see ``Penalty.beside_budget``.
    """

    def __init__(self, budget: EnergyBudget, beside: Penalty) -> None:
        super().__init__()
        self.budget, self.beside = budget, beside
        self.limit_pj = budget.limit_pj
        self.looks_at_traffic = beside.looks_at_traffic
        self.multiplier = budget.multiplier

    def start(self, floor_pj: float) -> None:
        """Gives both the floor; see ``Penalty``."""
        self.budget.start(floor_pj)
        self.beside.start(floor_pj)

    def validated(self, spread: float) -> None:
        """Tells both how sure a validation's energy is; see ``Penalty``."""
        self.budget.validated(spread)
        self.beside.validated(spread)

    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Adds what both charge; see ``Penalty``."""
        return self.budget(energy) + self.beside(energy, traffic)

    def update(self, energy: Energy) -> None:
        """Lets both learn from a step; see ``Penalty``."""
        self.budget.update(energy)
        self.beside.update(energy)
        self.multiplier = self.budget.multiplier

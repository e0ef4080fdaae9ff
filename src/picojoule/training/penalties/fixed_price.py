"""Constant price of energy."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from picojoule.energy import Energy, Traffic
from picojoule.training.penalties.base import Penalty, checked_weight


class FixedPrice(Penalty):
    """Constant price of energy: ``weight * E / reference``.

    Prices of memory, of neurons by type and of static power count, as the chip has them.

    Take it for a trade-off curve, with one run for each weight.

    Args:
        weight: What the reference energy adds to the loss, at least 0.
        reference_pj: Energy per sample to measure by, in pJ; None for that of the first
            batch that spends any.

    Raises:
        ValueError: If the weight is below 0, or the reference not above 0.

    Example:
        >>> penalty = FixedPrice(weight=0.1)
    """

    reference_pj: Tensor
    looks_at_traffic = False

    def __init__(self, weight: float, reference_pj: float | None = None) -> None:
        super().__init__()
        self.weight = checked_weight(weight)
        if reference_pj is not None and not (math.isfinite(reference_pj) and reference_pj > 0):
            raise ValueError(
                f"reference_pj must be above 0, got {reference_pj}: give an energy per sample in "
                "pJ, or leave it out to take that of the first batch"
            )
        reference = math.nan if reference_pj is None else reference_pj
        self.register_buffer("reference_pj", torch.tensor(reference, dtype=torch.float64))

    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Computes the charge for ``energy``; see ``Penalty``."""
        del traffic
        return self._checked((self.weight * energy.total / self._reference(energy)).float())

    @torch.no_grad()
    def update(self, energy: Energy) -> None:
        """Keeps the first energy above 0 of a batch as the reference if none was given."""
        reference = self._reference(energy)
        self.reference_pj = torch.where(reference.isinf(), math.nan, reference)

    def _reference(self, energy: Energy) -> Tensor:
        """Returns the reference; infinite while it is not known and nothing is spent."""
        first = energy.total.detach()
        first = torch.where(first > 0, first, math.inf)
        return torch.where(self.reference_pj.isnan(), first, self.reference_pj)

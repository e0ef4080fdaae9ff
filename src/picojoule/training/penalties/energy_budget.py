"""Joule budget, kept by an augmented Lagrangian."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from picojoule.energy import Energy, Traffic
from picojoule.training.penalties.base import Penalty

# Share of the limit: below it an allowance or an energy is as good as none. It keeps the logarithm
# finite for a silent network.
_SMALL = 1e-6


class BelowFloor(ValueError):  # noqa: N818 (as NonFiniteLoss)
    """The error of a limit below the floor, which no network of its kind can meet."""


class EnergyBudget(Penalty):
    r"""Limit on the energy per sample, kept at the least cost in accuracy.

    Training can change the part of the energy :math:`E` above the floor :math:`F` (what no hidden
    spike can change). With :math:`g` the log of that part over what the limit :math:`L` leaves for
    it, the penalty is

    .. math:: \frac{\max(\lambda + \rho g, 0)^2 - \lambda^2}{2\rho},\qquad
              g = \log\frac{E - F + \epsilon}{L / (1 + m) - F + \epsilon}

    and after each step :math:`\lambda \leftarrow \max(\lambda + \text{step}\cdot g, 0)`. The
    multiplier :math:`\lambda` rises while the limit is exceeded and falls to zero where it does not
    bind; the penalty never pushes far below the limit. The margin :math:`m` is ``margin`` and two
    standard errors of the last validation's energy, since networks that meet the limit by those
    are chosen first (see ``choose``).

    Take it if the energy is given and has to be kept: there is no weight to find.

    Args:
        limit_pj: Energy per sample to stay within, in pJ.
        margin: Share by which to aim below what a validation must meet, so that unseen samples
            stay within the limit too.
        rho: Curvature of the penalty.
        step: How fast the multiplier follows.

    Raises:
        TypeError: If the limit is not a number.
        ValueError: If the limit, the curvature or the step is not above 0, or the margin is
            below 0.

    Example:
        >>> budget = EnergyBudget(limit_pj=12_000)
        >>> budget.start(floor_pj=3_500)

    Reference:
        Nocedal and Wright, Numerical Optimization, 2nd ed., section 17.4 (inequality constraints).
    """

    multiplier: Tensor
    floor_pj: Tensor
    spread: Tensor
    limit_pj: float
    looks_at_traffic = False

    def __init__(
        self, limit_pj: float, *, margin: float = 0.02, rho: float = 1.0, step: float = 0.05
    ) -> None:
        super().__init__()
        self.limit_pj = _limit(limit_pj)
        if not (math.isfinite(margin) and margin >= 0):
            raise ValueError(f"margin must be 0 or more (0.02 aims 2 % below), got {margin}")
        for name, value in (("rho", rho), ("step", step)):
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0, got {value}")
        self.margin = margin
        self.rho = rho
        self.step = step
        self.multiplier = torch.zeros((), dtype=torch.float64)
        # NaN until the floor of the training set is known; each batch's own stands in for it.
        self.register_buffer("floor_pj", torch.tensor(math.nan, dtype=torch.float64))
        self.register_buffer("spread", torch.zeros((), dtype=torch.float64))

    def start(self, floor_pj: float) -> None:
        """Takes the floor of the training set.

        Args:
            floor_pj: Energy per sample that no hidden spike can change, in pJ.

        Raises:
            BelowFloor: If no network of this kind can meet the limit.
        """
        if self.limit_pj / (1 + self.margin) <= floor_pj:
            margin = f" (with its margin of {self.margin:.0%})" if self.limit_pj > floor_pj else ""
            raise BelowFloor(
                f"limit_pj={self.limit_pj:g}{margin} is below this network's floor of "
                f"{floor_pj:.0f} pJ (what no hidden spike can change): raise the limit or narrow "
                "the first layer"
            )
        self.floor_pj = torch.full_like(self.floor_pj, floor_pj)

    def validated(self, spread: float) -> None:
        """Widens the margin by two standard errors; see ``Penalty``."""
        self.spread = torch.full_like(self.spread, spread)

    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Computes the charge for ``energy``; see ``Penalty``."""
        del traffic
        charge = torch.relu(self.multiplier + self.rho * self._excess(energy))
        term = (charge.square() - self.multiplier.square()) / (2 * self.rho)
        return self._checked(term.float())

    @torch.no_grad()
    def update(self, energy: Energy) -> None:
        """Raises the multiplier if the limit was exceeded, else lowers it.

        An energy that is not finite leaves it as it is.
        """
        moved = torch.relu(self.multiplier + self.step * self._excess(energy))
        self.multiplier = torch.where(energy.total.isfinite(), moved, self.multiplier)

    def _excess(self, energy: Energy) -> Tensor:
        """Computes ``g``, above 0 if the batch spent more than the limit leaves for it."""
        small = _SMALL * self.limit_pj
        reducible = torch.relu(energy.total - energy.floor.detach())
        floor = torch.where(self.floor_pj.isnan(), energy.floor.detach(), self.floor_pj)
        aim = self.limit_pj / (1 + self.margin + 2 * self.spread)
        allowance = (aim - floor).clamp_min(small)
        return torch.log((reducible + small) / (allowance + small))


def _limit(limit_pj: float) -> float:
    advice = (
        "give an energy per sample above 0 in pJ, such as 12_000 for 12 nJ; to train without a "
        "budget leave the penalty out"
    )
    if isinstance(limit_pj, bool) or not isinstance(limit_pj, (int, float)):
        raise TypeError(f"limit_pj must be a number, got {limit_pj!r}: {advice}")
    if not (math.isfinite(limit_pj) and limit_pj > 0):
        raise ValueError(f"limit_pj={limit_pj}: {advice}")
    return float(limit_pj)

"""Joule budget, kept by an augmented Lagrangian."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from picojoule.energy import COUNTERS, Energy, Traffic
from picojoule.training.penalties.base import Penalty
from picojoule.training.records import Spent

# Share of the limit: below it an allowance or an energy is as good as none. It keeps the logarithm
# finite for a silent network.
_SMALL = 1e-6
# The most by which a ratio that one validation shows is believed to differ from one: before batch
# norms have settled, or while spikes come and go, it may be anything.
_FARTHEST = 4.0
# A network that is asked at once for all that a tight limit wants falls silent first, and ends less
# accurate. So the aim comes down by this share of itself at each step,
_DESCENT = 0.04
# and beyond this excess, as of a network that follows more slowly, the pull grows no more.
_PULL = 0.3


class BelowFloor(ValueError):  # noqa: N818 (as NonFiniteLoss)
    """The error of a limit below the floor, which no network of its kind can meet."""


class EnergyBudget(Penalty):
    r"""Limit on the energy per sample, kept at the least cost in accuracy.

    Training can change the part of a batch's energy :math:`E` above its floor :math:`F_E` (what no
    hidden spike can change). With :math:`g` the log of that part over the aim :math:`A_k`, the
    penalty of step :math:`k` is

    .. math:: \frac{\max(\lambda + \rho g, 0)^2 - \lambda^2}{2\rho},\qquad
              g = \log\frac{r\,(E - F_E) + \epsilon}{A_k + \epsilon}

    and after it :math:`\lambda \leftarrow \max(\lambda + \text{step}\cdot g, 0)`. The multiplier
    :math:`\lambda` rises while the aim is exceeded and falls to zero where it does not bind; the
    penalty never pushes far below it. The aim is at first what the first batch spends, and comes
    down by 4 % of itself at each step, to what the limit :math:`L` allows:

    .. math:: A = \frac{\max(L / (1 + 2 \sigma) - F, (L - F) / 2)}{1 + m}

    Beyond :math:`g = 0.3` the penalty goes on as a straight line, and the multiplier rises no
    faster. So a network that is to become sparse does so over a hundred steps, and keeps what it
    knows.

    What is aimed at is the energy in use, and a training batch may be cheaper or dearer than that:
    augmentation takes events away, dropout spikes, and batch statistics are others. So validations
    teach the ratio :math:`r` of the part above the floor in use to that in training, the floor
    :math:`F` in use, and the standard error :math:`\sigma` of the energy; before the first one
    :math:`r` is 1 and :math:`F` the floor of the training set. Networks that meet the limit by two
    standard errors are chosen first (see ``choose``); the margin :math:`m` aims a little below.

    Take it if the energy is given and has to be kept: there is no weight to find.

    Args:
        limit_pj: Energy per sample to stay within, in pJ.
        margin: Share of the part above the floor by which to aim below what a validation must
            meet, so that unseen samples stay within the limit too.
        rho: Curvature of the penalty.
        step: How fast the multiplier follows.
        chip: Name of the chip whose energy is limited if a training prices on several, or of a
            ``counter``, whose counts take the place of picojoules; None for the first.

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
    allowance_pj: Tensor
    aim_pj: Tensor
    ratio: Tensor
    limit_pj: float
    looks_at_traffic = False

    def __init__(
        self,
        limit_pj: float,
        *,
        margin: float = 0.02,
        rho: float = 1.0,
        step: float = 0.05,
        chip: str | None = None,
    ) -> None:
        super().__init__()
        self.chip = chip
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
        self.register_buffer("allowance_pj", torch.tensor(math.nan, dtype=torch.float64))
        # NaN until the first step.
        self.register_buffer("aim_pj", torch.tensor(math.nan, dtype=torch.float64))
        self.register_buffer("ratio", torch.ones((), dtype=torch.float64))

    def start(self, floor_pj: float) -> None:
        """Takes the floor of the training set.

        Args:
            floor_pj: Energy per sample that no hidden spike can change, in pJ.

        Raises:
            BelowFloor: If no network of this kind can meet the limit.
        """
        if self.limit_pj <= floor_pj:
            counted = self.chip in COUNTERS
            limit = f"{self.limit_pj:g} {self.chip}" if counted else f"limit_pj={self.limit_pj:g}"
            place = f" on {self.chip}" if self.chip and not counted else ""
            raise BelowFloor(
                f"{limit}{place} is below this network's floor of {floor_pj:.0f} "
                f"{self.chip if counted else 'pJ'} (what no hidden spike can change): raise the "
                "limit or narrow the first layer"
            )
        self.floor_pj.fill_(floor_pj)
        self.allowance_pj.fill_(self._allowance(floor_pj, spread=0.0))

    def validated(self, validation: Spent, trained: Spent) -> None:
        """Learns the ratio of use to training, smoothly, and what to allow; see ``Penalty``."""
        small = _SMALL * self.limit_pj
        used, spent = (one.energy_pj - one.floor_pj + small for one in (validation, trained))
        seen = min(max(used / spent, 1 / _FARTHEST), _FARTHEST)
        self.ratio.fill_(math.sqrt(float(self.ratio) * seen))
        self.allowance_pj.fill_(self._allowance(validation.floor_pj, validation.spread))

    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Computes the charge for ``energy``; see ``Penalty``."""
        del traffic
        excess = torch.log(self._reducible(energy) / self._aim(energy))
        pull = excess.clamp(max=_PULL)
        charge = torch.relu(self.multiplier + self.rho * pull)
        term = (charge.square() - self.multiplier.square()) / (2 * self.rho)
        return self._checked((term + charge * (excess - pull)).float())

    @torch.no_grad()
    def update(self, energy: Energy) -> None:
        """Raises the multiplier if the aim was exceeded, else lowers it, and lowers the aim.

        An energy that is not finite leaves both as they are.
        """
        aim = self._aim(energy)
        excess = torch.log(self._reducible(energy) / aim)
        moved = torch.relu(self.multiplier + self.step * excess.clamp(max=_PULL))
        finite = energy.total.isfinite()
        self.multiplier = torch.where(finite, moved, self.multiplier)
        self.aim_pj = torch.where(finite, (1 - _DESCENT) * aim, self.aim_pj)

    def _reducible(self, energy: Energy) -> Tensor:
        """Computes what a batch would spend above its floor in use."""
        above = torch.relu(energy.total - energy.floor.detach())
        return self.ratio * above + _SMALL * self.limit_pj

    @torch.no_grad()
    def _aim(self, energy: Energy) -> Tensor:
        """Computes what to spend above the floor at this step, at least the allowance."""
        unknown = (self.limit_pj - energy.floor) / (1 + self.margin)
        allowance = torch.where(self.allowance_pj.isnan(), unknown, self.allowance_pj)
        aim = torch.where(self.aim_pj.isnan(), self._reducible(energy), self.aim_pj)
        small = _SMALL * self.limit_pj
        return torch.maximum(aim, allowance.clamp_min(small) + small)

    def _allowance(self, floor_pj: float, spread: float) -> float:
        """Computes ``A``: half of what the limit leaves, if it is not sure that more is safe."""
        left = self.limit_pj - floor_pj
        return max(self.limit_pj / (1 + 2 * spread) - floor_pj, left / 2) / (1 + self.margin)


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

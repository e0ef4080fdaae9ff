"""Joule budget, kept by an augmented Lagrangian."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from picojoule._numbers import Number, at_least, at_most, if_finite, log, number, tensor_of
from picojoule.energy import COUNTERS, Energy, Traffic
from picojoule.training.choose import SAFELY
from picojoule.training.penalties.base import Penalty
from picojoule.training.records import Spent

# Share of the limit: below it an allowance or an energy is as good as none. It keeps the logarithm
# finite for a silent network.
_SMALL = 1e-6
# The factor by which a validation may differ from the ratio of use to training known before it:
# while spikes come and go, it shows anything.
_FARTHEST = 1.25
# The weight of a batch in what the last ones spent.
_NEWEST = 0.1
# A network that is asked at once for all that a tight limit wants falls silent first, and ends less
# accurate. So the aim comes down within this share of the training,
_DESCENT = 0.5
# or within so many steps where its length is not known,
_STEPS = 100
# and beyond this excess, as of a network that follows more slowly, the pull grows no more.
_PULL = 0.3
# What is known without looking at a batch: plain numbers, for which no step needs a tensor.
_NUMBERS = ("floor_pj", "allowance_pj", "ratio", "done", "descent")


# What else to do about a limit below the floor, where training may leave out nothing yet.
OR_LEVERS = ", or allow levers (budget.levers = ['gates'])"


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
    penalty never pushes far below it. The aim is at first what the first batch spends, :math:`A_0`,
    and comes down evenly in its logarithm to what the limit :math:`L` allows, within the first half
    of the :math:`K` steps of the training:

    .. math:: A_k = A \max(A_0 / A, 1)^{\max(1 - 2k / K, 0)},\qquad
              A = \frac{\max(L / (1 + 1.64\,\sigma) - F, (L - F) / 2)}{1 + m}

    Beyond :math:`g = 0.3` the penalty goes on as a straight line, and the multiplier rises no
    faster. So a network that is to become sparse does so little by little, and keeps what it knows,
    however short or long the training.

    What is aimed at is the energy in use, and a training batch may be cheaper or dearer than that:
    augmentation takes events away, dropout spikes, and batch statistics are others. So validations
    teach the floor :math:`F` to expect in use, the standard error :math:`\sigma` of the energy to
    expect, as a share, and once the aim has come down the ratio :math:`r` of the part above the
    floor in use to that in the last batches; before, :math:`F` is the floor of the training set and
    :math:`r` is 1. Networks that meet the limit by 1.64 standard errors are chosen first (see
    ``choose``); the margin :math:`m` aims a little below.

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
    first_pj: Tensor
    lately_pj: Tensor
    aim_pj: Tensor
    limit_pj: float
    looks_at_traffic = False

    def __init__(
        self,
        limit_pj: float,
        *,
        margin: float = 0.02,
        rho: float = 4.0,
        step: float = 0.1,
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
        for name in ("first_pj", "lately_pj", "aim_pj"):
            self.register_buffer(name, torch.zeros((), dtype=torch.float64))
        self._begin()

    def get_extra_state(self) -> dict[str, float]:
        """Returns the numbers that belong to its state beside the buffers."""
        return {name: getattr(self, name) for name in _NUMBERS}

    def set_extra_state(self, state: Mapping[str, float]) -> None:
        """Takes what ``get_extra_state`` returned."""
        vars(self).update(state)

    @property
    def settled(self) -> bool:
        """True once the aim has come down to what the limit allows."""
        return self.done >= self.descent

    def start(self, floor_pj: float, steps: int | None = None) -> None:
        """Begins a training, with the floor of its training set and its length.

        Args:
            floor_pj: Energy per sample that no hidden spike can change, in pJ.
            steps: Steps of the whole training; None if they are not known before it.

        Raises:
            BelowFloor: If no network of this kind can meet the limit.
        """
        if self.limit_pj <= floor_pj:
            floor = f"{floor_pj:.0f}" if floor_pj >= 100 else f"{floor_pj:.3g}"
            if self.chip in COUNTERS:
                limit = worded(self.limit_pj, self.chip)
            else:
                limit = f"limit_pj={self.limit_pj:g}" + (f" on {self.chip}" if self.chip else "")
            raise BelowFloor(
                f"{limit} is below this network's floor of {floor} {unit(self.chip)} (what no "
                "hidden spike can change): raise the limit or narrow the first layer"
            )
        self._begin()
        self.floor_pj = floor_pj
        if steps is not None:
            self.descent = _DESCENT * steps
        self.allowance_pj = self._allowance(floor_pj, spread=0.0)

    def validated(self, validation: Spent) -> None:
        """Learns the ratio of use to training, smoothly, and what to allow; see ``Penalty``."""
        small = _SMALL * self.limit_pj
        used = validation.energy_pj - validation.floor_pj + small
        if self.settled:  # and with the energy batch norms
            seen = used / (float(self.lately_pj) + small) / self.ratio
            self.ratio *= math.sqrt(min(max(seen, 1 / _FARTHEST), _FARTHEST))
        self.allowance_pj = self._allowance(validation.floor_pj, validation.spread)

    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Computes the charge for ``energy``; see ``Penalty``."""
        del traffic
        total = energy.total
        above, spent = self._spent(energy)
        excess, multiplier = self._excess(spent), number(self.multiplier)
        pull = at_most(excess, _PULL)
        charge = at_least(multiplier + self.rho * pull, 0.0)
        term = (charge * charge - multiplier * multiplier) / (2 * self.rho)
        term += charge * (excess - pull)
        slope = charge * self.ratio / spent * (above > 0)
        # By its slope, so that a step has few nodes to go back through.
        return self._checked((slope * (total - total.detach()) + term).float())

    def update(self, energy: Energy) -> None:
        """Raises the multiplier if the aim was exceeded, else lowers it, and lowers the aim.

        An energy that is not finite leaves the multiplier as it is.
        """
        above, spent = self._spent(energy)
        lately, first = number(self.lately_pj), number(self.first_pj)
        lately = if_finite(lately, lately, above)
        self.lately_pj = tensor_of(lately + _NEWEST * (above - lately))
        excess, multiplier = self._excess(spent), number(self.multiplier)
        moved = at_least(multiplier + self.step * at_most(excess, _PULL), 0.0)
        self.multiplier = tensor_of(if_finite(excess, moved, multiplier))
        first = if_finite(first, first, spent)
        self.first_pj = tensor_of(first)
        self.done += 1
        allowed = self._allowed(energy.floor)
        if left := max(1 - self.done / self.descent, 0):
            allowed = allowed * at_least(first / allowed, 1.0) ** left
        self.aim_pj = tensor_of(allowed)

    def _begin(self) -> None:
        """Forgets what a training before taught."""
        self.multiplier = torch.zeros_like(self.multiplier)
        # What the first batch and the last ones spent above their floors; NaN until the first step.
        self.first_pj = torch.full_like(self.first_pj, math.nan)
        self.lately_pj = torch.full_like(self.lately_pj, math.nan)
        self.aim_pj = torch.full_like(self.aim_pj, math.nan)
        # NaN until the floor of the training set is known; each batch's own stands in for it.
        self.floor_pj = self.allowance_pj = math.nan
        self.ratio, self.done, self.descent = 1.0, 0, float(_STEPS)

    def _spent(self, energy: Energy) -> tuple[Number, Number]:
        """Returns what a batch spends above its floor, and what it would spend in use."""
        above = at_least(number(energy.total) - number(energy.floor), 0.0)
        return above, self.ratio * above + _SMALL * self.limit_pj

    def _excess(self, spent: Number) -> Number:
        """Computes the logarithm of what is spent over the aim, which is at first the same."""
        aim = number(self.aim_pj)
        return log(spent / if_finite(aim, aim, spent))

    def _allowed(self, floor_pj: Tensor) -> Number:
        """Returns the allowance; of a training set that is not known that of a batch."""
        small = _SMALL * self.limit_pj
        if math.isnan(self.allowance_pj):
            left = (self.limit_pj - number(floor_pj)) / (1 + self.margin)
            return at_least(left, small) + small
        return max(self.allowance_pj, small) + small

    def _allowance(self, floor_pj: float, spread: float) -> float:
        """Computes ``A``: half of what the limit leaves, if it is not sure that more is safe."""
        left = self.limit_pj - floor_pj
        return max(self.limit_pj / (1 + SAFELY * spread) - floor_pj, left / 2) / (1 + self.margin)


def unit(chip: str | None) -> str:
    """Returns the unit of a limit on a chip, or of that of a ``counter``."""
    return chip if chip in COUNTERS else "pJ"


def worded(limit_pj: float, chip: str | None) -> str:
    """Words a limit, with all its digits."""
    place = f" on {chip}" if chip and chip not in COUNTERS else ""
    return f"{float(limit_pj)!r}".removesuffix(".0") + f" {unit(chip)}{place}"


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

"""The penalties of a training, each with the energy on its own chip."""

import logging
from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from picojoule._names import unknown
from picojoule.energy import COUNTERS, Energy, Traffic
from picojoule.training.penalties.base import Penalty
from picojoule.training.records import Validation

logger = logging.getLogger(__name__)


class Together(nn.Module):
    """The penalties of a training: the sum of their terms.

    Energies are by the name of a chip; that of the first chip is ``""``.

    Args:
        parts: The penalties.
        chips: The names of the chips that price the energy.

    Raises:
        ValueError: If a penalty is for another chip, or two limits are for one.
    """

    def __init__(self, parts: Sequence[Penalty], chips: Sequence[str]) -> None:
        super().__init__()
        self.keys = []
        for part in parts:
            if part.chip is not None and part.chip not in chips:
                raise ValueError(unknown("chip of a penalty", part.chip, chips))
            self.keys.append("" if part.chip in (None, chips[0]) else part.chip)
        limited = [key for key, part in zip(self.keys, parts, strict=True) if part.limit_pj]
        for key in limited:
            if limited.count(key) > 1:
                raise ValueError(f"two limits for the chip '{key or chips[0]}': give one of them")
        self.counter = chips[0] if chips[0] in COUNTERS else None
        self._parts = nn.ModuleList(parts)
        self._priced = False

    @property
    def parts(self) -> list[Penalty]:
        """The penalties."""
        return cast("list[Penalty]", list(self._parts))

    @property
    def limits(self) -> dict[str, float]:
        """The limits that they keep, in pJ per sample, by chip."""
        return {key: part.limit_pj for key, part in self._each() if part.limit_pj is not None}

    @property
    def floors_pj(self) -> dict[str, float]:
        """The floors of the training set in pJ per sample, by chip, of those that were told it."""
        parts = ((key, getattr(part, "floor_pj", None)) for key, part in self._each())
        return {key: float(floor) for key, floor in parts if floor is not None}

    @property
    def multipliers(self) -> dict[str, Tensor]:
        """The multipliers of those that have one, by chip."""
        return {key: one.multiplier for key, one in self._each() if one.multiplier is not None}

    @property
    def multiplier(self) -> Tensor | None:
        """The highest multiplier, that of the limit that binds most; None if there is none."""
        first, *others = self.multipliers.values() or (None,)
        return torch.stack([first, *others]).amax() if first is not None and others else first

    @property
    def settled(self) -> bool:
        """True if all aim at what they are to keep."""
        return all(part.settled for part in self.parts)

    @property
    def looks_at_traffic(self) -> bool:
        """True if any looks at ``meter.traffic``."""
        return any(part.looks_at_traffic for part in self.parts)

    def start(self, floor: Validation, steps: int | None) -> None:
        """Gives those that have a limit the floor on their chip, and the steps; see ``Penalty``."""
        for key, part in self._each():
            if part.limit_pj is not None:
                part.start(floor.on(key).floor_pj, steps)

    def validated(self, validation: Validation) -> None:
        """Tells all what the network spends in use; see ``Penalty``."""
        for key, part in self._each():
            part.validated(validation.expects(key))

    def warn(self, validation: Validation) -> None:
        """Warns of limits that no network of this kind can meet on the validation set."""
        for key, limit in self.limits.items():
            floor, place = validation.on(key).floor_pj, f" on {key}" if key else ""
            if limit <= floor:
                logger.warning(
                    "the limit of %g%s cannot be met on the validation set: its floor, what no "
                    "hidden spike can change, is %g",
                    limit,
                    place,
                    floor,
                )

    def forward(self, energies: Mapping[str, Energy], traffic: Sequence[Traffic] | None) -> Tensor:
        """Adds what all charge; see ``Penalty``.

        Raises:
            ValueError: If one charges in the first step for energy that its chip has no price for.
        """
        if not self._priced:
            self._check_prices(energies)
            self._priced = True
        term, *others = (part(energies[key], traffic) for key, part in self._each())
        for other in others:
            term = term + other
        return term

    def _check_prices(self, energies: Mapping[str, Energy]) -> None:
        """Refuses a chip without a price for what a penalty charges for."""
        for key, part in self._each():
            energy = energies[key]
            if not (part.looks_at_traffic or energy.by_kind):
                counted = ", ".join([*energy.unpriced, *energy.excluded])
                raise ValueError(
                    f"chip '{energy.chip}' has no price for anything that this network does "
                    f"({counted}), so that {type(part).__name__} has nothing to charge for: take "
                    "another chip, or other neurons if it has prices by type"
                )

    def update(self, energies: Mapping[str, Energy]) -> None:
        """Lets all learn from a step; see ``Penalty``."""
        for key, part in self._each():
            part.update(energies[key])

    def _each(self) -> list[tuple[str, Penalty]]:
        return list(zip(self.keys, self.parts, strict=True))

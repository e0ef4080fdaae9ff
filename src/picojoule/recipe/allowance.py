"""Limits as a recipe writes them: an energy, a power, a number of spikes, or a share."""

import math
import re
from dataclasses import dataclass
from typing import Any

from picojoule.energy import COUNTERS
from picojoule.units import NUMBER, DoubtfulUnit, picojoule, watts

_WAYS = (
    "an energy such as '12 nJ', a power such as '1 mW' (with budget.rate), a number such as '200 "
    "spikes' or '3e4 synops'"
)


@dataclass(frozen=True)
class Allowance:
    """A limit on what one sample may cost.

    Attributes:
        on: Name of the chip or counter that prices it; None for the recipe's own chip.
        limit_pj: In pJ per sample; on a counter a number per sample.
        rate_hz: Samples per second if it is a power; else None.
    """

    on: str | None
    limit_pj: float
    rate_hz: float | None = None


def plain(limit: Any) -> float | str:
    """Returns a limit in one form, so that equal limits are equal recipes.

    Args:
        limit: As a recipe has it.

    Returns:
        A number of pJ; or text: ``"none"``, ``"50%"``, ``"0.001 W"``, ``"200 spikes"``.

    Raises:
        ValueError: If it is none of these, or not above zero.
    """
    text = limit.strip() if isinstance(limit, str) else ""
    if text.lower() == "none":
        return "none"
    if share := re.fullmatch(rf"({NUMBER})\s*%", text):
        return _share(float(share[1]))
    number, unit = limit, ""
    try:
        if counted := re.fullmatch(rf"({NUMBER})\s*(spike|synop)s?", text, re.IGNORECASE):
            number, unit = float(counted[1]), f"{counted[2].lower()}s"
        elif re.search(r"[wW]$", text):
            number, unit = watts(text), "W"
        else:
            number = picojoule(limit)
    except DoubtfulUnit:
        raise
    except ValueError as error:
        raise ValueError(
            f"{error}; a limit is {_WAYS}, a share of the unconstrained energy such as '50%', or "
            "'none'"
        ) from None
    if not (number > 0 and math.isfinite(number)):
        raise ValueError(
            f"a budget must be finite and above zero, got {limit!r}; write 'none' for no budget"
        )
    return f"{number:.12g} {unit}" if unit else number


def allowance(on: str | None, limit: float | str, rate_hz: float | None) -> Allowance:
    """Makes an allowance of a plain limit that is neither a share nor ``"none"``.

    Args:
        on: Name of the chip or counter; None for the recipe's own chip.
        limit: As ``plain`` returns it.
        rate_hz: Samples per second, which a power needs.

    Raises:
        ValueError: If chip and unit contradict each other, or a power has no rate.
    """
    if not isinstance(limit, str):
        if on in COUNTERS:
            raise ValueError(f"{on} = '{limit:g} pJ' is an energy: write '200 {on}'")
        return Allowance(on, limit)
    number, _, unit = limit.partition(" ")
    if unit in COUNTERS:
        if on not in (None, unit):
            raise ValueError(
                f"{on} = '{limit}' is no energy: a number of {unit} has a limit of its own, "
                f"{unit} = '{limit}'"
            )
        return Allowance(unit, float(number))
    if unit != "W" or on in COUNTERS:
        alone = "; a share is for budget.limit alone" if limit.endswith("%") else ""
        raise ValueError(f"{on} = '{limit}': expected {_WAYS}{alone}")
    if rate_hz is None:
        raise ValueError(
            f"'{limit}' is a power, which is energy per sample times samples per second: say how "
            "many come by budget.rate, such as '20 / s'"
        )
    return Allowance(on, float(f"{float(number) / rate_hz * 1e12:.12g}"), rate_hz)


def _share(percent: float) -> str:
    if not 0 < percent <= 100:
        raise ValueError(
            f"a share of the unconstrained energy is above 0% and at most 100%, got {percent:g}%"
        )
    return f"{percent:g}%"

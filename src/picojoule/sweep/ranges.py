"""``[sweep]`` of a recipe: what a search may choose for each key, a range or a list."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from picojoule._names import shown, unknown
from picojoule.recipe import toml
from picojoule.recipe.merge import assignments

_WAYS = "{ low = 32, high = 256 }, with step = 32 or log = true if wanted, or a list of values"
_PARTS = ("low", "high", "step", "log")


@dataclass(frozen=True)
class Range:
    """The values that a search may choose from: those of a list, or from low to high.

    Attributes:
        choices: The values of a list, as ``--set`` takes them; empty for numbers.
        low, high: The ends, both of which may be chosen; whole numbers if all that is given is.
        step: The distance of two values; None for any value (of whole numbers every one).
        log: Whether their logarithm is chosen evenly.
    """

    choices: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False

    @property
    def ends(self) -> tuple[str, ...]:
        """All values of a list, or else the two ends, as ``--set`` takes them."""
        return self.choices or (repr(self.low), repr(self.high))

    @property
    def whole(self) -> bool:
        """True if only whole numbers are chosen."""
        return all(isinstance(one, int) for one in (self.low, self.high, self.step or 1))

    def table(self) -> Any:
        """Returns it as a recipe may write it."""
        if self.choices:
            return [assignments([f"value={one}"])["value"] for one in self.choices]
        parts = {"low": self.low, "high": self.high, "step": self.step, "log": self.log or None}
        return {name: value for name, value in parts.items() if value is not None}


def ranges(table: Mapping[str, Any]) -> dict[str, Range]:
    """Reads the table ``[sweep]``.

    Args:
        table: Ranges by key, dotted or as tables in tables.

    Raises:
        ValueError: If a range has no meaning; the message names its key.

    Example:
        >>> ranges({"network.width": {"low": 32, "high": 256, "step": 32}})["network.width"].ends
        ('32', '256')
    """
    return {key: _range(f"sweep.'{key}'", value) for key, value in _leaves(table)}


def typed(value: Any) -> str:
    """Returns a value as ``--set`` takes it.

    Example:
        >>> typed("LIF"), typed("5"), typed(5)
        ('LIF', '"5"', '5')
    """
    plain = isinstance(value, str) and assignments([f"value={value}"])["value"] == value
    return value if plain else toml.inline(value)


def _leaves(table: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in table.items():
        is_table = isinstance(value, Mapping) and value
        if is_table and all(isinstance(one, (Mapping, list)) for one in value.values()):
            yield from _leaves(value, f"{at}{name}.")
        else:
            yield f"{at}{name}", value


def _range(key: str, value: Any) -> Range:
    if isinstance(value, list):
        return Range(choices=distinct(key, [typed(one) for one in value]))
    if not isinstance(value, Mapping) or not value:
        raise ValueError(f"{key} must be {_WAYS}, got {shown(value)}")
    for part in value:
        if part not in _PARTS:
            raise ValueError(f"{key}: {unknown('part of a range', part, _PARTS)}")
    low, high, step = (_number(key, value, part) for part in _PARTS[:3])
    log = value.get("log", False)
    if low is None or high is None:
        raise ValueError(f"{key} must be {_WAYS}: it has no {'low' if low is None else 'high'}")
    if not isinstance(log, bool):
        raise ValueError(f"{key}.log must be true or false, got {shown(log)}")
    if low >= high:
        raise ValueError(
            f"{key}: low = {low} {'is above' if low > high else 'is'} high = {high}: give "
            "two ends, the lower one first"
        )
    if step is not None and not 0 < step <= high - low:
        raise ValueError(f"{key}.step must be above 0 and at most {high - low:g}, got {step}")
    if log and (low <= 0 or step is not None):
        what = f"low above 0, got {low}" if low <= 0 else "no step"
        raise ValueError(f"{key}: log = true takes {what}")
    return Range((), low, high, step, log)


def distinct(key: str, values: list[str]) -> tuple[str, ...]:
    """Returns several values as a tuple.

    Raises:
        ValueError: If there are less than two, one is empty, or one is there twice.
    """
    if len(values) < 2 or "" in values:
        raise ValueError(
            f"{key} takes two values or more, got {', '.join(values) or 'none'!s}: one alone is "
            "for --set"
        )
    if twice := next((one for one in values if values.count(one) > 1), None):
        raise ValueError(f"{key} has the value {twice} twice")
    return tuple(values)


def _number(key: str, table: Mapping[str, Any], part: str) -> float | None:
    value = table.get(part)
    if value is None:
        return None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(value):
        raise ValueError(f"{key}.{part} must be a finite number, got {shown(value)}")
    return value

"""Quantities with units, read from text and written as text: ``"12 nJ"``, ``"20 ms"``."""

import math
import re

from quantiphy import Quantity

NUMBER = r"[-+]?(?:[0-9]+(?:_[0-9]+)*\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
# What a prefix multiplies by. In the other case it means the same, but for m and M, p and P.
_PREFIXES = {
    "": 1.0,
    "a": 1e-18,
    "f": 1e-15,
    "p": 1e-12,
    "n": 1e-9,
    "u": 1e-6,
    "µ": 1e-6,  # U+00B5, the micro sign
    "μ": 1e-6,  # U+03BC, the Greek letter
    "m": 1e-3,
    "k": 1e3,
    "g": 1e9,
    "t": 1e12,
}
# Of those: the two meanings, and a prefix for a thousandth of the second that leaves no doubt.
_DOUBTFUL = {"m": ("milli", "mega", "k"), "p": ("pico", "peta", "T")}


class DoubtfulUnit(ValueError):  # noqa: N818 (as NonFiniteLoss)
    """Error of a unit whose case leaves a doubt, such as that of ``"12 mj"``."""


def picojoule(value: float | str) -> float:
    """Reads an energy in pJ.

    Args:
        value: A number of picojoule, or a text of a number and a unit of joule, in any case that
            leaves no doubt: ``"12 nj"`` is read, ``"12 MJ"`` and ``"12 mj"`` are refused.

    Raises:
        ValueError: If it is not an energy, or the case of its unit leaves a doubt.

    Example:
        >>> picojoule("12 nJ"), picojoule(350)
        (12000.0, 350.0)
    """
    return _number(value, "J", "an energy such as '12 nJ'", 1e12)


def watts(value: str) -> float:
    """Reads a power in watts from a text of a number and a unit of watt, see ``picojoule``.

    Raises:
        ValueError: If it is not a power, or the case of its unit leaves a doubt.

    Example:
        >>> watts("1 mW")
        0.001
    """
    return _number(value, "W", "a text such as '1 mW'", 1.0)


def hertz(value: float | str) -> float:
    """Reads a rate: a number per second, or a text of one: ``"20 / s"``, ``"20 Hz"``.

    Raises:
        ValueError: If it is not a rate, or the case of its unit leaves a doubt.

    Example:
        >>> hertz("20 / s"), hertz("1.5 kHz")
        (20.0, 1500.0)
    """
    if isinstance(value, str):
        value = re.sub(r"\s*/\s*s\s*$", " Hz", value)
    return _number(value, "Hz", "a number per second or a text such as '20 / s'", 1.0)


def seconds(value: float | str) -> float:
    """Reads a time in seconds.

    Args:
        value: A number of seconds, or a text of a number and a unit of second, see ``picojoule``.

    Raises:
        ValueError: If it is not a time, or the case of its unit leaves a doubt.

    Example:
        >>> seconds("20 ms")
        0.02
    """
    return _number(value, "s", "a time such as '20 ms'", 1.0)


def format_energy(pj: float) -> str:
    """Formats an energy: three digits and the prefix that suits.

    Example:
        >>> format_energy(12_400), format_energy(0)
        ('12.4 nJ', '0 J')
    """
    return Quantity(pj * 1e-12, "J").render(prec=2).replace(" u", " µ")


def _number(value: float | str, unit: str, expected: str, scale: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValueError(f"expected {expected}, got {value!r}")
    if not isinstance(value, str):
        return float(value)
    parts = re.fullmatch(rf"\s*({NUMBER})\s*([a-zA-Zµμ]?)((?i:{unit}))\s*", value)
    if parts is None or parts[2].lower() not in _PREFIXES:
        raise ValueError(f"expected {expected}, got '{value}'")
    number, prefix, small = float(parts[1]), parts[2], parts[2].lower()
    if prefix in ("M", "P") or (prefix == "m" and parts[3] != unit):
        one, other, below = _DOUBTFUL[small]
        raise DoubtfulUnit(
            f"'{value}' may be {one} or {other}: write '{parts[1]} {small}{unit}' for {one}, "
            f"'{number * 1000:.12g} {below}{unit}' for {other}"
        )
    if not math.isfinite(number):
        raise ValueError(f"expected {expected}, got '{value}'")
    # Rounded to what a text can say, so that '12 nJ' is 12000 pJ and not 12000.000000000002.
    return float(f"{number * _PREFIXES[small] * scale:.12g}")

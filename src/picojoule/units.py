"""Quantities with units, read from text and written as text: ``"12 nJ"``, ``"20 ms"``."""

import math

from quantiphy import QuantiPhyError, Quantity


def picojoule(value: float | str) -> float:
    """Reads an energy in pJ.

    Args:
        value: A number of picojoule, or a text of a number and a unit of joule.

    Raises:
        ValueError: If it is not an energy.

    Example:
        >>> picojoule("12 nJ"), picojoule(350)
        (12000.0, 350.0)
    """
    return _number(value, "J", "a number of picojoule or a text such as '12 nJ'", 1e12)


def seconds(value: float | str) -> float:
    """Reads a time in seconds.

    Args:
        value: A number of seconds, or a text of a number and a unit of second.

    Raises:
        ValueError: If it is not a time.

    Example:
        >>> seconds("20 ms")
        0.02
    """
    return _number(value, "s", "a number of seconds or a text such as '20 ms'", 1.0)


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
    try:
        quantity = Quantity(value)
    except QuantiPhyError:
        raise ValueError(f"expected {expected}, got '{value}'") from None
    if quantity.units != unit or not math.isfinite(quantity.real):
        raise ValueError(f"expected {expected}, got '{value}'")
    # Rounded to what a text can say, so that '12 nJ' is 12000 pJ and not 12000.000000000002.
    return float(f"{quantity.real * scale:.12g}")

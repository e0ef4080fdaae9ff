"""The message for an unknown name."""

import difflib
from collections.abc import Iterable
from typing import Any

# Characters of a value or a name that a message shows.
_LONGEST = 120

_MANY = 30  # names that nobody reads in a message
_FEW = 5

ALIKE = 0.6  # what two names must be to be taken for one with a slip


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Words the message for an unknown name, with the nearest known one, and the others if few.

    Example:
        >>> unknown("chip", "45mn", ["45nm", "loihi"])
        "unknown chip '45mn': did you mean '45nm'? Known: 45nm, loihi"
    """
    names, name = sorted(known), shortened(name)
    folded = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), folded, n=_FEW, cutoff=ALIKE)
    hint = f": did you mean '{folded[near[0]]}'?" if near else "."
    if len(names) > _MANY:
        first = [folded[one] for one in near] or names[:_FEW]
        names = [*first, f"and {len(names) - len(first)} more"]
    return f"unknown {what} '{name}'{hint} Known: {', '.join(names)}"


def shown(value: Any) -> str:
    """Returns a value as a message shows it: as Python writes it, if that is plain and not long."""
    is_plain = value is None or isinstance(value, (bool, int, float, str, list, dict, tuple))
    return shortened(repr(value) if is_plain else str(value))


def shortened(text: str) -> str:
    """Returns a text, or else its beginning."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."

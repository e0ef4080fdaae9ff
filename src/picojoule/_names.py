"""The message for an unknown name."""

import difflib
from collections.abc import Iterable


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Words the message for an unknown name, with the nearest known one.

    Example:
        >>> unknown("chip", "45mn", ["45nm", "loihi"])
        "unknown chip '45mn': did you mean '45nm'? Known: 45nm, loihi"
    """
    names = sorted(known)
    folded = {candidate.lower(): candidate for candidate in names}
    near = difflib.get_close_matches(name.lower(), folded, n=1, cutoff=0.4)
    hint = f": did you mean '{folded[near[0]]}'?" if near else "."
    return f"unknown {what} '{name}'{hint} Known: {', '.join(names)}"

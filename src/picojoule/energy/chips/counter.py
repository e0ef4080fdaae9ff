"""Counters: price lists of one for each count, for limits on numbers instead of energies."""

from picojoule._names import unknown
from picojoule.energy.chips.chip import Chip
from picojoule.energy.chips.price import Price

# What a limit may be on beside an energy: the name of the number, and the count that it is.
COUNTERS = {"spikes": "spike", "synops": "ac"}


def counter(name: str) -> Chip:
    """Makes a price list whose picojoules are numbers of spikes or of synaptic operations.

    Args:
        name: ``"spikes"``, what all neurons put out (a level of n is n), or ``"synops"``, the pairs
            of an arriving event (those of the input, too) and a synapse.

    Raises:
        ValueError: If it is neither of the two.

    Example:
        >>> counter("spikes").name
        'spikes'
    """
    if name not in COUNTERS:
        raise ValueError(unknown("counter", name, COUNTERS))
    count = COUNTERS[name]
    return Chip(
        name=name,
        description=f"No chip: the number of {name} per sample.",
        node="none",
        precision="none",
        evidence="measured",
        excluded=(),
        price={count: Price(pj=1.0, source="a number, and no energy")},
    )

"""What happened, and what it costs."""

from picojoule.energy.chip import Chip, Price, chip_names, load_chip
from picojoule.energy.counts import COUNTS, OpCounts, Sizes
from picojoule.energy.estimate import Energy
from picojoule.energy.kinds import Kind
from picojoule.energy.meter import Meter
from picojoule.energy.tally import Traffic

__all__ = [
    "COUNTS",
    "Chip",
    "Energy",
    "Kind",
    "Meter",
    "OpCounts",
    "Price",
    "Sizes",
    "Traffic",
    "chip_names",
    "load_chip",
]

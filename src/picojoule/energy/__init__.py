"""What happened, and what it costs."""

from picojoule.energy.chip import Chip
from picojoule.energy.chip_file import chip_names, load_chip
from picojoule.energy.convention import Convention
from picojoule.energy.counts import COUNTS, OpCounts, Sizes
from picojoule.energy.estimate import Energy
from picojoule.energy.foreign import Foreign
from picojoule.energy.kinds import Kind
from picojoule.energy.meter import Meter
from picojoule.energy.price import Price
from picojoule.energy.traffic import Traffic

__all__ = [
    "COUNTS",
    "Chip",
    "Convention",
    "Energy",
    "Foreign",
    "Kind",
    "Meter",
    "OpCounts",
    "Price",
    "Sizes",
    "Traffic",
    "chip_names",
    "load_chip",
]

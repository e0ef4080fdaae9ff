"""What happened, and what it costs."""

from picojoule.energy.chips.chip import Chip
from picojoule.energy.chips.chip_file import chip_names, load_chip
from picojoule.energy.chips.estimate import Energy
from picojoule.energy.chips.price import Price
from picojoule.energy.convention import Convention, Conventions
from picojoule.energy.counts import COUNTS, OpCounts, Sizes
from picojoule.energy.kinds import Kind
from picojoule.energy.meter.foreign import Foreign
from picojoule.energy.meter.meter import Meter
from picojoule.energy.spikes import spikes
from picojoule.energy.traffic import Traffic

__all__ = [
    "COUNTS",
    "Chip",
    "Convention",
    "Conventions",
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
    "spikes",
]

"""Prices: what each count costs on a chip."""

from picojoule.energy.chips.chip import Chip
from picojoule.energy.chips.chip_file import chip_names, load_chip
from picojoule.energy.chips.estimate import Energy
from picojoule.energy.chips.price import Price

__all__ = ["Chip", "Energy", "Price", "chip_names", "load_chip"]

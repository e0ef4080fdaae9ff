"""Counting what happens in a network while it runs."""

from picojoule.energy.meter.foreign import Foreign
from picojoule.energy.meter.meter import Meter

__all__ = ["Foreign", "Meter"]

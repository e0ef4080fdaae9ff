"""An oracle: a network run and counted one event, one synapse and one neuron at a time.

It shares no code and no formula with the meter. A network is described by the layers of
``layers.py``; ``simulate`` runs it in float64 on plain arrays and counts as it goes; ``build``
makes the torch network of the same weights, for the meter.
"""

from energy.oracle.build import build
from energy.oracle.outcome import Outcome
from energy.oracle.simulate import simulate

__all__ = ["Outcome", "build", "simulate"]

"""What a neuron does in time."""

from picojoule.neurons.base import Arrivals, Neuron, NeuronCost, detach, neuron
from picojoule.neurons.integrate import LI, LIF, LIFState
from picojoule.neurons.recurrent import Recurrent, RecurrentState
from picojoule.neurons.scan import scan

__all__ = [
    "LI",
    "LIF",
    "Arrivals",
    "LIFState",
    "Neuron",
    "NeuronCost",
    "Recurrent",
    "RecurrentState",
    "detach",
    "neuron",
    "scan",
]

"""What a neuron does in time."""

from picojoule.contract import Arrivals, Group, NeuronCost
from picojoule.engine.scan import scan
from picojoule.neurons.adaptive import ALIF, Adaptation, AdLIF, AdLIFState, ALIFState
from picojoule.neurons.balanced import BRF, HRF, BRFState, HRFState
from picojoule.neurons.base import Neuron, detach, kinds, neuron
from picojoule.neurons.integrate import IF, LI, LIF, LIFState
from picojoule.neurons.leaky import PLIF, CubaLIF, CubaLIFState
from picojoule.neurons.mixture import Mixture, MixtureState
from picojoule.neurons.multilevel import Barrier, MultiLevelIF, MultiLevelState
from picojoule.neurons.polynomial import LNM, LNMState
from picojoule.neurons.recurrent import Recurrent, RecurrentState
from picojoule.neurons.resonate import RF, RFState

__all__ = [
    "ALIF",
    "BRF",
    "HRF",
    "IF",
    "LI",
    "LIF",
    "LNM",
    "PLIF",
    "RF",
    "ALIFState",
    "AdLIF",
    "AdLIFState",
    "Adaptation",
    "Arrivals",
    "BRFState",
    "Barrier",
    "CubaLIF",
    "CubaLIFState",
    "Group",
    "HRFState",
    "LIFState",
    "LNMState",
    "Mixture",
    "MixtureState",
    "MultiLevelIF",
    "MultiLevelState",
    "Neuron",
    "NeuronCost",
    "RFState",
    "Recurrent",
    "RecurrentState",
    "detach",
    "kinds",
    "neuron",
    "scan",
]

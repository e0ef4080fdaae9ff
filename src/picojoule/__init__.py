"""Give it a network, a chip and a joule budget; it trains the most accurate network that fits.

Everything public is found here and imported when it is first asked for, so that ``pj --help``
need not wait for torch.
"""

from importlib import import_module
from importlib.metadata import version as _version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from picojoule import data as data
    from picojoule import energy as energy
    from picojoule import networks as networks
    from picojoule import neurons as neurons
    from picojoule import readout as readout
    from picojoule import surrogate as surrogate
    from picojoule import training as training
    from picojoule.energy import COUNTS as COUNTS
    from picojoule.energy import Chip as Chip
    from picojoule.energy import Convention as Convention
    from picojoule.energy import Energy as Energy
    from picojoule.energy import Meter as Meter
    from picojoule.energy import OpCounts as OpCounts
    from picojoule.energy import Price as Price
    from picojoule.energy import chip_names as chip_names
    from picojoule.energy import load_chip as load_chip
    from picojoule.energy import spikes as spikes
    from picojoule.networks import NETWORKS as NETWORKS
    from picojoule.networks import ClipFloorShift as ClipFloorShift
    from picojoule.networks import Conversion as Conversion
    from picojoule.networks import Repeat as Repeat
    from picojoule.networks import Residual as Residual
    from picojoule.networks import Sequential as Sequential
    from picojoule.networks import convert as convert
    from picojoule.networks import network as network
    from picojoule.neurons import ALIF as ALIF
    from picojoule.neurons import BRF as BRF
    from picojoule.neurons import HRF as HRF
    from picojoule.neurons import IF as IF
    from picojoule.neurons import LI as LI
    from picojoule.neurons import LIF as LIF
    from picojoule.neurons import LNM as LNM
    from picojoule.neurons import PLIF as PLIF
    from picojoule.neurons import RF as RF
    from picojoule.neurons import Adaptation as Adaptation
    from picojoule.neurons import AdLIF as AdLIF
    from picojoule.neurons import Barrier as Barrier
    from picojoule.neurons import CubaLIF as CubaLIF
    from picojoule.neurons import Mixture as Mixture
    from picojoule.neurons import MultiLevelIF as MultiLevelIF
    from picojoule.neurons import Neuron as Neuron
    from picojoule.neurons import NeuronCost as NeuronCost
    from picojoule.neurons import Recurrent as Recurrent
    from picojoule.neurons import detach as detach
    from picojoule.neurons import neuron as neuron
    from picojoule.neurons import scan as scan
    from picojoule.recipe import Recipe as Recipe
    from picojoule.recipe import load_recipe as load_recipe
    from picojoule.recipe import recipe_names as recipe_names
    from picojoule.report import Report as Report
    from picojoule.report import measure as measure
    from picojoule.run.trained import Prediction as Prediction
    from picojoule.run.trained import Trained as Trained
    from picojoule.run.trained import load as load
    from picojoule.streaming import Stream as Stream
    from picojoule.streaming import stream as stream
    from picojoule.training import BalancedPenalty as BalancedPenalty
    from picojoule.training import EnergyBudget as EnergyBudget
    from picojoule.training import FixedPrice as FixedPrice
    from picojoule.training import Log as Log
    from picojoule.training import NonFiniteLoss as NonFiniteLoss
    from picojoule.training import Penalty as Penalty
    from picojoule.training import RateTarget as RateTarget
    from picojoule.training import SpikePenalty as SpikePenalty
    from picojoule.training import SynapticPenalty as SynapticPenalty
    from picojoule.training import SynOpsTarget as SynOpsTarget
    from picojoule.training import train as train

_NAMES = {
    "energy": "COUNTS Chip Convention Energy Meter OpCounts Price chip_names load_chip spikes",
    "networks": "NETWORKS ClipFloorShift Conversion Repeat Residual Sequential convert network",
    "neurons": "ALIF AdLIF Adaptation BRF Barrier CubaLIF HRF IF LI LIF LNM Mixture MultiLevelIF "
    "Neuron NeuronCost PLIF RF Recurrent detach neuron scan",
    "recipe": "Recipe load_recipe recipe_names",
    "report": "Report measure",
    "run.trained": "Prediction Trained load",
    "streaming": "Stream stream",
    "training": "BalancedPenalty EnergyBudget FixedPrice Log NonFiniteLoss Penalty RateTarget "
    "SpikePenalty SynOpsTarget SynapticPenalty train",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}
_MODULES = ("data", "energy", "networks", "neurons", "readout", "surrogate", "training")

__all__ = [*_HOMES, *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]

__version__ = _version("picojoule")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"picojoule.{name}")
    if name in _HOMES:
        return getattr(import_module(f"picojoule.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'picojoule' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])

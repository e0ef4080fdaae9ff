"""Penalties: terms of the loss that grow with energy, or with what causes it."""

from picojoule.training.penalties.balanced_penalty import BalancedPenalty
from picojoule.training.penalties.base import Penalty, kinds, penalty
from picojoule.training.penalties.energy_budget import EnergyBudget
from picojoule.training.penalties.fixed_price import FixedPrice
from picojoule.training.penalties.rate_target import RateTarget
from picojoule.training.penalties.spike_penalty import SpikePenalty
from picojoule.training.penalties.synaptic_penalty import SynapticPenalty
from picojoule.training.penalties.synops_target import SynOpsTarget

__all__ = [
    "BalancedPenalty",
    "EnergyBudget",
    "FixedPrice",
    "Penalty",
    "RateTarget",
    "SpikePenalty",
    "SynOpsTarget",
    "SynapticPenalty",
    "kinds",
    "penalty",
]

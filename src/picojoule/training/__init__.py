"""Training to a joule budget: the loop, its penalties, measurements and checkpoints."""

from picojoule.training.batches import Inputs
from picojoule.training.finite import NonFiniteLoss
from picojoule.training.measure import evaluate
from picojoule.training.measurement import Cost, Measurement
from picojoule.training.penalties import (
    BalancedPenalty,
    EnergyBudget,
    FixedPrice,
    Penalty,
    RateTarget,
    SpikePenalty,
    SynapticPenalty,
    SynOpsTarget,
)
from picojoule.training.records import Chosen, EpochRecord, Log, Validation, choose
from picojoule.training.train import train

__all__ = [
    "BalancedPenalty",
    "Chosen",
    "Cost",
    "EnergyBudget",
    "EpochRecord",
    "FixedPrice",
    "Inputs",
    "Log",
    "Measurement",
    "NonFiniteLoss",
    "Penalty",
    "RateTarget",
    "SpikePenalty",
    "SynOpsTarget",
    "SynapticPenalty",
    "Validation",
    "choose",
    "evaluate",
    "train",
]

"""How a neuron's steps run over time: one after the other, or compiled to one loop."""

from picojoule.contract import Verdict
from picojoule.engine.verdict import engines

__all__ = ["Verdict", "engines"]

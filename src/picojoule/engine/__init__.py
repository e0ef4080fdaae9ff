"""How a neuron's steps run over time: one after the other, or compiled to one loop."""

from picojoule.engine.verdict import Verdict, engines

__all__ = ["Verdict", "engines"]

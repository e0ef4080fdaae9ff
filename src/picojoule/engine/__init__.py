"""Runs of a neuron's steps over time: one after the other, or compiled to one loop."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

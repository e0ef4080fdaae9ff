"""Containers, named architectures, and networks converted from ANNs."""

from picojoule.networks.architectures import NETWORKS, network
from picojoule.networks.clip import ClipFloorShift
from picojoule.networks.convert import Conversion, convert
from picojoule.networks.sequential import Repeat, Residual, Sequential

__all__ = [
    "NETWORKS",
    "ClipFloorShift",
    "Conversion",
    "Repeat",
    "Residual",
    "Sequential",
    "convert",
    "network",
]

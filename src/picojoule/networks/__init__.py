"""Containers and named architectures."""

from picojoule.networks.build import NETWORKS, network
from picojoule.networks.sequential import Repeat, Sequential

__all__ = ["NETWORKS", "Repeat", "Sequential", "network"]

"""Penalties on spikes, and sums of the meter's records for them."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from math import prod

import torch
from torch import Tensor

from picojoule.energy import Energy, Traffic
from picojoule.training.penalties.base import Penalty, checked_weight


class TrafficPenalty(Penalty, ABC):
    """Abstract penalty: a constant weight times a number read from the spikes of a batch.

    Attributes:
        fired: Whether it looks at the spikes that neurons put out, rather than those at synapses.
    """

    fired: bool

    def __init__(self, weight: float) -> None:
        super().__init__()
        self.weight = checked_weight(weight)

    @abstractmethod
    def charge(self, records: Sequence[Traffic]) -> Tensor:
        """Computes the number that is weighted: a 0-d tensor.

        Args:
            records: At least one, of spikes that arrived or that neurons put out.
        """

    def forward(self, energy: Energy, traffic: Sequence[Traffic] | None = None) -> Tensor:
        """Computes the charge for ``traffic``; see ``Penalty``.

        Raises:
            ValueError: If there is no traffic, or none with spikes that training could change.
        """
        del energy
        name = type(self).__name__
        if traffic is None:
            raise ValueError(
                f"{name} looks at the spikes themselves: call it as penalty(energy, meter.traffic)"
            )
        records = self.records(traffic)
        if not any(record.kind.hidden for record in records):
            where = "from any layer of neurons" if self.fired else "of neurons at any synapse"
            raise ValueError(
                f"{name} got traffic without spikes {where} (values at spikes, such as gated ones, "
                "are none): name the neurons of a foreign network, Meter(net, neurons={Type: "
                "cost}), or take EnergyBudget or FixedPrice"
            )
        return self._checked((self.weight * self.charge(records)).float())

    def update(self, energy: Energy) -> None:
        """Learns nothing: the charge never changes."""
        del energy

    def records(self, traffic: Sequence[Traffic]) -> list[Traffic]:
        """Returns the records of events and levels that it looks at."""
        return [one for one in traffic if one.fired == self.fired and one.kind.counted]


class Omega(TrafficPenalty, ABC):
    """Abstract penalty: the sum over layers of ``1/p`` times spikes to the power ``p``."""

    def __init__(self, weight: float, p: float = 1.0) -> None:
        super().__init__(weight)
        if not (math.isfinite(p) and p >= 1):
            raise ValueError(
                f"p must be 1 or more, got {p}: below 1 the gradient of a silent neuron is infinite"
            )
        self.p = p

    def omega(self, traffic: Sequence[Traffic]) -> dict[str, Tensor]:
        """Computes Omega of each layer, without the weight.

        Args:
            traffic: The records of ``meter.traffic``.

        Returns:
            0-d float64 tensors, per sample, by the dotted name of the layer.
        """
        layers: dict[str, Tensor] = {}
        for record in self.records(traffic):
            part = total(record, self.p) * self.worth(record) / (self.p * record.samples)
            layers[record.layer] = layers[record.layer] + part if record.layer in layers else part
        return layers

    def charge(self, records: Sequence[Traffic]) -> Tensor:
        """Computes the sum over layers; see ``TrafficPenalty``."""
        return torch.stack(list(self.omega(records).values())).sum()

    @abstractmethod
    def worth(self, record: Traffic) -> float:
        """Returns the worth of every spike of a record beyond its synapses."""


def total(record: Traffic, p: float) -> Tensor:
    """Sums events to the power ``p``, each times its synapses: a 0-d float64 tensor.

    A level of n that arrives is n events of 1, whatever the power; a level that neurons put out
    is taken to the power as it is.
    """
    fanout = record.fanout
    single = p == 1 or (record.kind.name == "levels" and not record.fired)
    if single and record.events is not None:  # summed by the meter already
        return (record.events * fanout).sum()
    number = record.number(p)
    places = fanout.shape if isinstance(fanout, Tensor) else number.shape[-1:]
    rows = number.reshape(-1, *places)
    return (rows.sum(0, dtype=_wide(rows)).double() * fanout).sum()


def rates(records: Sequence[Traffic]) -> Tensor:
    """Computes the spikes per step of every neuron, over all records of its layer: [neurons]."""
    spikes: dict[tuple[str, torch.Size], Tensor] = {}
    steps: dict[tuple[str, torch.Size], int | Tensor] = {}
    for record in records:
        values, leading = record.values, record.leading
        layer = record.layer, values.shape[leading:]
        number = record.number().flatten(0, leading - 1)
        number = number.sum(0, dtype=_wide(number)).flatten()
        spikes[layer] = spikes[layer] + number if layer in spikes else number
        within = record.within
        ran = prod(values.shape[:leading]) if within is None else within.sum()
        steps[layer] = steps.get(layer, 0) + ran
    return torch.cat([number / steps[layer] for layer, number in spikes.items()])


def _wide(rows: Tensor) -> torch.dtype:
    """Returns the type in which to sum over rows: float32 holds whole numbers up to 2^24."""
    narrow = len(rows) <= 1 << 20
    return torch.promote_types(rows.dtype, torch.float32) if narrow else torch.float64

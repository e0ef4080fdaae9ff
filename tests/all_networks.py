"""THE list of named networks: every contract test in ``tests/networks`` runs over it.

A new architecture is one builder in ``picojoule.networks`` and one line here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from picojoule.networks import Sequential, network

CLASSES = 3


@dataclass(frozen=True)
class NetworkCase:
    """One network to test.

    Attributes:
        name: Its name, as ``network`` takes it.
        inputs: Shape of one step's input, without batch.
        options: What its builder is given, small enough for a test.
        static: Whether it takes one step and makes its own (``Repeat``).
    """

    name: str
    inputs: tuple[int, ...]
    options: Mapping[str, Any] = field(default_factory=dict)
    static: bool = False

    def make(self, **options: Any) -> Sequential:
        """The network after seeding, for ``CLASSES`` classes, with weights that make it fire."""
        torch.manual_seed(0)
        made = {**self.options, **options}
        net = network(self.name, inputs=self.inputs, classes=CLASSES, **made)
        for parameter in net.parameters():
            if parameter.requires_grad and parameter.dim() > 1:
                parameter.data.add_(parameter.data.abs().mean())
        return net

    def data(self, steps: int = 6, batch: int = 4) -> Tensor:
        """Events [T, B, *inputs]; T = 1 where the network is for static inputs."""
        source = torch.Generator().manual_seed(1)
        shape = (1 if self.static else steps, batch, *self.inputs)
        return (torch.rand(shape, generator=source) < 0.4).float()


NETWORKS = [
    NetworkCase("mlp", (6,), {"width": 8}),
    NetworkCase("mlp", (1, 3, 3), {"width": 8, "layers": 3, "dropout": 0.2}),
    NetworkCase("keyword", (6,), {"width": 8, "layers": 2}),
    NetworkCase("cnn", (1, 9, 8), {"width": 4, "steps": 3}, static=True),
]

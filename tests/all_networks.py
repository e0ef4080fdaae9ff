"""THE list of named networks: every contract test in ``tests/networks`` runs over it.

A new architecture is one builder in ``picojoule.networks`` and one line here.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

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

    @property
    def title(self) -> str:
        """What tells it from the others."""
        words = [f"{name}={value}" for name, value in self.options.items() if name != "width"]
        return " ".join([self.name, str(self.inputs), *words])

    def make(self, **options: Any) -> Sequential:
        """The network after seeding, for ``CLASSES`` classes, with weights that make it fire."""
        torch.manual_seed(0)
        made = {**self.options, **options}
        net = network(self.name, inputs=self.inputs, classes=CLASSES, **made)
        for parameter in net.parameters():
            if parameter.requires_grad and parameter.dim() > 1:
                parameter.data.add_(parameter.data.abs().mean())
        for module in net.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.weight.data.clamp_(min=0.5)  # some start at zero, and would pass no gradient
                module.bias.data.clamp_(min=0.4)
        return net

    def data(self, steps: int = 6, batch: int = 4) -> Tensor:
        """Events [T, B, *inputs]; T = 1 where the network is for static inputs."""
        source = torch.Generator().manual_seed(1)
        shape = (1 if self.static else steps, batch, *self.inputs)
        return (torch.rand(shape, generator=source) < 0.4).float()


KINDS = [
    {"residual": "spiking"},
    {"residual": "sew", "connect": "add"},
    {"residual": "sew", "connect": "iand"},
    {"residual": "ms"},
    {"residual": "sparse", "levels": 2},
]
NETWORKS = [
    NetworkCase("mlp", (6,), {"width": 8}),
    NetworkCase("mlp", (1, 3, 3), {"width": 8, "layers": 3, "dropout": 0.2}),
    NetworkCase("keyword", (6,), {"width": 8, "layers": 2}),
    NetworkCase("keyword", (6,), {"width": 8, "layers": 2, "recurrent": False, "dropout": 0.1}),
    NetworkCase("cnn", (1, 9, 8), {"width": 4, "steps": 3}, static=True),
    NetworkCase("cnn7", (2, 8, 8), {"width": 3, "steps": 0, "norm": "tdbn"}),
    NetworkCase("vgg11", (1, 8, 8), {"width": 2, "steps": 0}),
    NetworkCase("vgg16", (3, 8, 8), {"width": 2, "steps": 3}, static=True),
    *(NetworkCase("resnet18", (2, 8, 8), {"width": 2, "steps": 0, **options}) for options in KINDS),
    NetworkCase("resnet19", (3, 8, 8), {"width": 2, "steps": 3, "residual": "ms"}, static=True),
]

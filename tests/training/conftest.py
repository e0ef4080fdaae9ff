"""A task small enough to train many times in a test."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.energy import Energy

STEPS, FEATURES, CLASSES = 6, 12, 3


@dataclass
class Task:
    """Events [T, B, 12] of three classes, told apart by which features are busy."""

    samples: list
    chip: pj.Chip

    def loader(self, count=48, *, jitter=False, kept=1.0, **options) -> DataLoader:
        """Batches of a share of the events; with ``jitter`` each draws from every random source."""

        def collate(batch):
            x = torch.stack([x for x, _ in batch], 1)
            label = torch.tensor([label for _, label in batch])
            if jitter:
                x = x * float(random.random() < 0.9) * float(np.random.random() < 0.9)
                x = x * (torch.rand(FEATURES) < 0.9)
            if kept < 1:
                x = x * (torch.rand(x.shape) < kept)
            return x, label, None

        return DataLoader(self.samples[:count], batch_size=8, collate_fn=collate, **options)

    def setup(self, seed=0, *, dropout=0.0, optimizer=torch.optim.Adam, lr=1e-2):
        """A network, its optimizer and its scheduler after seeding every source."""
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        net = pj.Sequential(
            nn.Linear(FEATURES, 16),
            pj.LIF(),
            nn.Dropout(dropout),
            nn.Linear(16, 16),
            pj.LIF(),
            nn.Linear(16, CLASSES),
            pj.LI(),
        )
        for layer in (net[0], net[3]):
            nn.init.uniform_(layer.weight, -0.5, 1.0)
        made = optimizer(net.parameters(), lr=lr)
        decay = torch.optim.lr_scheduler.MultiStepLR(made, [4, 9], gamma=0.5)
        return SimpleNamespace(net=net, optimizer=made, scheduler=decay)

    def train(self, made, loader, **options):
        """The generator of a training."""
        return pj.train(
            made.net,
            loader,
            made.optimizer,
            scheduler=made.scheduler,
            criterion=nn.CrossEntropyLoss(),
            readout=pj.readout.mean,
            inputs="events",
            **{"chip": self.chip} | options,
        )

    def floor_pj(self, loader) -> float:
        """Input events times the 16 synapses of each, at 0.9 pJ."""
        events = sum(float(x.sum()) for x, _, _ in loader)
        return 0.9 * 16 * events / len(loader.dataset)


@pytest.fixture
def task() -> Task:
    """See ``Task``."""
    source = torch.Generator().manual_seed(7)
    samples = []
    for index in range(64):
        label = index % CLASSES
        rate = torch.full((STEPS, FEATURES), 0.05)
        rate[:, label * 4 : label * 4 + 4] = 0.4
        samples.append(((torch.rand(rate.shape, generator=source) < rate).float(), label))
    return Task(samples, pj.load_chip("45nm"))


@pytest.fixture
def energy() -> Callable[..., Energy]:
    """Makes an energy of a total and a floor."""

    def make(total, floor=0.0):
        total = torch.as_tensor(total, dtype=torch.float64)
        return Energy(total, torch.tensor(floor, dtype=torch.float64), total, total)

    return make

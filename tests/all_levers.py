"""THE list of networks that levers change: the contract tests of all levers run over it.

A new lever is one class in ``picojoule.training.levers`` and one line here.
"""

from collections.abc import Callable

import torch
from torch import nn

import picojoule as pj

INPUTS, CLASSES = 6, 3


def _keyword() -> pj.Sequential:
    return pj.network("keyword", inputs=(INPUTS,), classes=CLASSES, width=9)


def _shared() -> pj.Sequential:
    """Neurons that share their constants, which only a lever gives each of their own."""
    hidden = pj.Recurrent(pj.LIF(threshold=0.5), 8)
    return pj.Sequential(nn.Linear(INPUTS, 8), hidden, nn.Linear(8, CLASSES), pj.LI())


def _mixed() -> pj.Sequential:
    """Mixtures that choose, recurrent and not."""
    torch.manual_seed(0)
    layers = [pj.Mixture({"lif": 0.5, "brf": 0.5}, 8, learned=True, dt=1e-2) for _ in range(2)]
    first, second = pj.Recurrent(layers[0], 8), layers[1]
    return pj.Sequential(
        nn.Linear(INPUTS, 8), first, nn.Linear(8, 8), second, nn.Linear(8, CLASSES), pj.LI()
    )


# name of the lever: what makes a network that it has a place in
LEVERS: dict[str, Callable[[], pj.Sequential]] = {
    "Gates": _keyword,
    "Kinds": _mixed,
    "Steps": _keyword,
    "Thresholds": _shared,
    "Weights": _keyword,
}


def events(steps: int = 7, batch: int = 4) -> torch.Tensor:
    """Events [T, B, INPUTS]."""
    source = torch.Generator().manual_seed(1)
    return (torch.rand(steps, batch, INPUTS, generator=source) < 0.5).float()

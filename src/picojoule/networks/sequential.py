"""Containers through time."""

from typing import Any

import torch
from torch import Tensor, nn

from picojoule.neurons import Neuron


class Repeat(nn.Module):
    """One step before, ``steps`` after: a static image passes the layers before it once.

    Args:
        steps: Number of steps to go on with.

    Shape:
        [1, B, ...] to [steps, B, ...].
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"Repeat needs at least one step, got {steps}")
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """[1, B, ...] to [steps, B, ...], without a copy."""
        if x.shape[0] != 1:
            raise ValueError(
                f"Repeat takes one step and got {x.shape[0]}: give the network x[1, B, ...], or "
                "leave Repeat out for inputs that have their own steps"
            )
        return x.expand(self.steps, *x.shape[1:])

    def extra_repr(self) -> str:
        """The steps, for ``repr``."""
        return str(self.steps)


class Sequential(nn.Sequential):
    """Layers in a row: torch layers see all steps at once [T*B, ...], neurons see time.

    Example:
        >>> from picojoule.neurons import LI, LIF
        >>> net = Sequential(nn.Linear(4, 3), LIF(), nn.Linear(3, 2), LI())
        >>> out, state = net(torch.rand(5, 1, 4))
        >>> out.shape
        torch.Size([5, 1, 2])
    """

    def forward(
        self, x: Tensor, state: tuple[Any, ...] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Runs all steps.

        Args:
            x: [T, B, ...].
            state: What an earlier call gave back, to go on from there.
            lengths: Steps of each sequence [B]; what comes after them is zero.

        Returns:
            Output [T, B, ...] and the state of each layer (None where it has none).

        Raises:
            ValueError: A state for another number of layers, lengths of another batch, or lengths
                together with ``Repeat``.
        """
        if state is not None and len(state) != len(self):
            raise ValueError(f"the state is of {len(state)} layers, the network has {len(self)}")
        if x.dim() < 3:
            raise ValueError(
                f"expected x [T, B, ...] with at least one axis of features, got {list(x.shape)}"
            )
        mask = None if lengths is None else _mask(x, lengths)
        x = _masked(x, mask)
        states: list[Any] = []
        for index, layer in enumerate(self):
            before = None if state is None else state[index]
            if isinstance(layer, Sequential):
                x, last = layer(x, before, lengths)
            elif isinstance(layer, Neuron):
                x, last = layer(x, before)
                x = _masked(x, mask)
            elif isinstance(layer, Repeat):
                if mask is not None:
                    raise ValueError("lengths are for sequences; a Repeat layer starts from images")
                x, last = layer(x), None
            else:
                x, last = _all_steps(layer, x), None
            states.append(last)
        return _masked(x, mask), tuple(states)


def _all_steps(layer: nn.Module, x: Tensor) -> Tensor:
    """A torch layer on all steps at once."""
    if any(isinstance(part, Neuron) for part in layer.modules()):
        raise TypeError(
            f"{type(layer).__name__} holds neurons and would take all steps at once: put them in a "
            "picojoule Sequential"
        )
    return layer(x.flatten(0, 1)).unflatten(0, x.shape[:2])


def _mask(x: Tensor, lengths: Tensor) -> Tensor:
    """Which steps [T, B] of ``x`` lie within each sequence."""
    if lengths.shape != x.shape[1:2]:
        raise ValueError(
            f"lengths must be [B] = [{x.shape[1]}] for x [T, B, ...], got {list(lengths.shape)}"
        )
    steps = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    return steps < lengths.to(x.device)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask.view(*mask.shape, *[1] * (x.dim() - 2))

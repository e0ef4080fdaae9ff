"""Torch layers on all steps at once, and the way that each goes."""

from contextlib import ExitStack

import torch
from torch import Tensor, nn

from picojoule._types import told_of_types
from picojoule.kernels import EventProducts, limit_for
from picojoule.networks.statistics import ValidStatistics
from picojoule.neurons import Neuron


def all_steps(layer: nn.Module, x: Tensor, valid: Tensor | None) -> Tensor:
    """Runs a torch layer on all steps at once; by events if they are few and the layer allows.

    Args:
        layer: Any layer without neurons.
        x: Input [T, B, ...].
        valid: Which steps [T, B] norms take their statistics over; None for all.

    Raises:
        TypeError: If it holds neurons, a norm that cannot leave steps out, or weights of another
            type than the input.
    """
    for part in layer.modules():
        if isinstance(part, Neuron):
            raise TypeError(
                f"{type(layer).__name__} holds neurons and would take all steps at once: put them "
                "in a picojoule Sequential"
            )
        if valid is not None and isinstance(part, nn.SyncBatchNorm) and part.training:
            raise TypeError(
                "SyncBatchNorm takes what comes after the ends of sequences for a part of them: "
                "give the network BatchNorm1d, 2d or 3d, or sequences of one length"
            )
    whole = _is(nn.Linear, layer)  # takes any number of axes
    rows = x if whole else x.flatten(0, 1)
    with ExitStack() as ways:
        if _may_be_sparse(layer, rows):
            ways.enter_context(EventProducts())
        if valid is not None and not whole:  # which may hold a norm
            ways.enter_context(ValidStatistics(valid))
        ways.enter_context(told_of_types(layer, rows))
        out = layer(rows)
    return out if whole else out.unflatten(0, x.shape[:2])


def _may_be_sparse(layer: nn.Module, rows: Tensor) -> bool:
    """Tells whether the layer or its gradient could go by events, if few values are nonzero.

    The product itself looks at how many are.
    """
    if not rows.is_cpu or torch.compiler.is_compiling():
        return False
    if not (isinstance(layer, nn.Linear) and _is(nn.Linear, layer)):
        return _is(nn.Conv2d, layer)
    outputs, inputs = layer.out_features, layer.in_features
    many = rows.shape[:-1].numel()
    return any(limit_for(many, inputs, outputs, gradient=one) for one in (False, True))


def _is(kind: type[nn.Module], layer: nn.Module) -> bool:
    """Tells whether a layer runs as one of torch's kinds does, its weight parametrized or not."""
    return isinstance(layer, kind) and type(layer).forward is kind.forward

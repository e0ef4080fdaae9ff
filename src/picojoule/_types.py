"""The message for an input of another type than the weights it meets."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


@contextmanager
def told_of_types(module: nn.Module, x: Tensor) -> Iterator[None]:
    """Says what to do if a module fails on an input of another type than its weights.

    Args:
        module: The module that runs in the block.
        x: Its input.

    Raises:
        TypeError: In place of torch's own error, which names neither.
    """
    try:
        yield
    except RuntimeError as error:
        types = {one.dtype for one in module.parameters() if one.is_floating_point()}
        if not types or x.dtype in types:
            raise
        own = types.pop()
        raise TypeError(
            f"a {type(module).__name__} with weights of {own} got an input of {x.dtype}: "
            f"{as_numbers(x, own)}"
        ) from error


def as_numbers(x: Tensor, own: torch.dtype = torch.float32) -> str:
    """Words how to make numbers of the type ``own`` of an input."""
    if x.is_complex():
        return "give real numbers, such as its magnitude, x.abs(), or two channels of real numbers"
    give = "give x.float()" if own == torch.float32 else f"give x.to({own})"
    other = f", or bring the network to its type, net.to({x.dtype})"
    return give + other * x.is_floating_point()

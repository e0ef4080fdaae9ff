"""What competes in ``benchmarks/neurons.py``: ours and the best that others have."""

import importlib.util
from collections.abc import Callable
from typing import NamedTuple

from torch import Tensor, nn


class Contender(NamedTuple):
    """One way to do a workload.

    Attributes:
        net: What learns, None where nothing does.
        run: From the input to what the loss is taken of, and to the hidden spikes.
        scale: The parameter that sets how many spikes there are; None where density is given.
    """

    net: nn.Module | None
    run: Callable[[Tensor], tuple[Tensor, Tensor]]
    scale: Tensor | None = None


def there(*packages: str) -> bool:
    """Whether these are installed."""
    return all(importlib.util.find_spec(name) for name in packages)

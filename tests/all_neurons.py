"""THE list of neurons: every contract test in ``tests/neurons`` runs over it.

A new neuron is one class in ``picojoule.neurons`` and one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from picojoule.neurons import LI, LIF, Neuron, Recurrent

SIZE = 5  # neurons (or channels) of a layer under test


@dataclass(frozen=True)
class NeuronCase:
    """One neuron to test.

    Attributes:
        name: Of the test case.
        make: Makes a layer of ``SIZE`` neurons; ``size=SIZE`` gives each parameters of its own.
        shared: Whether it can be made without a size.
        spatial: Whether it takes more axes after the first, [T, B, SIZE, ...].
    """

    name: str
    make: Callable[..., Neuron]
    shared: bool = True
    spatial: bool = True


def _recurrent(size: int | None = None, **options: object) -> Recurrent:
    return Recurrent(LIF(size, **options), SIZE)  # type: ignore[arg-type]


NEURONS = [
    NeuronCase("LIF", LIF),
    NeuronCase("LIF, reset by subtraction", partial(LIF, reset="subtract")),
    NeuronCase("LIF, reset in the graph", partial(LIF, detach_reset=False)),
    NeuronCase("LIF, subtraction in the graph", partial(LIF, reset="subtract", detach_reset=False)),
    NeuronCase("LI", LI),
    NeuronCase("Recurrent", _recurrent, spatial=False),
]

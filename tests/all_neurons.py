"""THE list of neurons: every contract test in ``tests/neurons`` runs over it.

A new neuron is one class in ``picojoule.neurons`` and one line here.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from picojoule.neurons import (
    ALIF,
    BRF,
    HRF,
    IF,
    LI,
    LIF,
    LNM,
    PLIF,
    RF,
    AdLIF,
    Barrier,
    CubaLIF,
    Mixture,
    MultiLevelIF,
    Neuron,
    Recurrent,
)

SIZE = 5  # neurons (or channels) of a layer under test


@dataclass(frozen=True)
class NeuronCase:
    """One neuron to test.

    Attributes:
        name: Of the test case.
        make: Makes a layer of ``SIZE`` neurons; ``size=SIZE`` gives each parameters of its own.
        shared: Whether it can be made without a size.
        spatial: Whether it takes more axes after the first, [T, B, SIZE, ...].
        mixed: Whether it holds several kinds, each with the state of its own neurons.
        chooses: Whether training can do without some of its neurons.
        learns: Names of the parameters that learn without being asked to.
    """

    name: str
    make: Callable[..., Neuron]
    shared: bool = True
    spatial: bool = True
    mixed: bool = False
    chooses: bool = False
    learns: tuple[str, ...] = ("weight",)


def _recurrent(size: int | None = None, **options: object) -> Recurrent:
    return Recurrent(LIF(size, **options), SIZE)  # type: ignore[arg-type]


def _mixture(size: int | None = None, **options: object) -> Mixture:
    return Mixture({"lif": 3, "alif": 1, "if": 1}, size, **options)  # type: ignore[arg-type]


def _recurrent_mixture(size: int | None = None, **options: object) -> Recurrent:
    return Recurrent(_mixture(size, **options), SIZE)


NEURONS = [
    NeuronCase("LIF", LIF),
    NeuronCase("LIF, reset by subtraction", partial(LIF, reset="subtract")),
    NeuronCase("LIF, reset in the graph", partial(LIF, detach_reset=False)),
    NeuronCase("LIF, subtraction in the graph", partial(LIF, reset="subtract", detach_reset=False)),
    NeuronCase("LI", LI),
    NeuronCase("IF", IF),
    NeuronCase("IF, subtraction in the graph", partial(IF, reset="subtract", detach_reset=False)),
    NeuronCase("PLIF", partial(PLIF, threshold=0.4), learns=("raw",)),
    NeuronCase(
        "PLIF, reset in the graph",
        partial(PLIF, threshold=0.4, detach_reset=False),
        learns=("raw",),
    ),
    NeuronCase("CubaLIF", CubaLIF),
    NeuronCase("CubaLIF, reset by subtraction", partial(CubaLIF, reset="subtract")),
    NeuronCase("ALIF", partial(ALIF, tau=5e-3)),
    NeuronCase("AdLIF", partial(AdLIF, tau=(1e-3, 4e-3), threshold=0.3), shared=False),
    NeuronCase(
        "AdLIF, forward Euler",
        partial(AdLIF, tau=(1e-3, 4e-3), threshold=0.3, integration="euler"),
        shared=False,
    ),
    NeuronCase("RF", partial(RF, omega=500.0)),
    NeuronCase("RF, forward Euler", partial(RF, omega=500.0, b=-200.0, integration="euler")),
    NeuronCase("BRF", partial(BRF, omega=(5.0, 9.0), dt=0.1, threshold=0.05), shared=False),
    NeuronCase("BRF, with a gain", partial(BRF, gain=100.0), shared=False),
    NeuronCase("HRF", partial(HRF, omega=(1.0, 5.0), dt=0.1, threshold=0.05), shared=False),
    NeuronCase("MultiLevelIF", MultiLevelIF),
    NeuronCase("MultiLevelIF, surrogate", partial(MultiLevelIF, levels=3, backward="surrogate")),
    NeuronCase("MultiLevelIF, reset in the graph", partial(MultiLevelIF, detach_reset=False)),
    NeuronCase("Barrier", Barrier),
    NeuronCase("LNM", LNM, learns=("0", "1", "2", "3")),
    NeuronCase("LNM, bounded", partial(LNM, degree=2, slope=0.5), learns=("0", "1", "2")),
    NeuronCase("LNM, not clamped", partial(LNM, clamp=None), learns=("0", "1", "2", "3")),
    NeuronCase("Mixture", _mixture, shared=False, mixed=True),
    NeuronCase(
        "Mixture, learned",
        partial(_mixture, learned=True),
        shared=False,
        chooses=True,
        learns=("lif", "alif", "if", "off"),
    ),
    NeuronCase("Recurrent", _recurrent, spatial=False),
    NeuronCase("Recurrent mixture", _recurrent_mixture, shared=False, spatial=False, mixed=True),
    NeuronCase(
        "Recurrent mixture, learned",
        partial(_recurrent_mixture, learned=True),
        shared=False,
        chooses=True,
        spatial=False,
        learns=("weight", "lif", "alif", "if", "off"),
    ),
]

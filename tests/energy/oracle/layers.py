"""The layers that a network may be described with: plain data, weights as arrays."""

from dataclasses import dataclass

import numpy as np

Array = np.ndarray
DT = 1e-3


@dataclass(frozen=True)
class Linear:
    """Weight [out, in]; acts on the last axis."""

    weight: Array
    bias: Array | None = None


@dataclass(frozen=True)
class Convolution:
    """Weight [out, in / groups, *kernel]; padding per axis, or ``"same"``."""

    weight: Array
    bias: Array | None = None
    stride: tuple[int, ...] = ()
    padding: tuple[int, ...] | str = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    mode: str = "zeros"


@dataclass(frozen=True)
class Transposed:
    """Weight [in, out / groups, *kernel]."""

    weight: Array
    bias: Array | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    output_padding: tuple[int, ...]
    dilation: tuple[int, ...]
    groups: int = 1


@dataclass(frozen=True)
class Pool:
    """Average pooling, or the largest; ``divisor`` 1 makes sums."""

    largest: bool
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    ceil: bool = False
    count_padding: bool = True
    divisor: int | None = None


@dataclass(frozen=True)
class Adaptive:
    """Average or largest pooling to a size."""

    largest: bool
    size: tuple[int, ...]


@dataclass(frozen=True)
class Norm:
    """Batch norm at inference, over the first axis of a sample; each array [C]."""

    mean: Array
    variance: Array
    weight: Array
    bias: Array
    epsilon: float = 1e-5


@dataclass(frozen=True)
class Fire:
    """Leaky integrate-and-fire neurons."""

    tau: float
    threshold: float
    reset: str = "zero"


@dataclass(frozen=True)
class Leak:
    """Leaky integrators that put out their membrane."""

    tau: float


@dataclass(frozen=True)
class Recurrent:
    """Neurons that also receive their own last outputs; weight [N, N]."""

    neuron: Fire | Leak
    weight: Array


@dataclass(frozen=True)
class Flatten:
    """All axes of a sample become one."""


@dataclass(frozen=True)
class Scale:
    """Times a constant."""

    factor: float


@dataclass(frozen=True)
class Clip:
    """Nothing below zero, and nothing above ``high`` if there is one."""

    high: float | None


@dataclass(frozen=True)
class Complement:
    """One minus what arrives."""


@dataclass(frozen=True)
class Change:
    """Whole numbers made of numbers of events: whether there are any, half of them, or the rest.

    That is ``"any"``, ``"half"`` (rounded down) and ``"odd"`` (of a division by two).
    """

    how: str


@dataclass(frozen=True)
class Upsample:
    """Each value ``factor`` times along each axis of space."""

    factor: int


@dataclass(frozen=True)
class Repeat:
    """One step before, ``steps`` after."""

    steps: int


@dataclass(frozen=True)
class Branch:
    """What arrives, and what a branch makes of it: added, subtracted or side by side.

    Or the ``"larger"`` of both at each place, or whether they are ``"unlike"``.
    """

    how: str
    layers: "tuple[Layer, ...]"


Layer = (
    Linear
    | Convolution
    | Transposed
    | Pool
    | Adaptive
    | Norm
    | Fire
    | Leak
    | Recurrent
    | Flatten
    | Scale
    | Clip
    | Complement
    | Change
    | Upsample
    | Repeat
    | Branch
)

"""Spike functions: a Heaviside step forward, a named derivative backward.

Every surrogate spikes where ``v >= 0`` (``v`` is the membrane minus its threshold) and differs only
in ``derivative``, which stands in for the Dirac delta in the backward pass.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from picojoule._names import unknown
from picojoule._torch import transformed


class _Spike(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, v: Tensor, shape: "Surrogate") -> Tensor:
        ctx.save_for_backward(v)
        ctx.shape = shape
        return (v >= 0).to(v.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (v,) = ctx.saved_tensors
        return gradients[0] * ctx.shape.derivative(v), None


class _TransformedSpike(torch.autograd.Function):
    """Same function in the form that ``torch.func`` requires, which takes longer to call."""

    generate_vmap_rule = True

    @staticmethod
    def forward(v: Tensor, shape: "Surrogate") -> Tensor:
        del shape
        return (v >= 0).to(v.dtype)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, "Surrogate"], output: Tensor) -> None:
        del output
        v, ctx.shape = inputs
        ctx.save_for_backward(v)
        ctx.save_for_forward(v)

    backward = _Spike.backward

    @staticmethod
    def jvp(ctx: Any, *tangents: Tensor) -> Tensor:
        (v,) = ctx.saved_tensors
        return tangents[0] * ctx.shape.derivative(v)


@dataclass(frozen=True)
class Surrogate(ABC):
    """Spike function: 1 if v >= 0, else 0, with a derivative of its own.

    Args:
        alpha: Sharpness of the derivative, above 0.

    Raises:
        ValueError: If ``alpha`` is not positive and finite.

    Example:
        >>> ATan()(torch.tensor([-0.1, 0.0, 0.2]))
        tensor([0., 1., 1.])
    """

    alpha: float = 1.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.alpha) and self.alpha > 0):
            raise ValueError(f"alpha must be a positive number, not {self.alpha}")

    def __call__(self, v: Tensor) -> Tensor:
        """Returns spikes: 1 if ``v >= 0``, else 0, in the dtype of ``v``."""
        kind = _TransformedSpike if transformed() else _Spike
        return kind.apply(v, self)  # pyright: ignore[reportReturnType]

    @abstractmethod
    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v`` that the backward pass uses."""


@dataclass(frozen=True)
class ATan(Surrogate):
    """Arctangent: alpha / 2 / (1 + (pi / 2 * alpha * v)^2).

    Reference:
        Fang et al., Incorporating Learnable Membrane Time Constant to Enhance Learning of Spiking
        Neural Networks, ICCV 2021.
    """

    alpha: float = 2.0

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        x = v * (math.pi / 2 * self.alpha)
        return x.square_().add_(1).reciprocal_().mul_(self.alpha / 2)


@dataclass(frozen=True)
class Sigmoid(Surrogate):
    """Sigmoid: alpha * s * (1 - s) with s = sigmoid(alpha * v)."""

    alpha: float = 4.0

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        s = torch.sigmoid(self.alpha * v)
        return self.alpha * s * (1 - s)


@dataclass(frozen=True)
class FastSigmoid(Surrogate):
    """Fast sigmoid: 1 / (1 + alpha |v|)^2, the slope of v / (1 + alpha |v|)."""

    alpha: float = 25.0

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return (1 + self.alpha * v.abs()).square().reciprocal()


@dataclass(frozen=True)
class SuperSpike(Surrogate):
    """SuperSpike: alpha / (1 + alpha |v|)^2, a fast sigmoid with slope alpha at the threshold.

    Reference:
        Zenke and Ganguli, Neural Computation 30(6), 2018 (there without the leading alpha).
    """

    alpha: float = 10.0

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return self.alpha * (1 + self.alpha * v.abs()).square().reciprocal()


@dataclass(frozen=True)
class Triangle(Surrogate):
    """Triangle of unit area: alpha * max(0, 1 - alpha |v|)."""

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return self.alpha * (1 - self.alpha * v.abs()).clamp(min=0)


@dataclass(frozen=True)
class Rectangle(Surrogate):
    """Rectangle of unit area: alpha if |v| <= 1 / (2 alpha), else 0."""

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return self.alpha * (v.abs() <= 0.5 / self.alpha).to(v.dtype)


@dataclass(frozen=True)
class Gaussian(Surrogate):
    """Gaussian: the normal density of standard deviation 1 / alpha."""

    alpha: float = 2.0

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return _normal(self.alpha * v, 1.0) * self.alpha


@dataclass(frozen=True)
class DoubleGaussian(Surrogate):
    """Double Gaussian: alpha / 2 * (1.15 N(alpha v; 0.5) - 0.30 N(alpha v; 3)).

    N(x; s) is the normal density of standard deviation s.

    Reference:
        Yin et al., Nature Machine Intelligence 3, 2021; scaled by 1/2 as for the balanced
        resonate-and-fire neuron (Higuchi et al., ICML 2024).
    """

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        x = self.alpha * v
        return self.alpha / 2 * (1.15 * _normal(x, 0.5) - 0.30 * _normal(x, 3.0))


@dataclass(frozen=True)
class Slayer(Surrogate):
    """SLAYER: scale * alpha / 2 * exp(-alpha |v|).

    Args:
        alpha: Sharpness of the derivative, above 0.
        scale: Factor, above 0; 0.4 as for the adaptive neurons of Baronig et al., 2025.

    Raises:
        ValueError: If ``alpha`` or ``scale`` is not positive and finite.

    Reference:
        Shrestha and Orchard, SLAYER: Spike Layer Error Reassignment in Time, NeurIPS 2018; Baronig
        et al., Nature Communications 16, 2025.
    """

    alpha: float = 5.0
    scale: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be a positive number, not {self.scale}")

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return self.scale * self.alpha / 2 * torch.exp(-self.alpha * v.abs())


@dataclass(frozen=True)
class STE(Surrogate):
    """Straight-through estimator: alpha everywhere."""

    def derivative(self, v: Tensor) -> Tensor:
        """Computes the derivative at ``v``."""
        return torch.full_like(v, self.alpha)


def _normal(x: Tensor, std: float) -> Tensor:
    return torch.exp(-(x / std).square() / 2) / (std * math.sqrt(2 * math.pi))


SURROGATES: dict[str, type[Surrogate]] = {
    "atan": ATan,
    "sigmoid": Sigmoid,
    "fast_sigmoid": FastSigmoid,
    "superspike": SuperSpike,
    "triangle": Triangle,
    "rectangle": Rectangle,
    "gaussian": Gaussian,
    "double_gaussian": DoubleGaussian,
    "slayer": Slayer,
    "ste": STE,
}


def spike_function(shape: str | Surrogate) -> Surrogate:
    """Returns the surrogate of a lower-case name, with its default ``alpha``.

    Args:
        shape: A name in ``SURROGATES``, or a surrogate, which is returned as it is.

    Raises:
        ValueError: If no surrogate has that name; the message names the nearest.
        TypeError: If it is neither a surrogate nor a name.
    """
    if isinstance(shape, Surrogate):
        return shape
    if not isinstance(shape, str):
        raise TypeError(f"expected a surrogate or its name, got {shape!r}: did you mean a call?")
    if shape not in SURROGATES:
        raise ValueError(unknown("surrogate", shape, SURROGATES))
    return SURROGATES[shape]()

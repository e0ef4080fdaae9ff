"""Spike functions: an exact step forward, a named derivative backward."""

import math

import pytest
import torch

from picojoule.surrogate import STE, SURROGATES, ATan, Slayer, Surrogate, spike_function

every = pytest.mark.parametrize("name", SURROGATES)


def normal(x, std):
    return math.exp(-((x / std) ** 2) / 2) / (std * math.sqrt(2 * math.pi))


# By name: the derivative at v for alpha a, as published, and the area below it.
FORMULAS = {
    "atan": (lambda v, a: a / 2 / (1 + (math.pi / 2 * a * v) ** 2), lambda a: 1),
    "sigmoid": (lambda v, a: a * math.exp(-a * v) / (1 + math.exp(-a * v)) ** 2, lambda a: 1),
    "fast_sigmoid": (lambda v, a: 1 / (1 + a * abs(v)) ** 2, lambda a: 2 / a),
    "superspike": (lambda v, a: a / (1 + a * abs(v)) ** 2, lambda a: 2),
    "triangle": (lambda v, a: a * max(0, 1 - a * abs(v)), lambda a: 1),
    "rectangle": (lambda v, a: a if abs(v) <= 1 / (2 * a) else 0, lambda a: 1),
    "gaussian": (lambda v, a: normal(v, 1 / a), lambda a: 1),
    "double_gaussian": (
        lambda v, a: a / 2 * (1.15 * normal(a * v, 0.5) - 0.30 * normal(a * v, 3.0)),
        lambda a: 0.425,
    ),
    "slayer": (lambda v, a: 0.4 * a / 2 * math.exp(-a * abs(v)), lambda a: 0.4),
    "ste": (lambda v, a: a, None),
}


def test_every_name_has_a_formula():
    assert FORMULAS.keys() == SURROGATES.keys()


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_forward_is_the_step(name, dtype):
    tiny = torch.finfo(dtype).tiny
    v = torch.tensor([-torch.inf, -3, -tiny, -0.0, 0.0, tiny, 2, torch.inf], dtype=dtype)
    spikes = SURROGATES[name]()(v)
    assert spikes.tolist() == [0, 0, 0, 1, 1, 1, 1, 1]
    assert spikes.dtype == dtype


@every
@pytest.mark.parametrize("alpha", [None, 0.5, 3.0])
def test_derivative_is_the_closed_form(name, alpha):
    shape = SURROGATES[name]() if alpha is None else SURROGATES[name](alpha=alpha)
    values = [-2.0, -0.31, -0.02, 0.0, 0.1, 0.7, 5.0]
    expected = [FORMULAS[name][0](v, shape.alpha) for v in values]
    v = torch.tensor(values, dtype=torch.float64, requires_grad=True)
    assert shape.derivative(v.detach()).tolist() == pytest.approx(expected, rel=1e-7, abs=1e-300)
    (shape(v) * 3.0).sum().backward()
    assert v.grad.tolist() == pytest.approx([3 * d for d in expected], rel=1e-7, abs=1e-300)


@every
def test_area_below_the_derivative(name):
    area = FORMULAS[name][1]
    if area is None:
        pytest.skip("constant")
    shape = SURROGATES[name]()
    # v = tan(u) maps the line onto an interval, so that long tails count.
    u = torch.linspace(-math.pi / 2, math.pi / 2, 400_003, dtype=torch.float64)[1:-1]
    values = shape.derivative(torch.tan(u)) / torch.cos(u).square()
    assert torch.trapezoid(values, u).item() == pytest.approx(area(shape.alpha), rel=1e-4)


@every
def test_derivative_is_even_and_largest_at_the_threshold(name):
    shape = SURROGATES[name]()
    v = torch.linspace(0, 4, 101)
    assert torch.allclose(shape.derivative(v), shape.derivative(-v), rtol=0, atol=1e-6)
    assert shape.derivative(v).argmax() == 0


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_derivative_is_finite_for_every_membrane(name, dtype):
    largest = torch.finfo(dtype).max
    v = torch.tensor([torch.inf, -torch.inf, largest, -largest, 1e4, 0], dtype=dtype)
    v.requires_grad_()
    SURROGATES[name]()(v).sum().backward()
    assert torch.isfinite(v.grad).all()
    if name != "ste":
        assert not v.grad[:2].any()


@every
def test_a_membrane_that_is_not_a_number_does_not_fire(name):
    assert SURROGATES[name]()(torch.tensor([torch.nan])).item() == 0


@every
def test_leaves_its_argument_alone(name):
    v = torch.linspace(-1, 1, 9, requires_grad=True)
    kept = v.detach().clone()
    SURROGATES[name]()(v).sum().backward()
    SURROGATES[name]().derivative(v.detach())
    assert torch.equal(v.detach(), kept)


@every
def test_names_are_values(name):
    kind = SURROGATES[name]
    assert spike_function(name) == kind() == kind()
    assert spike_function(kind(alpha=3.0)) == kind(alpha=3.0) != kind()
    assert hash(kind()) == hash(kind())
    with pytest.raises(AttributeError):
        kind().alpha = 2.0


@pytest.mark.parametrize(
    ("name", "nearest"), [("atn", "atan"), ("fastsigmoid", "fast_sigmoid"), ("ATan", "atan")]
)
def test_unknown_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"unknown surrogate '{name}': did you mean '{nearest}'"):
        spike_function(name)


@pytest.mark.parametrize("alpha", [0, -1.0, math.nan, math.inf])
def test_alpha_must_be_positive(alpha):
    with pytest.raises(ValueError, match="alpha must be a positive number"):
        ATan(alpha=alpha)


@pytest.mark.parametrize("scale", [0, -1.0, math.nan])
def test_scale_must_be_positive(scale):
    with pytest.raises(ValueError, match="scale must be a positive number"):
        Slayer(scale=scale)


def test_a_surrogate_is_abstract_without_a_derivative():
    with pytest.raises(TypeError, match="abstract"):
        Surrogate()


def test_straight_through_passes_the_gradient_on():
    v = torch.randn(5, requires_grad=True)
    STE()(v).sum().backward()
    assert torch.equal(v.grad, torch.ones(5))


@every
def test_transforms_give_each_sample_s_own_gradient(name):
    spike, v = SURROGATES[name](), torch.randn(3, 5, dtype=torch.float64)

    def loss(v):
        return (spike(v) * torch.arange(1, 6)).sum()

    expected = v.clone().requires_grad_()
    loss(expected).backward()
    torch.testing.assert_close(torch.func.grad(loss)(v), expected.grad)
    torch.testing.assert_close(torch.func.vmap(torch.func.grad(loss))(v), expected.grad)
    assert torch.equal(torch.func.vmap(spike)(v), spike(v))
    tangent = torch.randn(3, 5, dtype=torch.float64)
    spikes, found = torch.func.jvp(spike, (v,), (tangent,))
    assert torch.equal(spikes, spike(v))
    torch.testing.assert_close(found, tangent * spike.derivative(v.clone()))

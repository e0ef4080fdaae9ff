"""Every pointwise operation that loops know, against torch's own."""

from functools import cache

import pytest
import torch

from engine_cases import Apply
from picojoule.engine.scan import scan
from picojoule.kernels import cc
from picojoule.neurons import Neuron, NeuronCost

pytestmark = pytest.mark.skipif(cc.tier() == "off", reason="no kernels run here")


EXACT = {
    "sums": lambda x, y: 1 - x + y * 2 - 3,
    "scaled sums": lambda x, y: torch.sub(torch.add(x, y, alpha=0.3), y, alpha=1.7),
    "products": lambda x, y: x * y / 3 + y / (x + 7),
    "addcmul": lambda x, y: torch.addcmul(x, x, y, value=0.7) + torch.addcmul(y, x, x),
    "addcdiv": lambda x, y: torch.addcdiv(x, y, y.square() + 1, value=2.0),
    "powers": lambda x, y: x**2 + y**3 + (x * x) ** 0.5 + (y**2 + 1) ** -1 + (x**2 + 2) ** -2,
    "shares": lambda x, y: torch.reciprocal(y * y + 1) + x,
    "rounding": lambda x, y: x.floor() + (y * 3).ceil() + (x * 5).round() + (y * 4).trunc(),
    "halves are rounded to even": lambda x, y: ((x * 4).round() / 2).round(),
    "signs": lambda x, y: x.sign() + y.sgn() * 2 + (-x).abs(),
    "clamps": lambda x, y: x.clamp(-0.5, 0.7) + y.clamp(min=0.1) - x.clamp(max=0.2),
    "clamps to both sides alike": lambda x, y: x.clamp(-0.5, 0.5) - (y * 9).clamp(-2, 2),
    "extremes": lambda x, y: torch.maximum(x, y) * 2 + torch.minimum(x, y) + x.relu(),
    "choice": lambda x, y: torch.where(x > y, x, 0.0) + torch.where(y <= 0.2, 1.0, y),
    "masks": lambda x, y: x.masked_fill(y > 0, 2.0) + (x >= 0).to(x.dtype) + (x != y).to(x),
    "logic": lambda x, y: (
        ((x > 0) & (y > 0)).to(x) + ((x > 0) | ~(y < 0)).to(x) * 2 + ((x > 1) ^ (y > 1)).to(x) * 4
    ),
    "choice of truth": lambda x, y: torch.where(x > 0, y > 0, y > 1).to(x),
    "made": lambda x, y: torch.zeros_like(x) + torch.ones_like(y) + x.new_full(x.shape, 2) + y,
    "in place": lambda x, y: (x * 2).add_(y).mul_(3).clamp_(min=0).sub_(1),
    "a view of what changes in place": lambda x, y: (z := x + y, z.detach().mul_(2), z)[2],
    "infinite": lambda x, y: (x / (y * 0)).nan_to_num(1.0, 2.0, -2.0) + (x / 0).isinf(),
    "no number": lambda x, y: ((x * 0 / 0).isnan() & (x / 0).isfinite().logical_not()).to(x),
    "no number in clamps": lambda x, y: (
        torch.where(x > 0.3, (x * 0 / 0).clamp(-1, 1), torch.maximum(y, x * 0 / 0)).isnan().to(x)
    ),
    "sizes": lambda x, y: x * x.shape[1] + y * x.dim(),
}
CLOSE = {  # where torch's own is a library's, to the last digit or so
    "roots": lambda x, y: torch.sqrt(x.abs() + 0.01) + torch.rsqrt(y * y + 1),
    "exp": lambda x, y: torch.exp(x * 3) + torch.log(y.abs() + 1),
    "sigmoid": lambda x, y: torch.sigmoid(x * 9) + y.tanh(),
    "waves": lambda x, y: x.sin() + y.cos() + x.atan(),
    "erf": lambda x, y: torch.erf(x) + y,
    "rsqrt": lambda x, y: torch.rsqrt(x.abs() + 1) + y,
    "other powers": lambda x, y: x.abs() ** 1.5 + (y.abs() + 0.1) ** -0.3,
    "powers of both": lambda x, y: torch.pow(x.abs() + 0.5, y) + torch.pow(2.0, y),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3) + torch.lerp(x, y, 0.8),
    "softplus": lambda x, y: torch.log(1 + torch.exp(x)) * y,
}
FUNCTIONS = EXACT | CLOSE
# Their gradients are infinite or no numbers, which one loop would spread to those of others.
ALONE = ("powers", "infinite", "no number", "no number in clamps")


class All(Neuron):
    """Functions of the current and of the last current side by side, in one loop."""

    output = "analog"
    cost = NeuronCost(adds=1)
    dt = 1e-3

    def __init__(self, functions):
        super().__init__()
        self.functions = tuple(functions)

    def init_state(self, current):
        return tuple(torch.full_like(current, 0.5) for _ in range(1 + len(self.functions)))

    def step(self, current, state):
        return current, (current, *(one(current, state[0]) for one in self.functions))


def both(name, dtype):
    """What a function gives in both engines, and its gradients of the currents."""
    names = (name,) if name in ALONE else tuple(one for one in FUNCTIONS if one not in ALONE)
    return ran(names, dtype)[name]


@cache
def ran(names, dtype):
    functions = {name: FUNCTIONS[name] for name in names}
    neuron, x = All(functions.values()), torch.randn(2, 12, 37, dtype=dtype)
    x[1, 0, :3] = torch.tensor([0.0, 1.0, -1.0])
    found = {name: [] for name in functions}
    for engine in ("eager", "fused"):
        x = x.detach().requires_grad_()
        _, (_, *given) = scan(neuron, x, engine=engine)
        for name, one in zip(functions, given, strict=True):
            grad = None
            if one.requires_grad:
                (grad,) = torch.autograd.grad(one.sum(), x, allow_unused=True, retain_graph=True)
            found[name].append((one.detach(), torch.zeros_like(x) if grad is None else grad))
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EXACT)
def test_to_the_last_bit(name, dtype):
    (out, gradient), (found, found_gradient) = both(name, dtype)
    assert torch.equal(found, out)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-12
    torch.testing.assert_close(
        found_gradient, gradient, rtol=tolerance, atol=tolerance, equal_nan=True
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CLOSE)
def test_to_rounding(name, dtype):
    tolerance = 2e-6 if dtype == torch.float32 else 1e-14
    for a, b in zip(*reversed(both(name, dtype)), strict=True):
        torch.testing.assert_close(a, b, rtol=tolerance, atol=tolerance)


def test_exp_at_its_ends():
    x = torch.tensor([-1e4, -103.9, -87.5, 88.7, 89, 1e4, torch.inf, -torch.inf, torch.nan])
    out, _ = scan(Apply(lambda x, y: x.exp()), x.view(1, 1, -1), engine="fused")
    least = 2 * torch.finfo(x.dtype).tiny  # what lies below is zero
    torch.testing.assert_close(out.flatten(), x.exp(), rtol=1e-6, atol=least, equal_nan=True)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda x, y: x.sum(0, keepdim=True) + y, "sum"),
        (lambda x, y: x.softmax(1), "softmax"),
        (lambda x, y: x.cumsum(1), "cumsum"),
        (lambda x, y: x.roll(1, 1), "roll"),
        (lambda x, y: x[:, :5].repeat(1, 8)[:, :37], "slice"),
        (lambda x, y: x.double().float(), "float64"),
        (lambda x, y: torch.rand_like(x), "rand"),
        (lambda x, y: x if x.max() > 0 else y, "data-dependent"),
    ],
)
def test_what_is_not_pointwise_is_named(function, words):
    with pytest.raises(ValueError, match=words):
        scan(Apply(function), torch.randn(2, 3, 37), engine="fused")

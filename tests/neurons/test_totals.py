"""What neurons put out, summed up by the loops that run them."""

import pytest
import torch

from all_neurons import NEURONS, SIZE
from engine_cases import currents
from picojoule.contract import SUMS
from picojoule.kernels import cc
from picojoule.neurons import LIF, Mixture, MultiLevelIF, Neuron, Recurrent

pytestmark = pytest.mark.skipif(cc.tier() != "c", reason="loops in C give totals, and no others")
LAYERS = {
    "few": (lambda: LIF(SIZE), (7, 3, SIZE)),
    "many": (lambda: LIF(), (5, 130, 300)),
    "wide": (lambda: MultiLevelIF(), (4, 3, 2000)),
    "levels": (lambda: MultiLevelIF(), (9, 4, 3, 6, 5)),
    "one step": (lambda: LIF(), (1, 4, 30)),
    "mixture": (lambda: Mixture({"lif": 5, "multilevelif": 7}), (6, 40, 12, 3)),
    "recurrent": (lambda: Recurrent(LIF(), 70), (9, 30, 70)),
    "recurrent mixture": (lambda: Recurrent(Mixture({"lif": 40, "adlif": 30}), 70), (9, 30, 70)),
}
every = pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS)


def heard(neuron: Neuron, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """What a layer puts out, and the totals that it tells."""
    told: list[tuple[torch.Tensor, torch.Tensor]] = []
    token = SUMS.set(lambda *of: told.append(of))
    out, _ = neuron(x)
    SUMS.reset(token)
    ((one, totals),) = told
    assert one is out
    return out, totals


def read(out: torch.Tensor, totals: torch.Tensor) -> torch.Tensor:
    """The same totals, read off the output."""
    return out.double().sum((0, 1) if totals.dim() == out.dim() - 2 else 1)


@every
def test_totals_are_the_sums_of_what_is_put_out(make, shape):
    neuron, x = make(), 3 * currents(*shape, dtype=torch.float32)
    out, totals = heard(neuron, x)
    assert totals.any()
    assert torch.equal(totals, read(out, totals))


@every
def test_their_gradient_is_that_of_sums(make, shape):
    neuron = make()
    neuron.requires_grad_()
    x = (3 * currents(*shape, dtype=torch.float32)).requires_grad_()
    wanted = (x, *neuron.parameters())
    torch.manual_seed(1)
    weight = torch.randn(shape)
    found = []
    for of in (lambda out, totals: totals, read):
        out, totals = heard(neuron, x)
        torch.manual_seed(2)
        mine = (of(out, totals) * torch.randn(totals.shape)).sum() + (out * weight).sum()
        found.append(torch.autograd.grad(mine, wanted, allow_unused=True))
    for one, other in zip(*found, strict=True):
        assert (one is None and other is None) or torch.equal(one, other)


@every
def test_their_gradient_needs_no_other(make, shape):
    neuron, x = make(), (3 * currents(*shape, dtype=torch.float32)).requires_grad_()
    found = []
    for of in (lambda out, totals: totals, read):
        out, totals = heard(neuron, x)
        found.append(torch.autograd.grad(of(out, totals).sum(), x)[0])
    assert found[0].any()
    torch.testing.assert_close(*found, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last])
def test_channels_may_come_last(order):
    x = 3 * currents(4, 3, 6, 5, 7, dtype=torch.float32)
    x = x.flatten(0, 1).contiguous(memory_format=order).unflatten(0, (4, 3))
    out, totals = heard(LIF(6), x)
    assert torch.equal(totals, read(out, totals))


@pytest.mark.parametrize("make", [lambda: LIF(300), lambda: Recurrent(LIF(300), 300)])
def test_threads_change_nothing(make):
    torch.manual_seed(0)
    neuron, x = make(), 3 * currents(20, 40, 300, dtype=torch.float32)
    threads, found = torch.get_num_threads(), []
    for some in (1, 2, 3):
        torch.set_num_threads(some)
        found.append(heard(neuron, x)[1])
    torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)
def test_nobody_is_told_unasked(case):
    told = []
    token = SUMS.set(lambda *of: told.append(of))
    SUMS.reset(token)
    case.make(size=SIZE)(currents(4, 3, SIZE, dtype=torch.float32))
    assert not told

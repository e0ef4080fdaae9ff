"""What counts as events is a whole number of them, or an error that names the layer and the fix."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from energy.metering import Two, events, run
from picojoule.energy import Meter

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")

torch.manual_seed(9)
X = events(4, 8)
RATES = torch.rand(4, 8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("change", [lambda x: x, lambda x: x * 0.5, lambda x: x / 3])
@pytest.mark.parametrize(
    ("inputs", "x"),
    [
        ("events", RATES),
        ("levels", RATES),
        ("levels", 3 * RATES),
        ("events", 3 * X),
        ("events", X - 0.5),
    ],
)
def test_inputs_that_are_not_what_they_were_said_to_be(inputs, x, change, dtype):
    if (change(torch.ones(())) != 1).all() and (inputs, x.max().item()) == ("events", 3.0):
        pytest.skip("whole numbers of what one event would be worth")
    layer = nn.Linear(8, 3).to(dtype)
    net = Two(lambda net, x: net.layer(change(x)), layer=layer)
    with torch.no_grad():
        meter = run(net, x.to(dtype), inputs=inputs)
    with pytest.raises(ValueError, match=rf"'layer' counts inputs that were said to be {inputs}"):
        _ = meter.counts


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("values", [[0.25] * 4, [0.5, 0.5, 1, 2], [1.25, 0.75, 0, 3]])
@pytest.mark.parametrize("grad", [True, False])
def test_levels_whose_sum_is_whole_by_chance(values, dtype, grad):
    x = torch.tensor(values, dtype=dtype).repeat(4, 2)
    with torch.set_grad_enabled(grad):
        meter = run(nn.Linear(8, 3).to(dtype), x, inputs="levels")
    with pytest.raises(ValueError, match="said to be levels, but are no whole numbers"):
        _ = meter.counts
    assert (
        run(nn.Linear(8, 3).to(dtype), 4 * x, inputs="levels").counts["network"].ac == 12 * x.sum()
    )


@pytest.mark.parametrize("inputs", ["events", "levels"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("layer", [nn.Linear(8, 3), nn.Conv1d(4, 2, 3), nn.AvgPool1d(2)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_inputs_may_have_signs(inputs, sign, layer, dtype):
    done = run(layer.to(dtype), sign * X.to(dtype), inputs=inputs).counts["network"]
    assert done.event_read == X.sum() if "event_read" in dict(done.items()) else done.pool


@torch.jit.script
def scripted(x: torch.Tensor):
    x.mul_(0.37)


def by_numpy(x):
    x.detach().numpy()[:] *= 0.37


def by_data(x):
    x.data = RATES.clone()


@pytest.mark.parametrize("change", [scripted, by_numpy, by_data])
def test_spikes_that_were_changed_where_nobody_saw_it(change):
    def forward(net, x):
        spikes = net.neuron(x)[0].detach()
        change(spikes)
        return net.layer(spikes)

    net = Two(forward, neuron=pj.IF(), layer=nn.Linear(8, 2))
    meter = run(net, 2 * torch.ones(3, 4, 8), samples=4, inputs="analog")
    with pytest.raises(ValueError, match=r"'layer' counts events, by what is known.*pj\.spikes"):
        _ = meter.counts
    with pytest.raises(ValueError, match="'layer' counts events"):
        _ = meter.traffic


class Half(pj.Neuron):
    """A neuron that says events and puts out halves."""

    cost = pj.NeuronCost(adds=1)
    dt = 1e-3

    def init_state(self, current):
        return ()

    def step(self, current, state):
        return current.clamp(0, 0.5), state


def test_a_neuron_of_ones_own_that_puts_out_something_else():
    net = pj.Sequential(Half(), nn.Linear(8, 2))
    with Meter(net) as meter:
        net(2 * torch.ones(3, 1, 8))
    with pytest.raises(ValueError, match="'0' should put out events, but its values are no whole"):
        _ = meter.counts


@pytest.mark.parametrize("worth", [1.0, 0.3, 1 / 9])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_rounding_is_no_fault(worth, dtype):
    """Many events that are worth what no binary number is, and straight-through spikes."""
    x = (torch.rand(20_000, 8) < 0.5).to(dtype)
    soft = torch.rand(20_000, 8).to(dtype)
    net = Two(
        lambda net, x: net.layer(pj.spikes(x * worth, scale=worth)), layer=nn.Linear(8, 1).to(dtype)
    )
    assert run(net, x).counts["layer"].ac == x.double().sum()
    if dtype is torch.float32:
        through = Two(
            lambda net, x: net.layer(pj.spikes((x - soft).detach() + soft)), layer=nn.Linear(8, 1)
        )
        assert run(through, x).counts["layer"].ac.item() == pytest.approx(x.double().sum().item())


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x * 0.1,
        lambda x: F.avg_pool1d(x, 3),
        lambda x: x * 0.1 + x * 0.1,
        lambda x: (x / 3).float() * (torch.rand(8) < 0.5),
    ],
)
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_events_that_were_rounded_to_few_digits_are_whole_in_more(change, dtype):
    net = Two(lambda net, x: net.layer(change(x).float()), layer=nn.LazyLinear(1))
    x = events(2_000, 8).to(dtype)
    net(x)
    done = run(net, x).counts["layer"]
    assert done.ac > 0
    assert done.mac == 0


def test_values_that_are_no_numbers_are_for_others_to_name():
    x = X.clone()
    x[0, 0] = float("nan")
    assert run(nn.Linear(8, 2), x).counts["network"].ac.isnan()


def test_a_training_finds_it_at_the_end_of_its_epoch():
    net = pj.Sequential(nn.Linear(8, 4), Half(), nn.Linear(4, 2))
    nn.init.constant_(net[0].bias, 2.0)
    batches = [(torch.rand(3, 4, 8), torch.zeros(4, dtype=int), None)] * 2
    optimizer = torch.optim.SGD(net.parameters(), 0.1)
    logs = pj.train(
        net,
        torch.utils.data.DataLoader(batches, batch_size=None),
        optimizer,
        criterion=F.cross_entropy,
        readout=pj.readout.mean,
        chip=pj.load_chip("45nm"),
        epochs=1,
    )
    with pytest.raises(ValueError, match="'1' should put out events, but its values are no whole"):
        list(logs)

"""Networks of anyone's: other neurons, other shapes, other ways to call."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from energy.metering import Two, events, run, total, totals
from picojoule.energy import Meter, load_chip
from picojoule.networks import Sequential
from picojoule.neurons import LI, LIF, NeuronCost

COST = NeuronCost(adds=2, multiplies=1, states=1)


class Step(torch.autograd.Function):
    """Somebody's surrogate."""

    @staticmethod
    def forward(ctx, v):
        return (v >= 0).to(v.dtype)

    @staticmethod
    def backward(ctx, gradient):
        return gradient


class Leaky(nn.Module):
    """Somebody's neuron: one step a call, state given back, attributes that mean something else."""

    def __init__(self):
        super().__init__()
        self.output, self.dt, self.species = False, 0.5, 7

    def forward(self, current, mem=None):
        mem = current if mem is None else 0.9 * mem + current
        out = Step.apply(mem - 1)
        return out, mem - out


class MultiStep(nn.Module):
    """Somebody's neuron over all steps [T, B, N], without state."""

    def forward(self, currents):
        neuron, mem, outs = Leaky(), None, []
        for current in currents:
            out, mem = neuron(current, mem)
            outs.append(out)
        return torch.stack(outs)


class Looped(nn.Module):
    """Layers in a loop over time, batch first or not, an output dict."""

    def __init__(self, batch_first=False):
        super().__init__()
        self.first, self.neuron = nn.Linear(3, 4), Leaky()
        self.second, self.batch_first = nn.Linear(4, 2), batch_first
        self.first.weight.data.abs_()

    def forward(self, x, lengths=None):
        mem, outs = None, []
        for step in x.unbind(1 if self.batch_first else 0):
            out, mem = self.neuron(self.first(step), mem)
            outs.append(self.second(out))
        return {"out": torch.stack(outs), "mem": mem}


def fired(net, x, batch_first=False):
    """Spikes of a ``Looped``, by hand."""
    mem, spikes = None, 0.0
    for step in x.unbind(1 if batch_first else 0):
        out, mem = net.neuron(net.first(step), mem)
        spikes += out.sum().item()
    return spikes


@pytest.mark.parametrize("batch_first", [True, False])
@pytest.mark.parametrize("lengths", [None, torch.tensor([2, 5])])
def test_neurons_of_others_are_named_with_their_cost(batch_first, lengths):
    net, x = Looped(batch_first), events(2, 5, 3) if batch_first else events(5, 2, 3)
    with Meter(net, samples=2, inputs="events", neurons={Leaky: COST}, dt=1e-3) as meter:
        net(x) if lengths is None else net(x, lengths=lengths)
    spikes = fired(net, x, batch_first)
    assert set(meter.counts) == {"first", "neuron", "second"}
    assert spikes > 0
    found = {name: number.item() * 2 for name, number in meter.counts["neuron"].items()}
    assert found == pytest.approx(
        {
            "update": 40,
            "add": 80,
            "multiply": 40,
            "state_read": 40,
            "state_write": 40,
            "second": 0.04,
            "spike": spikes,
            "output_write": spikes,
        }
    )
    assert meter.counts["first"].ac.item() * 2 == 4 * x.sum().item()
    assert meter.counts["second"].ac.item() * 2 == 2 * spikes
    assert meter.counts["neuron"].sizes.neuron == "Leaky"
    assert meter.counts["neuron"].sizes.potentials == 4
    assert (meter.uncounted, meter.unreached) == ({}, [])


def test_a_subclass_of_a_named_neuron_is_one():
    class Leakier(Leaky):
        """Somebody's variant."""

    net = Looped()
    net.neuron = Leakier()
    with Meter(net, samples=2, inputs="events", neurons={Leaky: COST}) as meter:
        net(events(5, 2, 3))
    assert meter.counts["neuron"].update.item() == 20
    assert meter.counts["neuron"].sizes.neuron == "Leakier"
    assert meter.traffic[-1].kind.name == "events"


def test_a_neuron_of_others_with_a_clock_does_not_give_samples_away():
    with pytest.raises(ValueError, match="samples is needed"):
        Meter(Looped(), neurons={Leaky: COST})


def test_time_without_a_clock_is_not_made_up():
    net = nn.Sequential(nn.Linear(3, 4), MultiStep(), nn.Linear(4, 2))
    with Meter(net, samples=2, neurons={MultiStep: COST}) as meter:
        net(torch.rand(5, 2, 3))
    assert "second" not in dict(meter.counts["1"].items())
    assert meter.counts["1"].update.item() == 20
    assert meter.traffic[-1].kind.name == "events"


def test_neurons_that_were_not_named_are_analog_not_silent():
    net, x = Looped(), events(5, 2, 3)
    meter = run(net, x)
    assert meter.counts["second"].mac.item() == 5 * 2 * 8
    assert meter.uncounted == {"neuron: values of a comparison": 5 * 2 * 4}


@pytest.mark.parametrize(
    "activation",
    [Step.apply, lambda v: (v >= 0).float(), lambda v: torch.from_numpy(v.detach().numpy())],
    ids=["custom function", "comparison", "numpy"],
)
@pytest.mark.parametrize("consumer", ["module", "function"])
def test_values_from_where_nothing_is_seen_are_analog_not_silent(activation, consumer):
    def forward(net, x):
        y = activation(net.first(x))
        return net.second(y) if consumer == "module" else F.linear(y, net.second.weight)

    net = Two(forward, first=nn.Linear(3, 4), second=nn.Linear(4, 2))
    meter = run(net, events(5, 3))
    assert total(meter, "mac") == 5 * 8
    where = "second" if consumer == "module" else "network"
    known = f"{where}: input of unknown origin", "network: values of a comparison"
    assert list(meter.uncounted.values()) == [5 * 4]
    assert set(meter.uncounted) < set(known)


def test_a_membrane_read_out_is_analog():
    net = Two(lambda net, x: net.fc(net.neuron(x)[1]), neuron=Leaky(), fc=nn.Linear(3, 2))
    with Meter(net, samples=2, inputs="analog", neurons={Leaky: COST}) as meter:
        net(torch.rand(2, 3))
    assert meter.counts["fc"].mac.item() == 6


def test_one_layer_called_at_every_step():
    layer = nn.Linear(3, 4)
    net = Two(lambda net, x: torch.stack([net.layer(step) for step in x]), layer=layer)
    x = events(5, 2, 3)
    assert totals(run(net, x)) == totals(run(layer, x))


def test_streaming_costs_what_the_whole_costs():
    net, x = Sequential(nn.Linear(3, 4), LIF(threshold=0.2), nn.Linear(4, 2)), events(6, 2, 3)
    with Meter(net, inputs="events") as whole:
        net(x)
    with Meter(net, samples=2, inputs="events") as parts:
        state = None
        for step in x.split(2):
            _, state = net(step, state)
    assert totals(parts) == pytest.approx(totals(whole))


@pytest.mark.parametrize("wrap", ["keyword", "dict", "list", "nested"])
def test_inputs_in_any_form(wrap):
    x = events(5, 3)
    layer = nn.Linear(3, 2)
    forward = {
        "keyword": lambda net, x: net.fc(x),
        "dict": lambda net, x: net.fc(x["image"]),
        "list": lambda net, x: net.fc(x[0]),
        "nested": lambda net, x: net.fc(x["image"][0]),
    }[wrap]
    given = {"keyword": x, "dict": {"image": x}, "list": [x], "nested": {"image": (x,)}}[wrap]
    net = Two(forward, fc=layer)
    with Meter(net, samples=5, inputs="events") as meter:
        net(x=given)
    assert meter.counts["fc"].ac.item() * 5 == pytest.approx(2 * x.sum().item())


def test_a_kind_for_each_argument():
    net = Two(lambda net, x, other: net.a(x) + net.b(other), a=nn.Linear(3, 2), b=nn.Linear(3, 2))
    meter = run(net, torch.ones(1, 3), torch.ones(1, 3), inputs={"other": "events"})
    assert meter.counts["a"].mac.item() == meter.counts["b"].ac.item() == 6


def test_attention_by_matrix_products():
    """Spikes meet spikes; what they sum up to is analog, and meets spikes."""

    def forward(net, x):
        q, k, v = (layer(x)[0] for layer in (net.q, net.k, net.v))
        scores = q.transpose(0, 1) @ k.transpose(0, 1).transpose(1, 2)
        sparse = scores @ v.transpose(0, 1)
        dense = scores.softmax(-1) @ v.transpose(0, 1)
        return sparse + dense

    net = Two(forward, q=LIF(threshold=0.5), k=LIF(threshold=0.4), v=LIF(threshold=0.6))
    x = torch.rand(4, 2, 5)
    with Meter(net) as meter:
        net(x)
    q, k, v = (layer(x)[0].transpose(0, 1) for layer in (net.q, net.k, net.v))
    scores = q @ k.transpose(1, 2)
    expected = scores.sum() + 4 * v.sum() + 4 * v.sum()
    assert total(meter, "ac") * 2 == expected.item()
    assert meter.uncounted == {"network: softmax": 2 * 4 * 4}


def test_in_place_residuals():
    def forward(net, x):
        out = net.a(x)[0]
        out += x
        out = net.pool(out)
        return net.fc(out)

    net = Two(forward, a=LIF(threshold=0.5), pool=nn.AvgPool1d(2), fc=nn.Linear(3, 2))
    x = events(4, 2, 6)
    with torch.no_grad(), Meter(net, inputs="events") as meter:
        net(x)
    spikes = net.a(x)[0].sum().item()
    assert meter.counts["network"].add.item() * 2 == spikes + x.sum().item()
    assert meter.counts["fc"].ac.item() * 2 == pytest.approx(2 * (spikes + x.sum().item()))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast(dtype):
    net = Sequential(nn.Conv2d(1, 2, 3), LIF(2), nn.Flatten(), nn.Linear(32, 3), LI())
    net[0].weight.data.abs_()
    x = events(4, 2, 1, 6, 6)
    with torch.autocast("cpu", dtype), Meter(net, inputs="events") as meter:
        out, _ = net(x)
        price = load_chip("45nm").price(meter.counts).total
    assert (
        meter.counts["0"].ac.item()
        == run(net[0], x.flatten(0, 1), samples=2).counts["network"].ac.item()
    )
    assert meter.counts["3"].ac.item() == 3 * meter.counts["1"].spike.item() > 0
    assert price.dtype == torch.float64
    (out.float().sum() + price).backward()
    assert torch.isfinite(net[0].weight.grad).all()


@pytest.mark.parametrize("inside", [True, False])
def test_checkpointed_layers_count_once(inside):
    inner = Sequential(nn.Linear(3, 4), LIF(threshold=0.1), nn.Linear(4, 4), LIF(threshold=0.1))
    net = Two(lambda net, x: checkpoint(lambda y: net.inner(y)[0], x, use_reentrant=False))
    net.inner = inner
    x = events(4, 2, 3).requires_grad_()
    with Meter(net, inputs="events") as meter:
        out = net(x)
        if inside:
            (out.sum() + load_chip("45nm").price(meter.counts).total).backward()
    if not inside:
        (out.sum() + load_chip("45nm").price(meter.counts).total).backward()
    with Meter(inner, inputs="events") as plain:
        inner(x)
    assert totals(meter) == totals(plain)
    assert x.grad.any()


def test_a_loss_inside_the_block_is_not_counted():
    net = Sequential(nn.Linear(3, 4), LIF(), nn.Linear(4, 2), LI())
    with Meter(net, inputs="events") as meter:
        out, _ = net(events(4, 2, 3))
        F.cross_entropy(out.mean(0) @ torch.rand(2, 2), torch.tensor([0, 1])).backward()
    assert set(meter.counts) == {"0", "1", "2", "3"}
    assert meter.uncounted == {}

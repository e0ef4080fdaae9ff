"""What holds for every named network."""

import copy
import pickle

import pytest
import torch

from all_networks import CLASSES, NETWORKS
from picojoule import networks
from picojoule.energy import Meter, load_chip
from picojoule.neurons import LIF, Neuron, detach
from picojoule.streaming import stream
from stream_cases import flat

every = pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.title)
moving = pytest.mark.parametrize(
    "case",
    [case for case in NETWORKS if not case.static],
    ids=lambda case: case.title,
)


def steps_of(case, x):
    return case.options["steps"] if case.static else x.shape[0]


def energy_of(net, x, **options):
    with Meter(net, inputs="events") as meter:
        net(x, **options)
    return load_chip("45nm-sram").price(meter.counts)


def test_every_network_of_the_package_is_listed():
    assert {case.name for case in NETWORKS} == networks.NETWORKS.keys()


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_shapes_and_dtype(case, dtype):
    net, x = case.make().to(dtype), case.data().to(dtype)
    out, state = net(x)
    assert out.shape == (steps_of(case, x), x.shape[1], CLASSES)
    assert out.dtype == dtype
    assert len(state) == len(net)


@moving
@pytest.mark.parametrize("split", [1, 3])
def test_two_halves_are_the_whole(case, split):
    net, x = case.make().eval(), case.data()
    whole, _ = net(x)
    first, state = net(x[:split])
    second, _ = net(x[split:], detach(state))
    assert torch.allclose(torch.cat([first, second]), whole, atol=1e-6)


@moving
def test_a_stream_is_the_network(case):
    net, x = case.make().double().eval(), case.data().double()
    whole, last = net(x)
    run = stream(net)
    assert torch.allclose(torch.stack([run(step) for step in x]), whole, atol=1e-9)
    found, expected = flat(run.state), flat(last)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert torch.allclose(one, other, atol=1e-9)
    run.state = net(x[:2])[1]
    assert torch.allclose(torch.stack([run(step) for step in x[2:]]), whole[2:], atol=1e-9)


@every
def test_a_sample_does_not_see_its_neighbours(case):
    net, x = case.make().eval(), case.data()
    other = x.clone()
    other[:, 1:] = 1 - other[:, 1:]
    assert torch.allclose(net(x)[0][:, 0], net(other)[0][:, 0], atol=1e-6)
    assert torch.allclose(net(x)[0][:, :1], net(x[:, :1])[0], atol=1e-6)


@every
def test_every_layer_fires_and_every_weight_has_a_gradient(case):
    net = case.make().double()
    x = case.data().double().requires_grad_()
    with Meter(net, inputs="events") as meter:
        out, _ = net(x)
    out.square().sum().backward()
    fired = {name: done.spike.item() for name, done in meter.counts.items() if "spike" in has(done)}
    assert len(fired) == len(firing(net))
    assert all(fired.values())
    assert torch.isfinite(x.grad).all()
    for name, parameter in net.named_parameters():
        if parameter.requires_grad:
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.any(), name


def firing(net):
    """The names of the layers of neurons that fire; what is inside one is part of it."""
    names = {n: m for n, m in net.named_modules() if isinstance(m, Neuron) and m.output != "analog"}
    return [name for name in names if name.rpartition(".")[0] not in names]


def has(done):
    return dict(done.items())


@every
def test_energy_has_a_gradient_at_every_weight_before_a_spike(case):
    net, x = case.make().double(), case.data().double()
    with Meter(net, inputs="events") as meter:
        net(x)
    load_chip("45nm").price(meter.counts).total.backward()
    reached = [parameter.grad is not None for parameter in net.parameters() if parameter.dim() > 1]
    assert reached == [True] * (len(reached) - 1) + [False]  # the readout's own weight causes none


@every
def test_nothing_is_left_uncounted(case):
    net = case.make()
    with Meter(net, inputs="events") as meter:
        net(case.data())
    assert meter.uncounted == {}
    assert meter.unreached == []


@every
def test_copies_and_pickles_do_the_same(case):
    net, x = case.make().eval(), case.data()
    out, _ = net(x)
    for twin in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert torch.equal(twin(x)[0], out)
    other = case.make().eval()
    other.load_state_dict(net.state_dict())
    assert torch.equal(other(x)[0], out)


@every
def test_no_state_lives_on_the_modules(case):
    net, x = case.make().eval(), case.data()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    assert torch.equal(net(x)[0], net(x)[0])
    assert before.keys() == net.state_dict().keys()
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


@every
def test_shared_neurons_are_the_same_as_equal_ones(case):
    each = case.make().eval()
    one = case.make(neuron=lambda size: LIF()).eval()
    own = ("tau", "threshold")
    weights = {name: v for name, v in each.state_dict().items() if not name.endswith(own)}
    one.load_state_dict(weights, strict=False)
    assert torch.allclose(one(case.data())[0], each(case.data())[0], atol=1e-6)


@every
def test_the_neuron_asked_for_is_the_one_inside(case):
    net = case.make(neuron=lambda size: LIF(size, tau=5e-3, dt=2e-3))
    neurons = [module for module in net.modules() if isinstance(module, Neuron)]
    assert len(neurons) > 1
    assert {module.dt for module in neurons} == {2e-3}
    taus = torch.cat([module.tau.flatten() for module in neurons if hasattr(module, "tau")])
    assert torch.allclose(taus, torch.tensor(5e-3))


@every
def test_silence_costs_the_floor(case):
    net = case.make().eval()
    for name, parameter in net.named_parameters():
        if name.endswith("threshold"):
            parameter.data.fill_(1e6)
    energy = energy_of(net, case.data())
    assert energy.total.item() == pytest.approx(energy.floor.item(), rel=1e-12)
    loud = energy_of(case.make().eval(), case.data())
    assert loud.floor.item() == pytest.approx(energy.total.item(), rel=1e-12)
    assert loud.total > loud.floor


@moving
def test_padding_changes_nothing(case):
    net, x = case.make().eval(), case.data(steps=7)
    lengths = torch.tensor([3, 7, 1, 5])
    rubbish = torch.rand_like(x)
    within = torch.arange(7)[:, None] < lengths
    x = torch.where(within.view(7, 4, *[1] * len(case.inputs)), x, rubbish)
    out, _ = net(x, lengths=lengths)
    padded = energy_of(net, x, lengths=lengths)
    total, by_layer = 0.0, {}
    for sample, length in enumerate(lengths.tolist()):
        alone = x[:length, sample : sample + 1]
        assert torch.allclose(net(alone)[0][:, 0], out[:length, sample], atol=1e-6)
        assert not out[length:, sample].any()
        energy = energy_of(net, alone)
        total += energy.total.item() / 4
        for layer, value in energy.by_layer.items():
            by_layer[layer] = by_layer.get(layer, 0.0) + value.item() / 4
    assert padded.total.item() == pytest.approx(total, rel=1e-9)
    found = {layer: value.item() for layer, value in padded.by_layer.items()}
    assert found == pytest.approx(by_layer, rel=1e-9)


@every
def test_doubling_and_permuting_a_batch_change_nothing(case):
    net, x = case.make().eval(), case.data()
    energy = energy_of(net, x).total.item()
    assert energy_of(net, torch.cat([x, x], 1)).total.item() == pytest.approx(energy, rel=1e-12)
    assert energy_of(net, x[:, [2, 0, 3, 1]]).total.item() == pytest.approx(energy, rel=1e-12)

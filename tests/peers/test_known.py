"""Which neurons of other libraries are known."""

import copy
import importlib
import inspect
import re
from types import SimpleNamespace

import norse.torch as norse
import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import neuron
from torch import nn

import picojoule as pj
from energy.metering import total
from pages import PAGES
from peers.compare import inputs, lively
from picojoule.energy.meter.foreign import FOREIGN, Foreign, known

# Bases without an equation of their own, and what is no neuron but a network of functions.
LEFT_OUT = {
    "snntorch": {"SpikingNeuron", "LIF", "AssociativeLeaky"},
    "spikingjelly": {
        *("BaseNode", "SimpleBaseNode", "NonSpikingBaseNode", "AdaptBaseNode", "ILCBaseNode"),
        *("NoisyBaseNode", "NoisyILCBaseNode", "NoisyNonSpikingBaseNode", "MPBNBaseNode"),
        # membranes alone: see the module
        *("NonSpikingIFNode", "NonSpikingLIFNode", "NoisyNonSpikingIFNode"),
        # equations that the user gives, or that are for conversion or noise in training
        *("FlexSN", "FewSpikeNode", "FewSpikeTable", "OutlierAwareThresholdNode", "HGNode"),
        *("NoisyCUBALIFNode", "NoisyILCCUBALIFNode", "MPBNLIFNode"),
    },
    "norse": {"LIFCorrelation"},
}


def classes(package: str) -> set[str]:
    """Neuron classes that a library offers."""
    if package == "snntorch":
        found = vars(snn)
    elif package == "spikingjelly":
        found = vars(neuron)
    else:
        bases = ("LIF", "LI", "IAF", "LSNN", "Izhikevich", "CobaLIF")
        found = {n: c for n, c in vars(norse).items() if n.startswith(bases)}
    modules = {n: c for n, c in found.items() if inspect.isclass(c) and issubclass(c, nn.Module)}
    return {n for n, c in modules.items() if c.__module__.split(".")[0] == package}


@pytest.mark.parametrize("package", FOREIGN)
def test_every_neuron_is_known_or_left_out_on_purpose(package):
    offered = {name for name in classes(package) if name not in ("BatchNormTT1d", "GradedSpikes")}
    assert set(FOREIGN[package]) >= offered - LEFT_OUT[package]
    assert not LEFT_OUT[package] & set(FOREIGN[package])


@pytest.mark.parametrize(("package", "name"), [(p, n) for p, t in FOREIGN.items() for n in t])
def test_every_name_is_that_of_a_class(package, name):
    homes = {
        "snntorch": ["snntorch"],
        "spikingjelly": ["spikingjelly.activation_based.neuron"],
        "norse": [f"norse.torch.module.{m}" for m in ("lif_mc", "lif_mc_refrac", "coba_lif")]
        + ["norse.torch", "norse.torch.module.lif_adex_refrac"],
    }[package]
    assert any(hasattr(importlib.import_module(home), name) for home in homes)


def test_the_documentation_names_them_all_with_their_cost():
    said = {}
    for line in PAGES["docs/your-own-network.md"].splitlines():
        if found := re.fullmatch(r"\|[^|]*\|([^|]*)\| (\d), (\d), (\d)[^|]*\|", line):
            names, *numbers = found.groups()
            said |= dict.fromkeys(re.findall(r"`(\w+)`", names), pj.NeuronCost(*map(int, numbers)))
    assert set(said) == {name for table in FOREIGN.values() for name in table}
    one = torch.tensor(1.0)
    module = SimpleNamespace(
        **{"step_mode": "m", "dt": 1e-3, "output": True, "inhibition": False, "delta_t": 1.0},
        **{"max_pool": 0, "avg_pool": 0, "graded_spikes_factor": one, "q_threshold": one},
        **{"v_threshold": one, "v_threshold_lower_bound": 0.1},
        surrogate_function=SimpleNamespace(max_spike_count=4),
    )
    for table in FOREIGN.values():
        for name, entry in table.items():
            about = entry if isinstance(entry, Foreign) else entry(module)
            assert about.cost == said[name], name


def test_only_by_package_and_name():
    class Leaky(nn.Module):
        """Somebody else's."""

    class Mine(snn.Leaky):
        """Derives from one that is known."""

    assert known(Leaky()) is None
    assert known(nn.Linear(2, 2)) is None
    assert (
        known(Mine(beta=0.9))
        == known(snn.Leaky(beta=0.9))
        == Foreign(pj.NeuronCost(1, 1, 1), species="LIF")
    )


def test_steps_follow_the_mode():
    node = neuron.LIFNode()
    assert known(node).leading == 1
    node.step_mode = "m"
    assert known(node).leading == 2


def test_what_a_user_says_of_a_known_type_goes_before():
    net = nn.Sequential(norse.LIFRecurrent(8, 6))
    cost = pj.NeuronCost(adds=7)
    neurons = {norse.LIFRecurrent: cost}
    with pj.Meter(net, samples=4, inputs="events", neurons=neurons, dt=0.5) as meter:
        net(x := inputs(5, 4, 8))
    counts = meter.counts["0"]
    assert counts.add.item() == 7 * counts.update.item() == 7 * 30
    assert counts.second.item() == 0.5 * 30
    assert meter.counts["0.input_weights"].ac.item() * 4 == 6 * x.sum().item()


NEURONS = {
    "Leaky": lambda: snn.Leaky(beta=0.9, init_hidden=True),
    "RLeaky": lambda: snn.RLeaky(beta=0.9, linear_features=6, init_hidden=True),
    "LIFNode": neuron.LIFNode,
    "LIFNode, all steps": lambda: neuron.LIFNode(step_mode="m"),
    "LIFRecurrent": lambda: norse.LIFRecurrent(6, 6),
}


@pytest.mark.parametrize("name", NEURONS)
def test_the_energy_has_a_gradient(name):
    net = lively(nn.Sequential(nn.Linear(8, 6), NEURONS[name]()))
    x = inputs(20, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        for step in [x] if name in ("LIFNode, all steps", "LIFRecurrent") else x:
            net(step)
    energy = pj.load_chip("45nm-sram").price(meter.counts)
    gradient = torch.autograd.grad(energy.total, net[0].weight)[0]
    assert torch.isfinite(gradient).all()
    assert gradient.any()
    assert 0 < energy.floor < energy.total


PENALTIES = {
    "SynapticPenalty": lambda: pj.SynapticPenalty(1e-3),
    "SpikePenalty": lambda: pj.SpikePenalty(1e-3),
    "BalancedPenalty": lambda: pj.BalancedPenalty(1e-3),
    "SynOpsTarget": lambda: pj.SynOpsTarget(1.0),
    "RateTarget": lambda: pj.RateTarget(0.01),
    "FixedPrice": lambda: pj.FixedPrice(0.1),
    "EnergyBudget": lambda: pj.EnergyBudget(100.0),
}


def metered(name):
    net = lively(nn.Sequential(nn.Linear(8, 6), NEURONS[name](), nn.Linear(6, 3)))
    if name == "LIFRecurrent":
        net = norse.SequentialState(*net)
    x = inputs(20, 4, 8)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        for step in [x] if name in ("LIFNode, all steps", "LIFRecurrent") else x:
            net(step)
    assert meter.uncounted == {}
    return net, meter


@pytest.mark.parametrize("penalty", PENALTIES)
@pytest.mark.parametrize("name", NEURONS)
def test_every_penalty_works_on_them(name, penalty):
    net, meter = metered(name)
    penalty = PENALTIES[penalty]()
    energy = pj.load_chip("45nm").price(meter.counts)
    if penalty.multiplier is not None:
        penalty.update(energy)
    value = penalty(energy, meter.traffic)
    assert value.dim() == 0
    (gradient,) = torch.autograd.grad(value, net[0].weight)
    assert torch.isfinite(gradient).all()
    assert gradient.any()


@pytest.mark.parametrize("p", [1, 2, 3.5])
@pytest.mark.parametrize("name", NEURONS)
def test_the_synaptic_penalty_is_the_energy_of_accumulates(name, p):
    _, meter = metered(name)
    omega = pj.SynapticPenalty(1.0, p)(pj.load_chip("45nm").price(meter.counts), meter.traffic)
    assert p * omega.item() == pytest.approx(total(meter, "ac"), rel=1e-6)


@pytest.mark.parametrize("make", [NEURONS["Leaky"], neuron.IFNode, pj.LIF])
def test_a_neuron_whose_forward_was_replaced_asks_for_a_cost(make):
    one = make()
    forward = one.forward
    one.forward = lambda *args: forward(*args)
    with pytest.warns(UserWarning, match=f"'1' is a {type(one).__name__}, .* its own forward"):
        pj.Meter(nn.Sequential(nn.Linear(2, 2), one), samples=1)


@pytest.mark.parametrize(
    ("surrogate", "wrong"),
    [
        (torch.sign, "negative"),
        (torch.sigmoid, "no whole numbers"),
        (lambda x: 2.0 * (x > 0), "more than one"),
    ],
)
@pytest.mark.parametrize("library", ["snntorch", "spikingjelly"])
def test_a_known_neuron_that_puts_out_something_else_is_an_error(library, surrogate, wrong):
    if library == "snntorch":
        one = snn.Leaky(beta=0.9, init_hidden=True, spike_grad=surrogate)
    else:
        one = neuron.IFNode(surrogate_function=surrogate)
    with pj.Meter(nn.Sequential(one, nn.Linear(8, 2)), samples=4) as meter:
        meter._net(torch.linspace(-3, 3, 32).view(4, 8))
    with pytest.raises(ValueError, match=f"'0' should put out events, but .*{wrong}"):
        _ = meter.counts


@pytest.mark.parametrize("name", [*NEURONS, "pj.LIF"])
@pytest.mark.parametrize(
    "hook",
    [lambda out: 0.5 * out, lambda out: 2 * out, lambda out: 1 - out, torch.sigmoid],
    ids=["half", "twice", "the opposite", "analog"],
)
def test_what_a_hook_makes_of_spikes_is_seen_as_if_a_function_made_it(name, hook):
    class Net(nn.Module):
        def __init__(self, neuron, after):
            super().__init__()
            self.neuron, self.layer, self.after = neuron, nn.Linear(6, 2), after

        def forward(self, x):
            out = self.neuron(x)
            return self.layer(self.after(out[0] if isinstance(out, tuple) else out))

    def around(module, args, out):
        return (hook(out[0]), *out[1:]) if isinstance(out, tuple) else hook(out)

    def counts(net):
        torch.manual_seed(1)
        x = 2 * torch.rand(5, 4, 6)
        with torch.no_grad(), pj.Meter(net, samples=4) as meter:
            for step in x if name in ("Leaky", "RLeaky", "LIFNode") else [x]:
                net(step)
        return {layer: dict(one.items()) for layer, one in meter.counts.items()}

    torch.manual_seed(0)
    make = NEURONS.get(name, lambda: pj.LIF(6))
    net = lively(Net(make(), lambda out: out))
    net.neuron.register_forward_hook(around)
    plain = Net(copy.deepcopy(net.neuron), hook)
    plain.neuron._forward_hooks.clear()
    assert counts(net) == counts(plain)
    assert counts(net)["layer"]

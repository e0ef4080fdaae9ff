"""SpikingJelly's own counter of synaptic operations, run beside the meter."""

import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron
from spikingjelly.activation_based.model.ms_resnet import ms_resnet18
from spikingjelly.activation_based.model.parametric_lif_net import CIFAR10Net
from spikingjelly.activation_based.model.spike_driven_transformer import SpikeDrivenTransformer
from spikingjelly.activation_based.op_counter import DispatchCounterMode, SynOpCounter
from torch import nn

import picojoule as pj
from energy.metering import run, total
from energy.test_golden import CASES, FIVE, ONES
from peers.compare import inputs, lively

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


def synops(net, x):
    counter = SynOpCounter()
    with torch.no_grad(), DispatchCounterMode([counter]):
        net(x)
    return counter.get_total()


@pytest.mark.parametrize("case", [c for c in CASES if c[3] == "events"], ids=lambda case: case[0])
def test_golden_cases_on_events(case):
    _, module, x, *_ = case
    assert synops(module, x) == total(run(module, x), "ac")


def test_a_network_over_time():
    net = nn.Sequential(
        *(layer.Conv2d(2, 4, 3, stride=2, padding=1), neuron.LIFNode(), layer.MaxPool2d(2)),
        *(layer.Conv2d(4, 4, 2, groups=2), neuron.LIFNode(), layer.Flatten(), layer.Linear(4, 3)),
    )
    functional.set_step_mode(lively(net), "m")
    x = inputs(4, 3, 2, 8, 8)
    meter = run(net, x, samples=3)
    functional.reset_net(net)
    assert synops(net, x) == 3 * total(meter, "ac") > 0


ZOO = {
    "a spiking transformer": lambda: SpikeDrivenTransformer(
        T=2, num_classes=10, embed_dims=32, num_heads=2, depths=1
    ),
    "a residual network": lambda: ms_resnet18(
        T=2, num_classes=10, spiking_neuron=neuron.LIFNode, v_threshold=0.5
    ),
    "a plain one": lambda: CIFAR10Net(channels=4, spiking_neuron=neuron.ParametricLIFNode),
}


@pytest.mark.parametrize("name", ZOO)
def test_networks_of_its_model_zoo(name):
    """Where events meet synapses; levels and analog values count otherwise in both."""
    net, x = ZOO[name](), inputs(2, 2, 3, 32, 32, rate=0.3)
    functional.set_step_mode(net, "m")
    for module in net.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.momentum = 1.0
    net(x)  # norms of this very batch, so that deep layers spike
    functional.reset_net(net.eval())
    with torch.no_grad(), pj.Meter(net, samples=2, inputs="events") as meter:
        net(x)
    arrived = [c for c in meter.traffic if not c.fired and c.kind.name == "events"]
    pairs = sum((call.events * call.fanout).sum().item() for call in arrived)
    functional.reset_net(net)
    assert pairs == synops(net, x)
    spiking = {call.layer for call in meter.traffic if call.fired and call.events.any()}
    assert len(spiking) > 3
    assert meter.uncounted == {}
    assert meter.unreached == []


def test_levels_are_dense_to_it():
    """Integers above one count as analog values there, n accumulates here."""
    module = nn.Linear(8, 4)
    assert synops(module, 2 * FIVE) == 0
    assert total(run(module, 2 * FIVE, inputs="levels"), "ac") == 40


def test_a_spike_among_padding():
    """On spikes both leave padding out; on analog values it does not (1350)."""
    module = nn.Conv2d(2, 3, 3, padding=1)
    assert synops(module, ONES) == total(run(module, ONES), "ac") == 1014
    assert total(run(module, 0.3 * ONES, inputs="analog"), "mac") == 1014

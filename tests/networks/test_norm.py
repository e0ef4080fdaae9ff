"""How much the neurons of every network fire before anything is learned."""

import pytest
import torch

from picojoule.networks import network
from picojoule.networks.norm import Drive, gain
from picojoule.neurons import (
    ALIF,
    BRF,
    HRF,
    IF,
    LIF,
    LNM,
    PLIF,
    AdLIF,
    Barrier,
    CubaLIF,
    Mixture,
    MultiLevelIF,
    Neuron,
    Recurrent,
)


def _subtracting(size):
    return LIF(size, reset="subtract")


def _low(size):
    return LIF(size, threshold=0.3)


def _mixed(size):
    return Mixture({"lif": 0.5, "alif": 0.25, "brf": 0.25}, size)


QUICK = [LIF, _low, PLIF, ALIF, MultiLevelIF]  # IF and LNM start as LIF does
SLOW = [CubaLIF, AdLIF, BRF, HRF, _mixed]  # of which the deep ones answer after some steps
# A spike that a shortcut adds to a membrane comes on top of what norms keep in bounds.
SPIKING = 0.47
# Currents that are held for long are summed up twice, in the synapse and in the membrane.
HELD = 0.47
IMAGES = ["cnn", "cnn7", "vgg11", "vgg16", "resnet18", "resnet19"]
LOW, HIGH = 0.02, 0.40


def pictures():
    """32 of scikit-learn's digits [32, 1, 8, 8]."""
    from sklearn.datasets import load_digits  # slow, and other tests do without

    return torch.tensor(load_digits().images[:32], dtype=torch.float32).unsqueeze(1) / 16


def digits(size):
    x = pictures()
    x = torch.nn.functional.interpolate(x, size=(size, size), mode="bilinear")
    return ((x - x.mean()) / x.std()).unsqueeze(0)


def rates(net, x):
    """The share of what each layer of neurons could put out that it does, in the first pass."""
    found = {}

    def take(name, module):
        levels = getattr(getattr(module, "neuron", module), "levels", 1)
        module.register_forward_hook(
            lambda *a: found.update({name: float(a[2][0].mean()) / levels})
        )

    for name, module in net.named_modules():
        fires = isinstance(module, Neuron) and module.output != "analog"
        if fires and not isinstance(module, Barrier) and ".kinds." not in name:
            take(name, module)
    with torch.no_grad():
        net.train()(x)
    return found


def outside(net, x, high=HIGH):
    return {name: rate for name, rate in rates(net, x).items() if not LOW <= rate <= high}


@pytest.mark.parametrize("neuron", QUICK)
@pytest.mark.parametrize("name", IMAGES)
def test_every_layer_of_every_network_fires(name, neuron):
    net = network(name, inputs=(1, 28, 28), classes=10, neuron=neuron, width=8, steps=4)
    assert not outside(net, digits(28), SPIKING if name == "resnet19" else HIGH)


@pytest.mark.parametrize("neuron", SLOW)
@pytest.mark.parametrize("name", ["cnn7", "resnet18"])
def test_neurons_that_answer_late_fire_within_sixteen_steps(name, neuron):
    net = network(name, inputs=(1, 16, 16), classes=10, neuron=neuron, width=8, steps=16)
    assert not outside(net, digits(16), HELD if neuron is CubaLIF else HIGH)


@pytest.mark.parametrize("neuron", [LIF, PLIF, MultiLevelIF])
@pytest.mark.parametrize("residual", ["spiking", "ms", "sparse"])
def test_every_kind_of_block_fires(residual, neuron):
    options = {"width": 8, "steps": 4, "residual": residual}
    net = network("resnet18", inputs=(1, 28, 28), classes=10, neuron=neuron, **options)
    assert not outside(net, digits(28), SPIKING if residual == "spiking" else HIGH)


@pytest.mark.parametrize("norm", ["batch", "tdbn"])
@pytest.mark.parametrize("threshold", [0.5, 1.0])
def test_either_norm_drives_integrators(norm, threshold):
    def neuron(size):
        return LIF(size, threshold=threshold)

    net = network("vgg11", inputs=(1, 28, 28), classes=10, neuron=neuron, width=8, norm=norm)
    assert not outside(net, digits(28))


@pytest.mark.parametrize("neuron", [*QUICK, IF, LNM, _subtracting, *SLOW])
@pytest.mark.parametrize(
    ("name", "options"),
    [("mlp", {}), ("keyword", {"layers": 2}), ("keyword", {"layers": 2, "recurrent": False})],
)
def test_networks_of_linear_layers_fire(name, options, neuron):
    net = network(name, inputs=(64,), classes=10, neuron=neuron, **options)
    x = pictures().flatten(1)
    high = 0.45 if options.get("recurrent", name == "keyword") else HIGH
    assert not outside(net, x.expand(8, 32, 64), high)


def test_gain_is_a_power_of_two_and_draws_no_numbers():
    before = torch.get_rng_state()
    assert gain(LIF(), 8) == 1.0
    assert gain(PLIF(), 8) == 2.0
    assert gain(LIF(threshold=1e9), 8) == 1.0
    assert torch.equal(before, torch.get_rng_state())


def test_tdbn_starts_from_each_threshold():
    threshold = torch.tensor([0.5, 1.0, 2.0])
    drive = Drive(LIF, "tdbn")
    assert torch.equal(drive.maps(LIF(3, threshold=threshold), 3).weight.data, threshold)
    halved = drive.maps(LIF(3), 3, share=0.5)
    assert torch.equal(halved.weight.data, torch.full((3,), 0.5))
    with pytest.raises(ValueError, match="Mixture has none of its own: use norm='batch'"):
        drive.maps(_mixed(4), 4)


def test_recurrent_weights_are_scaled_as_the_others_are():
    plain = network("keyword", inputs=(64,), classes=2, neuron=LIF, width=32)
    scaled = network("keyword", inputs=(64,), classes=2, neuron=PLIF, width=32)
    tops = [
        next(m for m in net.modules() if isinstance(m, Recurrent)).weight.abs().max()
        for net in (plain, scaled)
    ]
    assert tops[1] > 3 * tops[0]

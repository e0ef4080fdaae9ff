"""Networks by name."""

import pytest
import torch
from torch import nn

from picojoule.networks import NETWORKS, Repeat, network
from picojoule.neurons import BRF, LI, LIF, PLIF, AdLIF, Recurrent


@pytest.mark.parametrize(
    ("name", "nearest"), [("mpl", "mlp"), ("CNN", "cnn"), ("keywrd", "keyword")]
)
def test_unknown_network_names_the_nearest(name, nearest):
    with pytest.raises(ValueError, match=f"unknown network '{name}': did you mean '{nearest}'"):
        network(name, inputs=(4,), classes=2)


@pytest.mark.parametrize("name", NETWORKS)
def test_unknown_option_names_the_nearest(name):
    with pytest.raises(
        ValueError, match=f"option of network '{name}' 'witdh': did you mean 'width'"
    ):
        network(name, inputs=(1, 16, 16), classes=2, witdh=8)


@pytest.mark.parametrize("name", NETWORKS)
def test_builds_with_nothing_but_inputs_and_classes(name):
    net = network(name, inputs=(1, 16, 16), classes=7)
    x = torch.rand(1, 2, 1, 16, 16)
    out, _ = net(x.flatten(2) if name == "keyword" else x)
    assert out.shape[1:] == (2, 7)


@pytest.mark.parametrize("inputs", [(1, 28, 28), (3, 32, 32), (1, 17, 9), (2, 8, 15)])
def test_cnn_fits_images_of_any_size(inputs):
    net = network("cnn", inputs=inputs, classes=4, width=4, steps=2)
    assert net(torch.rand(1, 2, *inputs))[0].shape == (2, 2, 4)


def test_depth_and_width():
    net = network("mlp", inputs=(6,), classes=2, width=9, layers=3, dropout=0.1)
    sizes = [(m.in_features, m.out_features) for m in net if isinstance(m, nn.Linear)]
    assert sizes == [(6, 9), (9, 9), (9, 9), (9, 2)]
    assert sum(isinstance(module, nn.Dropout) for module in net) == 3
    deep = network("keyword", inputs=(6,), classes=2, width=9, layers=2)
    assert [module.size for module in deep if isinstance(module, Recurrent)] == [9, 9]


def test_cnn_starts_from_one_step():
    net = network("cnn", inputs=(1, 16, 16), classes=2, steps=6)
    assert [module.steps for module in net if isinstance(module, Repeat)] == [6]


def test_readout_runs_on_the_neurons_clock():
    net = network("mlp", inputs=(6,), classes=2, neuron=lambda size: LIF(size, tau=0.05, dt=0.01))
    assert isinstance(net[-1], LI)
    assert net[-1].dt == 0.01
    assert net[-1].tau.item() == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("neuron", "dt", "tau"),
    [
        (lambda size: AdLIF(size, tau=(5e-3, 5e-3)), 1e-3, 5e-3),
        (lambda size: PLIF(size, tau=3e-3), 1e-3, 3e-3),
        (lambda size: BRF(size, dt=2e-3), 2e-3, 40e-3),
    ],
    ids=["AdLIF", "PLIF", "BRF"],
)
@pytest.mark.parametrize("name", ["mlp", "keyword"])
def test_readout_runs_on_the_clock_of_any_neuron(name, neuron, dt, tau):
    net = network(name, inputs=(6,), classes=2, neuron=neuron)
    assert net[-1].dt == dt
    assert net[-1].tau.item() == pytest.approx(tau)


@pytest.mark.parametrize("inputs", [(8, 8), (6,)])
def test_cnn_says_what_an_image_is(inputs):
    with pytest.raises(ValueError, match="channels"):
        network("cnn", inputs=inputs, classes=2)


@pytest.mark.parametrize("inputs", [(1, 4, 4), (1, 28, 3)])
def test_an_image_too_small_for_the_network_is_refused(inputs):
    with pytest.raises(ValueError, match="at least"):
        network("cnn", inputs=inputs, classes=2)

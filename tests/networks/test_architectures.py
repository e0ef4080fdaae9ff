"""Networks by name."""

import pytest
import torch
from torch import nn

from picojoule.energy import Meter
from picojoule.networks import NETWORKS, Repeat, Sequential, network
from picojoule.networks.rows import _may_be_sparse
from picojoule.neurons import BRF, LI, LIF, PLIF, AdLIF, Mixture, Recurrent


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
    net = network(name, inputs=(1, 16, 16), classes=7).eval()
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


def parameters(net):
    return sum(p.numel() for n, p in net.named_parameters() if not n.endswith(("tau", "threshold")))


def layers(net, kind):
    return [module for module in net.modules() if isinstance(module, kind)]


@pytest.mark.parametrize(
    ("name", "convs", "linears", "widths"),
    [
        ("cnn7", 6, 1, [64, 64, 128, 128, 256, 256]),
        ("vgg11", 8, 3, [64, 128, 256, 256, 512, 512, 512, 512]),
        ("vgg16", 13, 3, [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6),
    ],
)
def test_layers_of_the_published_forms(name, convs, linears, widths):
    net = network(name, inputs=(3, 32, 32), classes=10)
    found = layers(net, nn.Conv2d)
    assert [conv.out_channels for conv in found] == widths
    assert len(found) == convs
    assert len(layers(net, nn.Linear)) == linears


def test_resnets_have_the_layers_they_are_named_by():
    net = network("resnet18", inputs=(3, 32, 32), classes=10)
    three = [conv for conv in layers(net, nn.Conv2d) if conv.kernel_size == (3, 3)]
    assert len(three) + len(layers(net, nn.Linear)) == 18
    ann = 11_173_962  # of the ResNet-18 of 32 x 32 images with ten classes
    assert parameters(net) == ann
    net = network("resnet19", inputs=(3, 32, 32), classes=10)
    three = [conv for conv in layers(net, nn.Conv2d) if conv.kernel_size == (3, 3)]
    assert len(three) + len(layers(net, nn.Linear)) == 19
    assert [conv.out_channels for conv in three] == [128] * 7 + [256] * 6 + [512] * 4


@pytest.mark.parametrize("name", ["cnn7", "vgg11", "resnet18"])
def test_without_steps_of_its_own_a_network_takes_those_of_the_input(name):
    net = network(name, inputs=(2, 8, 8), classes=3, width=2, steps=0).eval()
    assert net(torch.rand(5, 2, 2, 8, 8))[0].shape == (5, 2, 3)
    assert not layers(net, Repeat)


@pytest.mark.parametrize("name", ["cnn7", "vgg16", "resnet18", "resnet19"])
def test_an_image_passes_the_first_convolution_once(name):
    net = network(name, inputs=(1, 8, 8), classes=3, width=2, steps=5).eval()
    with Meter(net) as meter:
        net(torch.rand(1, 2, 1, 8, 8))
    first = next(layer for layer, done in meter.counts.items() if "conv" in layer)
    assert meter.counts[first].mac.item() == 2 * 22 * 22  # pairs of a 3 x 3 kernel on 8 x 8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"residual": "swe"}, "unknown network.residual 'swe': did you mean 'sew'"),
        ({"connect": "or"}, "network.connect"),
        ({"norm": "tdb"}, "did you mean 'tdbn'"),
        ({"steps": -1}, "network.steps must be a whole number of at least 0, got -1"),
        ({"steps": True}, "network.steps must be"),
        ({"width": 1.5}, "network.width must be a whole number of at least 1, got 1.5"),
    ],
)
def test_a_value_that_cannot_be_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        network("resnet18", inputs=(3, 8, 8), classes=2, **options)


def test_keyword_with_neurons_of_each_layer():
    def mixed(size):
        return Mixture({"lif": 0.5, "brf": 0.5}, size, dt=1e-2)

    def resonators(size):
        return BRF(size)

    net = network("keyword", inputs=(6,), classes=2, neuron=[mixed, resonators], layers=2, width=8)
    recurrent = layers(net, Recurrent)
    assert [type(layer.neuron) for layer in recurrent] == [Mixture, BRF]
    x, lengths = torch.rand(7, 3, 6), torch.tensor([7, 2, 4])
    out, _ = net.eval()(x, lengths=lengths)
    for sample, length in enumerate(lengths.tolist()):
        alone, _ = net(x[:length, sample : sample + 1])
        assert torch.allclose(alone[:, 0], out[:length, sample], atol=1e-5)
    flat = network("keyword", inputs=(6,), classes=2, recurrent=False, width=8)
    assert not layers(flat, Recurrent)


def test_keyword_says_what_does_not_fit():
    with pytest.raises(ValueError, match="for 2 layers, and there are 1: give layers=2"):
        network("keyword", inputs=(6,), classes=2, neuron=[LIF, LIF])
    with pytest.raises(ValueError, match="must be 1, 2 or 3, got 4"):
        network("keyword", inputs=(6,), classes=2, layers=4)
    with pytest.raises(ValueError, match=r"network.recurrent must be true or false, got 1"):
        network("keyword", inputs=(6,), classes=2, recurrent=1)


MINE = """
import torch
import picojoule as pj

def make(*, inputs, classes, neuron, width=4):
    conv = torch.nn.Sequential(torch.nn.Conv2d(inputs[0], width, 3), torch.nn.BatchNorm2d(width))
    return pj.Sequential(conv, neuron(width), torch.nn.Flatten(), torch.nn.LazyLinear(classes))

def wrong(**kwargs):
    return torch.nn.Linear(2, 2)

number = 3
"""


@pytest.fixture
def mine(tmp_path, monkeypatch):
    (tmp_path / "my_networks.py").write_text(MINE)
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("mine")
class TestYourOwn:
    def test_is_found_by_module_and_function(self):
        net = network("my_networks:make", inputs=(1, 5, 5), classes=3, width=2)
        assert isinstance(net, Sequential)
        out, _ = net(torch.rand(4, 2, 1, 5, 5))
        assert out.shape == (4, 2, 3)
        out.sum().backward()
        assert net[0][0].weight.grad is not None

    @pytest.mark.parametrize(
        ("name", "error", "message"),
        [
            ("my_network:make", ValueError, "in no module that Python finds"),
            ("my_networks:made", ValueError, "has no 'made'"),
            ("my_networks:number", ValueError, "not a function"),
            ("my_networks:wrong", TypeError, "gave a Linear"),
        ],
    )
    def test_says_what_is_wrong(self, name, error, message):
        with pytest.raises(error, match=message):
            network(name, inputs=(1, 5, 5), classes=3)

    def test_its_options_are_checked(self):
        with pytest.raises(ValueError, match="option of network 'my_networks:make' 'widht'"):
            network("my_networks:make", inputs=(1, 5, 5), classes=3, widht=2)


def test_linear_layers_go_by_events_only_where_that_can_help():
    assert not _may_be_sparse(torch.rand(4, 8).half(), torch.rand(40, 8).half())
    assert not _may_be_sparse(torch.rand(4, 8, 3), torch.rand(40, 3))


@pytest.mark.parametrize("neuron", ["LIF", [LIF, LIF], None])
def test_what_makes_no_neurons_is_refused(neuron):
    with pytest.raises(TypeError, match="neuron makes the neurons of a layer"):
        network("cnn7", inputs=(1, 16, 16), classes=2, neuron=neuron)


def test_no_class_is_refused():
    with pytest.raises(ValueError, match="classes must be at least 1, got 0"):
        network("mlp", inputs=(4,), classes=0)

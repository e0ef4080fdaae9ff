"""From an ANN to a spiking network, on the digits."""

import pytest
import torch
from torch import nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

import picojoule as pj
from picojoule.networks import ClipFloorShift, convert
from picojoule.neurons import IF, MultiLevelIF

STEPS = (2, 4, 8, 32)


def small(act=nn.ReLU):
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), act()),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.1),
        nn.Linear(128, 32),
        nn.BatchNorm1d(32),
        act(),
        nn.Linear(32, 10),
    )


@pytest.fixture(scope="module")
def digits():
    from sklearn.datasets import load_digits  # slow, and other tests do without

    data = load_digits()
    x = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1) / 16
    return x, torch.tensor(data.target)


def trained(ann, digits):
    torch.manual_seed(0)
    x, y = digits[0][:1200], digits[1][:1200]
    optimizer = torch.optim.Adam(ann.parameters(), 1e-2)
    for _ in range(8):
        for rows in torch.randperm(1200).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(ann(x[rows]), y[rows]).backward()
            optimizer.step()
    return ann.eval()


@pytest.fixture(scope="module")
def ann(digits):
    torch.manual_seed(0)
    return trained(small(), digits)


@pytest.fixture(scope="module")
def quantised(digits):
    torch.manual_seed(0)
    return trained(small(lambda: ClipFloorShift(8)), digits)


def accuracy(net, digits):
    x, y = digits[0][1200:], digits[1][1200:]
    out = (
        net(x)
        if isinstance(net, nn.Sequential) and not isinstance(net, pj.Sequential)
        else (net(x.unsqueeze(0))[0].mean(0))
    )
    return (out.argmax(1) == y).float().mean().item()


def batches(digits):
    return [(x, None) for x in digits[0][:400].split(200)]


def test_accuracy_stays_and_the_error_falls_with_the_steps(ann, digits):
    done = {steps: convert(ann, batches(digits), steps) for steps in STEPS}
    assert accuracy(done[32].net, digits) >= accuracy(ann, digits) - 0.01
    for name in done[2].errors:
        errors = [done[steps].errors[name] for steps in STEPS]
        assert errors == sorted(errors, reverse=True), name
        assert errors[-1] < 0.15


def test_a_quantised_activation_is_met_exactly_in_the_first_layer(quantised, digits):
    done = convert(quantised, batches(digits), 8)
    learned = [m.threshold.item() for m in quantised.modules() if isinstance(m, ClipFloorShift)]
    assert list(done.thresholds.values()) == pytest.approx(learned)
    assert done.errors["neuron1"] < 2e-3  # but for sums at the very edge of a step
    assert accuracy(done.net, digits) >= accuracy(quantised, digits) - 0.02


def test_levels_stand_in_for_steps(ann, digits):
    binary = convert(ann, batches(digits), 8)
    levels = convert(ann, batches(digits), 8, neuron="multilevel", levels=4)
    assert levels.errors["output"] < binary.errors["output"] / 2
    kinds = [[type(m) for m in one.net if isinstance(m, pj.Neuron)] for one in (binary, levels)]
    assert kinds == [[IF, IF], [MultiLevelIF, MultiLevelIF]]


def test_a_converted_network_is_one_of_ours(ann, digits):
    before = {name: value.clone() for name, value in ann.state_dict().items()}
    net = convert(ann, batches(digits), 4).net
    assert all(torch.equal(value, before[name]) for name, value in ann.state_dict().items())
    assert [name for name, _ in net.named_children()] == [
        *("conv1", "repeat", "neuron1", "avgpool2d1", "flatten1"),
        *("linear1", "neuron2", "linear2"),
    ]
    with pj.Meter(net) as meter:
        out, _ = net(digits[0][:5].unsqueeze(0))
    assert out.shape == (4, 5, 10)
    assert meter.uncounted == {}
    assert meter.counts["conv1"].mac.item() == 8 * 22 * 22  # once
    assert "mac" not in dict(meter.counts["linear1"].items())


def test_thresholds_are_percentiles(ann, digits):
    whole = convert(ann, batches(digits), 4, percentile=100).thresholds
    most = convert(ann, batches(digits), 4, percentile=99).thresholds
    x = digits[0][:400].split(200)
    tops = [ann[0](part).max().item() for part in x]
    assert whole["neuron1"] == pytest.approx(sum(tops) / 2, rel=1e-5)
    assert all(most[name] < whole[name] for name in whole)


class Standardised(nn.Linear):
    """A layer of somebody's, whose weights are not those that it uses."""

    def forward(self, x):
        return nn.functional.linear(x, self.weight - self.weight.mean(), self.bias)


class Raised(nn.ReLU):
    """An activation of somebody's."""

    def forward(self, x):
        return super().forward(x) + 1


def watched(*layers):
    net = nn.Sequential(*layers)
    net.register_forward_hook(lambda net, args, out: 2 * out)
    return net


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (weight_norm(nn.Linear(4, 4)), "'0' is a ParametrizedLinear that makes its weights anew"),
        (prune.identity(nn.Linear(4, 4), "weight"), "'0' is a Linear that makes its weights anew"),
        (Standardised(4, 4), "'0' is a Standardised with a forward of its own"),
        (watched(nn.Linear(4, 4)), "'0' is a Sequential with hooks"),
        (nn.Sequential(nn.Linear(4, 4), Raised()), "'0.1' is a Raised with a forward of its own"),
    ],
)
def test_what_a_layer_does_beside_its_type_is_not_lost(layer, message):
    with pytest.raises(TypeError, match=message):
        convert(nn.Sequential(layer, nn.ReLU(), nn.Linear(4, 2)), [torch.rand(3, 4)], 4)


def test_a_batch_norm_folds_if_it_learns_nothing_and_not_without_statistics():
    torch.manual_seed(0)
    norm = nn.BatchNorm1d(4, affine=False)
    ann = nn.Sequential(nn.Linear(4, 4), norm, nn.ReLU(), nn.Linear(4, 2))
    x = torch.rand(64, 4)
    ann(x)
    assert convert(ann.eval(), [x], 64).errors["output"] < 0.1
    ann[1] = nn.BatchNorm1d(4, track_running_stats=False)
    with pytest.raises(ValueError, match="batch norm '1' keeps no statistics"):
        convert(ann, [x], 64)


@pytest.mark.parametrize(
    ("layers", "error", "message"),
    [
        ([nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2)], TypeError, "'1' is a GELU"),
        ([nn.LSTM(4, 4), nn.Linear(4, 2)], TypeError, "'0' is a LSTM"),
        ([nn.Linear(4, 4), nn.Hardtanh(), nn.Linear(4, 2)], TypeError, "clipped at -1"),
        ([nn.BatchNorm1d(4), nn.Linear(4, 2)], ValueError, "'0' follows no weights"),
        ([nn.Linear(4, 4), nn.ReLU()], ValueError, "ends in a convolution or a linear layer"),
        ([nn.Linear(4, 4)], ValueError, "it has none"),
        ([nn.ReLU(), nn.Linear(4, 4)], ValueError, "activation '0' follows no weights"),
    ],
)
def test_what_cannot_be_converted_is_named(layers, error, message):
    with pytest.raises(error, match=message):
        convert(nn.Sequential(*layers), [torch.rand(3, 4)], 4)


def test_what_else_is_refused(ann, digits):
    with pytest.raises(ValueError, match="no batch"):
        convert(ann, [], 4)
    with pytest.raises(ValueError, match="percentile in"):
        convert(ann, batches(digits), 4, percentile=0)
    with pytest.raises(ValueError, match="neuron to convert to 'lif'"):
        convert(ann, batches(digits), 4, neuron="lif")
    silent = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    silent[0].bias.data.fill_(-9)
    with pytest.raises(ValueError, match="of layer 1 are zero"):
        convert(silent, [torch.rand(3, 4)], 4)


def test_clip_floor_shift_is_quantised_and_learns():
    act = ClipFloorShift(4, threshold=2.0)
    x = torch.linspace(-1, 3, 41, requires_grad=True)
    y = act(x)
    assert set(y.tolist()) == {0.0, 0.5, 1.0, 1.5, 2.0}
    assert (y - x.clamp(0, 2)).abs().max() <= 0.25 + 1e-6
    y.sum().backward()
    inside = (x > 0) & (x < 1.7)
    assert torch.allclose(x.grad[inside], torch.ones(int(inside.sum())))
    assert act.threshold.grad is not None
    with pytest.raises(ValueError, match="levels of at least 1"):
        ClipFloorShift(0)


class TestUnusualNetworks:
    def test_one_activation_in_two_places_is_two_layers(self):
        torch.manual_seed(0)
        act, x = nn.ReLU(), torch.rand(16, 4)
        ann = nn.Sequential(nn.Linear(4, 8), act, nn.Linear(8, 8), act, nn.Linear(8, 2))
        net, thresholds, errors = convert(ann, [x], 256)
        assert list(thresholds) == ["neuron1", "neuron2"]
        difference = (net(x.unsqueeze(0))[0].mean(0) - ann(x)).abs().mean() / ann(x).abs().mean()
        assert errors["output"] == pytest.approx(difference.item(), rel=1e-4)
        assert difference < 0.05

    def test_double_precision(self):
        torch.manual_seed(0)
        ann = nn.Sequential(nn.Linear(4, 8, bias=False), nn.ReLU(), nn.Linear(8, 2)).double()
        x = torch.rand(16, 4)
        net, _, errors = convert(ann, [x], 64)
        out, _ = net(x.double().unsqueeze(0))
        assert out.dtype == torch.float64
        assert errors["output"] < 0.05

    def test_what_is_not_finite_is_named(self):
        ann = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        with pytest.raises(ValueError, match="activations of layer 1 are not finite"):
            convert(ann, [torch.full((2, 4), torch.nan)], 4)

    def test_an_output_of_zero_has_no_error(self):
        ann = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        nn.init.zeros_(ann[2].weight)
        nn.init.zeros_(ann[2].bias)
        assert convert(ann, [torch.rand(8, 4)], 4).errors["output"] == 0

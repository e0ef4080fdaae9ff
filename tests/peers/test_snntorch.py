"""Networks of snnTorch, unchanged."""

import pytest
import snntorch as snn
import snntorch.utils
import torch
from torch import nn

import picojoule as pj
from peers.compare import fired, inputs, lively, meters, recorded, same, tau

BETA = 0.9


class Loop(nn.Module):
    """The step loop of snnTorch's tutorials."""

    def __init__(self, hidden=12, classes=5, **leaky):
        super().__init__()
        self.fc1 = nn.Linear(8, hidden)
        self.lif1 = snn.Leaky(beta=BETA, **leaky)
        self.fc2 = nn.Linear(hidden, classes)
        self.lif2 = snn.Leaky(beta=BETA, **leaky)

    def forward(self, x):
        mem1, mem2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        spk2_rec = []
        for step in range(len(x)):
            spk1, mem1 = self.lif1(self.fc1(x[step]), mem1)
            spk2, mem2 = self.lif2(self.fc2(spk1), mem2)
            spk2_rec.append(spk2)
        return torch.stack(spk2_rec)


def steps(net, x):
    """Every step through a network with hidden states."""
    snn.utils.reset(net)
    outs = [net(step) for step in x]
    return torch.stack([out[0] if isinstance(out, tuple) else out for out in outs])


def ours(*layers, reset="zero"):
    """Our network of the same layers; ``None`` is a leaky neuron."""
    alpha = tau(BETA)
    neurons = [pj.LIF(tau=alpha, reset=reset) if layer is None else layer for layer in layers]
    return pj.Sequential(*neurons)


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_the_step_loop(reset):
    net = Loop(reset_mechanism=reset, reset_delay=False)
    theirs, own = meters(
        net, ours(net.fc1, None, net.fc2, None, reset=reset), inputs(6, 4, 8), lambda n, x: n(x)
    )
    same(theirs, own, {"fc1": "0", "lif1": "1", "fc2": "2", "lif2": "3"})


def test_hidden_states():
    leaky = {"beta": BETA, "reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
    conv, linear = nn.Conv2d(1, 4, 3, padding=1), nn.Linear(4 * 16, 5)
    net = nn.Sequential(
        conv,
        snn.Leaky(**leaky),
        nn.MaxPool2d(2),
        nn.Flatten(),
        linear,
        snn.Leaky(**leaky, output=True),
    )
    own = ours(conv, None, nn.MaxPool2d(2), nn.Flatten(), linear, None)
    theirs, own = meters(net, own, inputs(6, 4, 1, 8, 8), steps)
    same(theirs, own, {name: name for name in "01245"})


def test_a_conv_net_with_norm_and_average_pooling():
    leaky = {"beta": BETA, "reset_mechanism": "zero", "reset_delay": False, "init_hidden": True}
    conv, norm = nn.Conv2d(2, 4, 3, stride=2, bias=False), nn.BatchNorm2d(4)
    linear = nn.Linear(4 * 4, 3)
    net = nn.Sequential(
        *(conv, norm, snn.Leaky(**leaky), nn.AvgPool2d(2), nn.Flatten(), linear),
        snn.Leaky(**leaky),
    )
    lively(net).eval()
    own = ours(conv, norm, None, nn.AvgPool2d(2), nn.Flatten(), linear, None).eval()
    theirs, own = meters(net, own, inputs(6, 4, 2, 9, 9), steps)
    same(theirs, own, {name: name for name in "02356"})


def test_the_reset_one_step_later_by_hand():
    """The default of snnTorch; ours resets in the same step."""
    net, x = Loop(), inputs(6, 4, 8)
    spikes = recorded(net, "lif1", "lif2")
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(x)
    counts = meter.counts
    first, second = fired(spikes["lif1"]) / 4, fired(spikes["lif2"]) / 4
    assert first > 0
    assert counts["fc1"].ac.item() == 12 * x.sum().item() / 4
    assert counts["fc2"].ac.item() == 5 * first
    assert counts["lif1"].spike.item() == first
    assert counts["lif2"].spike.item() == second
    for name, neurons in (("lif1", 12), ("lif2", 5)):
        layer = counts[name]
        assert layer.update.item() == layer.add.item() == layer.multiply.item() == 6 * neurons
    assert meter.uncounted == {}


def test_one_class_of_the_user():
    class Mine(snn.Leaky):
        """A neuron that derives from one that is known."""

    net = Loop()
    net.lif1 = Mine(beta=BETA)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(inputs(6, 4, 8))
    assert meter.counts["lif1"].sizes.neuron == "LIF"
    assert meter.counts["fc2"].ac.item() == 5 * meter.counts["lif1"].spike.item()


def test_weights_that_a_user_hides_in_a_neuron_are_named():
    class Hiding(snn.Leaky):
        """A neuron with a layer inside that nobody knows of."""

        def __init__(self):
            super().__init__(beta=BETA, init_hidden=True)
            self.inner = nn.Linear(6, 6)

        def forward(self, x):
            return super().forward(self.inner(x))

    net = nn.Sequential(nn.Linear(8, 6), Hiding())
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(inputs(4, 8))
    assert meter.uncounted == {"1.inner.weight": 36}

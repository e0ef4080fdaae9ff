"""Networks of SpikingJelly, unchanged."""

import pytest
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import picojoule as pj
from peers.compare import fired, inputs, lively, meters, recorded, same, tau

modes = pytest.mark.parametrize("mode", ["s", "m"])


def theirs(mode, *layers):
    net = lively(nn.Sequential(*layers)).eval()
    functional.set_step_mode(net, mode)
    return net


def runner(mode):
    """A call over all steps, or one a step."""

    def run(net, x):
        functional.reset_net(net)
        return net(x) if mode == "m" else torch.stack([net(step) for step in x])

    return run


def node(**settings):
    return neuron.LIFNode(tau=2.0, decay_input=False, **settings)


def lif(**settings):
    return pj.LIF(tau=tau(0.5), **settings)


@modes
def test_linear_layers(mode):
    first, second = layer.Linear(8, 12), layer.Linear(12, 5)
    net = theirs(mode, first, node(), second, node())
    own = pj.Sequential(plain(first), lif(), plain(second), lif())
    a, b = meters(net, own, inputs(6, 4, 8), runner(mode))
    same(a, b, {name: name for name in "0123"})


def plain(module):
    """The same layer of torch."""
    if isinstance(module, nn.Linear):
        copy = nn.Linear(module.in_features, module.out_features, module.bias is not None)
    elif isinstance(module, nn.BatchNorm2d):
        copy = nn.BatchNorm2d(module.num_features)
    else:
        kinds = (module.in_channels, module.out_channels, module.kernel_size, module.stride)
        copy = nn.Conv2d(*kinds, module.padding, bias=module.bias is not None)
    copy.load_state_dict(module.state_dict())
    return copy.eval()


@modes
def test_a_conv_net_with_norm_and_pooling(mode):
    conv, norm = layer.Conv2d(2, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4)
    last, out = layer.Conv2d(4, 4, 3, stride=2), layer.Linear(4, 3)
    net = theirs(
        mode,
        *(conv, norm, node(), layer.AvgPool2d(2)),
        *(last, node(v_reset=None), layer.MaxPool2d(1), layer.Flatten(), out, node()),
    )
    own = pj.Sequential(
        *(plain(conv), plain(norm), lif(), nn.AvgPool2d(2)),
        *(plain(last), lif(reset="subtract"), nn.MaxPool2d(1), nn.Flatten(), plain(out), lif()),
    )
    a, b = meters(net, own, inputs(6, 4, 2, 8, 8), runner(mode))
    same(a, b, {name: name for name in "02345689"})


class Block(nn.Module):
    """A residual block: spikes added to spikes, or currents added to spikes before the neuron."""

    def __init__(self, before):
        super().__init__()
        self.conv1, self.norm1 = layer.Conv2d(4, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4)
        self.conv2, self.norm2 = layer.Conv2d(4, 4, 3, padding=1, bias=False), layer.BatchNorm2d(4)
        self.node1, self.node2, self.before = node(), node(), before

    def forward(self, x):
        out = self.node1(self.norm1(self.conv1(x)))
        out = self.norm2(self.conv2(out))
        if self.before:
            out += x
            return self.node2(out)
        return self.node2(out) + x


class OurBlock(nn.Module):
    """The same, of torch and picojoule."""

    def __init__(self, block):
        super().__init__()
        for name in ("conv1", "norm1", "conv2", "norm2"):
            setattr(self, name, plain(getattr(block, name)))
        self.node1, self.node2, self.before = lif(), lif(), block.before

    def forward(self, x):
        def steps(function, values):
            return function(values.flatten(0, 1)).unflatten(0, values.shape[:2])

        out, _ = self.node1(steps(lambda v: self.norm1(self.conv1(v)), x))
        out = steps(lambda v: self.norm2(self.conv2(v)), out)
        if self.before:
            return self.node2(out + x)[0]
        return self.node2(out)[0] + x


class Stack(nn.Module):
    """Two blocks and a classifier on the mean over the image."""

    def __init__(self, first, second, pool, linear):
        super().__init__()
        self.first, self.second, self.pool, self.linear = first, second, pool, linear

    def forward(self, x):
        out = self.second(self.first(x))
        if isinstance(self.pool, layer.AdaptiveAvgPool2d):
            return self.linear(torch.flatten(self.pool(out), -3))
        return self.linear(self.pool(out.flatten(0, 1)).flatten(1)).unflatten(0, out.shape[:2])


@modes
@pytest.mark.parametrize("before", [False, True], ids=["SEW, added", "Spiking-ResNet"])
def test_residual_networks(mode, before):
    linear = layer.Linear(4, 3)
    net = Stack(Block(before), Block(before), layer.AdaptiveAvgPool2d((1, 1)), linear)
    net = theirs(mode, net)[0]
    blocks = OurBlock(net.first), OurBlock(net.second)
    own = Stack(*blocks, nn.AdaptiveAvgPool2d((1, 1)), plain(linear))
    a, b = meters(net, own, inputs(4, 3, 4, 6, 6, rate=0.3), runner(mode))
    parts = ("conv1", "node1", "conv2", "node2")
    names = [f"{block}.{part}" for block in ("first", "second") for part in parts]
    names += ["first", "second", "pool", "linear"]
    same(a, b, {name: name for name in names})
    kinds = {call.layer: call.kind.name for call in a.traffic if not call.fired}
    assert kinds["second.conv1"] == ("events" if before else "levels")
    assert kinds["linear"] == "levels"
    numbers = a.counts["linear"].ac.item() / 3
    assert numbers == pytest.approx(round(numbers * 3) / 3)


def counted(net, x, samples=None, **settings):
    functional.reset_net(net)
    samples = x.shape[1] if samples is None else samples
    with pj.Meter(net, samples=samples, inputs="events", **settings) as meter:
        net(x)
    assert meter.uncounted == {}
    return meter


@modes
def test_a_linear_recurrence(mode):
    """The container joins its input with its last output."""
    held = layer.LinearRecurrentContainer(node(), in_features=6, out_features=6, step_mode="m")
    net = lively(nn.Sequential(layer.Linear(8, 6, step_mode="m"), held))
    x = inputs(5, 4, 8)
    currents = net[0](x)
    fired = recorded(net, "1.sub_module")["1.sub_module"]
    meter = counted(net, x)
    # currents are analog, and the last spikes beside them are events
    assert meter.counts["1.rc"].mac.item() == 5 * 6 * 6
    assert meter.counts["1.rc"].ac.item() * 4 == 6 * torch.stack(fired)[:-1].sum().item()
    spiking = nn.Sequential(layer.LinearRecurrentContainer(node(), 8, 8, step_mode="m"))
    spikes = recorded(lively(spiking), "0.sub_module")["0.sub_module"]
    meter = counted(spiking, x)
    last = torch.stack(spikes)[:-1]
    assert last.any()
    assert meter.counts["0.rc"].ac.item() * 4 == 8 * (x.sum() + last.sum()).item()
    assert currents.shape == (5, 4, 6)


def test_an_element_wise_recurrence():
    held = layer.ElementWiseRecurrentContainer(node(), torch.add, step_mode="m")
    net = nn.Sequential(held, layer.Linear(8, 2, step_mode="m"))
    spikes = recorded(net, "0.sub_module")["0.sub_module"]
    x = inputs(5, 4, 8)
    meter = counted(net, x)
    fire = fired(spikes)
    assert fire > 0
    assert meter.counts["1"].ac.item() * 4 == 2 * fire
    assert meter.counts["0"].add.item() * 4 == (x.sum() + torch.stack(spikes)[:-1].sum()).item()


@pytest.mark.parametrize("how", ["multi", "seq to ann", "containers", "stepmode", "functions"])
def test_containers_and_functions_over_time(how):
    first, second = nn.Linear(8, 12), nn.Linear(12, 5)
    lively(nn.ModuleList([first, second]))

    class Functions(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.node, self.second = first, node(), second

        def forward(self, x):
            out = functional.seq_to_ann_forward(x, self.first)
            out = functional.multi_step_forward(out, (self.node, self.second))
            return functional.chunk_multi_step_forward(2, out, nn.Identity())

    net = {
        "multi": lambda: layer.MultiStepContainer(first, node(), second),
        "seq to ann": lambda: nn.Sequential(
            layer.SeqToANNContainer(first), node(step_mode="m"), layer.SeqToANNContainer(second)
        ),
        "containers": lambda: nn.Sequential(
            layer.SeqToANNContainer(first, nn.Identity()), layer.MultiStepContainer(node(), second)
        ),
        "stepmode": lambda: nn.Sequential(
            layer.StepModeContainer(False, "m", first),
            layer.StepModeContainer(True, "m", node(), second),
        ),
        "functions": Functions,
    }[how]()
    name = next(n for n, m in net.named_modules() if isinstance(m, neuron.LIFNode))
    spikes = recorded(net, name)[name]
    x = inputs(6, 4, 8)
    meter = counted(net, x)
    assert meter.counts[name].spike.item() * 4 == fired(spikes) > 0
    totals = sorted(c.ac.item() * 4 for n, c in meter.counts.items() if n != name and c.ac.item())
    assert totals == sorted([12 * x.sum().item(), 5 * fired(spikes)])


def test_time_at_the_end():
    """``t_last_multi_step_forward`` is a loop; its stateless sibling runs under ``torch.vmap``."""
    net = nn.Sequential(
        layer.TLastMultiStepContainer(nn.Linear(8, 12), node(), nn.Linear(12, 5)),
        layer.TLastSeqToANNContainer(nn.Linear(5, 3)),
    )
    spikes = recorded(lively(net), "0.1")["0.1"]
    x = inputs(4, 8, 6)
    with pj.Meter(net, samples=4, inputs="events") as meter:
        net(x)
    assert meter.counts["0.0"].ac.item() * 4 == 12 * x.sum().item()
    assert meter.counts["0.2"].ac.item() * 4 == 5 * fired(spikes) > 0
    assert {name.split(":")[0] for name in meter.uncounted} == {"1", "1.0", "1.0.weight"}


def test_dropout_in_training_leaves_spikes():
    """SpikingJelly multiplies by a mask that lasts for the whole sequence."""
    net = lively(
        nn.Sequential(layer.Linear(8, 12), node(), layer.Dropout(0.5), layer.Linear(12, 3))
    )
    functional.set_step_mode(net, "m")
    kept = recorded(net, "2")["2"]
    meter = counted(net, inputs(6, 4, 8))
    assert kept[0].max() == 2
    assert meter.counts["3"].ac.item() * 4 == 3 * fired(kept) / 2


def test_readouts_of_membranes_are_counted_as_they_stand():
    net = nn.Sequential(
        layer.Linear(8, 6, step_mode="m"), neuron.NonSpikingLIFNode(decode="max-mem")
    )
    x = inputs(5, 4, 8)
    with pytest.warns(UserWarning, match="no neuron is known"):
        meter = counted(net, x)
    assert meter.counts["0"].ac.item() * 4 == 6 * x.sum().item()
    assert meter.counts["1"].add.item() == 5 * 6 * 2

"""After a sequence's end nothing counts, whatever is made of the silence there."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from picojoule.energy import Meter
from picojoule.networks import Sequential
from picojoule.neurons import IF, MultiLevelIF, Recurrent


class Net(nn.Module):
    """Two layers of neurons, a function of their spikes, and a layer that receives its result."""

    def __init__(self, function):
        super().__init__()
        self.function = function
        self.one, self.other, self.layer = IF(), IF(threshold=0.7), nn.LazyLinear(3)

    def forward(self, x, lengths=None):
        s, t = self.one(x)[0], self.other(x.flip(-1))[0]
        if lengths is not None:
            within = (torch.arange(len(x))[:, None] < lengths).unsqueeze(-1)
            s, t = s * within, t * within
        return self.layer(self.function(s, t))


def _at(places):
    made = torch.zeros(places.shape)
    made[places] = 1
    return made


FUNCTIONS = {
    "the opposite": lambda s, t: 1 - t,
    "its negative": lambda s, t: -(1 - t),
    "its half": lambda s, t: (1 - t) * 0.5,
    "ones without": lambda s, t: torch.ones_like(s) - s,
    "less than one": lambda s, t: (s < 1).float(),
    "alike": lambda s, t: (s == t).float(),
    "unlike the opposite": lambda s, t: (s != 1 - t).float(),
    "or the opposite": lambda s, t: (~s.bool() | t.bool()).float(),
    "either the opposite": lambda s, t: (s.bool() ^ ~t.bool()).float(),
    "the larger": lambda s, t: torch.maximum(s, 1 - t),
    "the sum": lambda s, t: s + (1 - t),
    "the difference": lambda s, t: s - (1 - t),
    "opposites": lambda s, t: (1 - s) * (1 - t),
    "half way": lambda s, t: torch.lerp(s, 1 - t, 0.5),
    "side by side": lambda s, t: torch.cat([s, 1 - t], -1),
    "beside a mask": lambda s, t: torch.cat([s, torch.ones(*s.shape[:2], 1)], -1),
    "one above another": lambda s, t: torch.stack([1 - s, 1 - t]),
    "chosen": lambda s, t: torch.where(s.bool(), t, 1.0),
    "ones at silence": lambda s, t: _at(s < 1),
    "ones written": lambda s, t: s.masked_fill(~t.bool(), 1),
    "padded by ones": lambda s, t: F.pad(s, (1, 1), value=1),
    "added up": lambda s, t: s.cumsum(0),
    "the largest so far": lambda s, t: s.cummax(0).values,
    "rectified": lambda s, t: torch.relu(1 - t),
    "cast": lambda s, t: (1 - t).int().float(),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_padding_changes_nothing(name):
    torch.manual_seed(3)
    x, net = torch.rand(5, 1, 8) * 1.5, Net(FUNCTIONS[name])
    net(x)
    found = []
    for given in ({"x": x[:3]}, {"x": x, "lengths": torch.tensor([3])}):
        with torch.no_grad(), Meter(net, inputs="analog") as meter:
            net(**given)
        found.append(meter.counts["layer"])
    if name == "one above another":  # which of its rows are steps is not known
        assert found[1].ac >= found[0].ac
        return
    assert found[0].ac == found[1].ac > 0


def _alone(net, x, lengths):
    """The counts of the sequences one by one, none of which has anything after its end."""
    found = []
    for sample, length in enumerate(lengths):
        with Meter(net, inputs="events") as meter:
            net(x[:length, sample : sample + 1])
        found.append(meter.counts)
    return {layer: sum((one[layer] for one in found[1:]), found[0][layer]) for layer in found[0]}


@pytest.mark.parametrize("neuron", [IF, lambda: Recurrent(IF(), 8), lambda: MultiLevelIF(levels=3)])
@pytest.mark.parametrize("traffic", [True, False])
def test_sequences_count_together_as_they_do_alone(neuron, traffic):
    torch.manual_seed(5)
    net = Sequential(nn.Linear(6, 8), neuron(), nn.Linear(8, 8), neuron(), nn.Linear(8, 2)).double()
    x, lengths = (torch.rand(7, 3, 6) < 0.6).double(), torch.tensor([7, 2, 4])
    with Meter(net, inputs="events", traffic=traffic) as meter:
        net(x, lengths=lengths)
    alone = _alone(net, x, lengths.tolist())
    weights = [weight for weight in net.parameters() if weight.requires_grad]
    for layer, counts in meter.counts.items():
        for name, number in counts.items():
            other = getattr(alone[layer], name)
            assert number.item() * 3 == pytest.approx(other.item(), abs=1e-9), (layer, name)
        if counts.spike.requires_grad:
            pairs = (counts.spike * 3, alone[layer].spike)
            one, two = (
                torch.autograd.grad(number, weights, retain_graph=True, allow_unused=True)
                for number in pairs
            )
            for a, b in zip(one, two, strict=True):
                assert (a is None) == (b is None)
                assert a is None or torch.allclose(a, b)


MASKS = {
    "the ends": lambda s, ends: ends.unsqueeze(-1),
    "other ends": lambda s, ends: (torch.arange(len(s))[:, None] < 2).expand(ends.shape)[..., None],
    "a number for each neuron": lambda s, ends: ends,
    "of each neuron": lambda s, ends: torch.arange(s.shape[2]) > 1,
}


class Masked(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.one, self.layer, self.mask = IF(), nn.LazyLinear(2, bias=False), mask

    def forward(self, x, lengths=None):
        spikes = self.one(x)[0]
        self.given = spikes * self.mask(spikes, torch.arange(len(x))[:, None] < lengths)
        return self.layer(self.given)


@pytest.mark.parametrize("name", MASKS)
def test_any_mask_leaves_what_it_leaves(name):
    torch.manual_seed(6)
    x, lengths = torch.rand(4, 4, 4) * 1.5, torch.tensor([4, 1, 3, 2])
    net = Masked(MASKS[name])
    net(x, lengths=lengths)
    with Meter(net, inputs="analog") as meter:
        net(x, lengths=lengths)
    assert meter.counts["layer"].ac.item() * 4 == net.given.sum().item() * 2 > 0

"""After a sequence's end nothing counts, whatever is made of the silence there."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from picojoule.energy import Meter
from picojoule.neurons import IF


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

"""Channels that can be left out: without them a network puts out what it does if they are zero."""

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, prune

from picojoule.networks import Sequential
from picojoule.networks.channels import channels_of
from picojoule.networks.narrow import keep_only
from picojoule.neurons import LI, LIF

KEPT = torch.tensor([0, 2, 3, 7, 9])


class Flipped(nn.Linear):
    """A layer of somebody's that reads its inputs in another order."""

    def forward(self, x):
        return super().forward(x.flip(-1))


class FlippedRow(nn.Sequential):
    """A container of somebody's that does so."""

    def forward(self, x):
        return super().forward(x.flip(-1))


class FlippedNet(Sequential):
    """A network of somebody's that does so."""

    def forward(self, x, state=None, lengths=None):
        return super().forward(x.flip(-1), state, lengths)


def _plain(first=None, second=None):
    first, second = first or nn.Linear(10, 10), second or nn.Linear(10, 10)
    return [first, LIF(10), second, LIF(10), nn.Linear(10, 4), LI()]


def _one_layer_twice():
    layer = nn.Linear(10, 10)
    return Sequential(*_plain(layer, layer))


def _one_neuron_twice():
    layers = _plain()
    layers[3] = layers[1]
    return Sequential(*layers)


def _tied(name):
    layers = _plain()
    setattr(layers[2], name, getattr(layers[0], name))
    return Sequential(*layers)


def _made_anew(make):
    return Sequential(*_plain(None, make(nn.Linear(10, 10))))


NETWORKS = {
    "plain": (lambda: Sequential(*_plain()), ["inputs", "1", "3"]),
    "one layer twice": (_one_layer_twice, []),
    "one layer of neurons twice": (_one_neuron_twice, ["inputs"]),
    "tied weights": (lambda: _tied("weight"), []),
    "tied biases": (lambda: _tied("bias"), []),
    "weight norm": (lambda: _made_anew(parametrizations.weight_norm), ["inputs"]),
    "pruned": (
        lambda: _made_anew(lambda one: prune.l1_unstructured(one, "weight", 0.3)),
        ["inputs"],
    ),
    "a layer of one's own": (lambda: Sequential(*_plain(None, Flipped(10, 10))), ["inputs"]),
    "a container of one's own": (
        lambda: Sequential(*_plain(None, FlippedRow(nn.Linear(10, 10)))),
        ["inputs"],
    ),
    "a network of one's own": (lambda: FlippedNet(*_plain()), []),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_what_is_left_puts_out_what_zeros_would(name):
    make, places = NETWORKS[name]

    def made():
        torch.manual_seed(0)
        net = make().eval()
        return net, channels_of(net)

    x = 4 * torch.rand(8, 3, 10)
    gone = torch.ones(10).index_fill(0, KEPT, 0).bool()
    assert [one.name for one in made()[1]] == places
    for place in range(len(places)):
        (whole, of_whole), (net, of_net) = made(), made()
        given = x
        if of_whole[place].maker is None:
            given = x.masked_fill(gone, 0)
        for neuron in of_whole[place].neurons:
            neuron.register_forward_hook(lambda _, __, out: (out[0].masked_fill(gone, 0), out[1]))
        keep_only(net, [(of_net[place], KEPT)])
        torch.testing.assert_close(net(x)[0], whole(given)[0])

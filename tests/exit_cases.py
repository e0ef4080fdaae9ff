"""Networks with an exit whose samples end at different steps."""

import pytest
import torch
from torch import nn

import picojoule as pj
from all_networks import NETWORKS
from picojoule._torch import NormBase
from picojoule.networks.exit import log_odds

SEQUENCES = [case for case in NETWORKS if not case.static]
PLACES = pytest.mark.parametrize("case", NETWORKS, ids=lambda case: case.title)


@torch.no_grad()
def with_exit(case, batch=5, readout="mean"):
    """A network in use, whose confidence is the one at which most numbers of steps occur."""
    net, x = case.make(width=6), case.data(steps=7, batch=batch)
    for weight in net.parameters():
        if weight.dim() > 1:  # samples that differ, in networks of some layers too
            nn.init.normal_(weight, std=2.4 * weight[0].numel() ** -0.5)
    for norm in net.modules():
        if isinstance(norm, NormBase):
            nn.init.constant_(norm.weight, 1.0)
            nn.init.constant_(norm.bias, 0.3)
    net(x)  # for the statistics of norms
    net.eval()
    found = pj.Exit(readout=readout)
    scores = found.scores(net(x)[0])
    most = 0
    for odds in log_odds(scores).flatten().sort().values.tolist():
        found.odds.fill_(odds - 1e-4)
        if (different := len(set(found.steps(scores).tolist()))) > most:
            most, best = different, odds - 1e-4
    assert most > 1
    found.odds.fill_(best)
    net.add_module("exit", found)
    return net, x

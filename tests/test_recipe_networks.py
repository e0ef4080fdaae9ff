"""The networks of the recipes that come along."""

import pytest
import torch

from picojoule.energy import Meter
from picojoule.engine import Verdict, engines
from picojoule.networks import Repeat
from picojoule.recipe import load_recipe, recipe_names
from picojoule.run.build import build_network


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_by_the_fused_engine(name):
    recipe = load_recipe(name, ["network.width=8"])
    net = build_network(recipe).train()
    shape = recipe.data.make_encoder().inputs(recipe.data.dataset.inputs)
    steps = 1 if any(isinstance(one, Repeat) for one in net.modules()) else 2
    x = torch.rand(steps, 2, *((shape,) if isinstance(shape, int) else shape))
    with Meter(net):
        out = net(x)
    (out[0] if isinstance(out, tuple) else out).sum().backward()
    assert set(engines(net).values()) == {Verdict("fused")}

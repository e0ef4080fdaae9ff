"""The four kinds of residual blocks: what each does to what goes through it."""

import pytest
import torch
from torch import nn

from picojoule.energy import Meter
from picojoule.networks import Residual, Sequential, network
from picojoule.networks.sequential import ResidualState
from picojoule.neurons import LIF, Barrier, MultiLevelIF

KINDS = ("spiking", "sew", "ms", "sparse")


def made(residual, *, neuron=LIF, **options):
    torch.manual_seed(0)
    options = {"width": 8, "steps": 0, "residual": residual, **options}
    return network("resnet18", inputs=(2, 8, 8), classes=3, neuron=neuron, **options)


def events(steps=4, batch=8, inputs=(2, 8, 8)):
    return (torch.rand(steps, batch, *inputs) < 0.3).float()


def blocks(net):
    """What each block gives, by its name."""
    found = {}
    names = [name for name, _ in net.named_modules() if name.rpartition(".")[2].startswith("block")]
    for name in names:
        block = net.get_submodule(name)
        block.register_forward_hook(lambda _, __, out, name=name: found.update({name: out[0]}))
    net(events())
    return found


def counted(net, x=None):
    with Meter(net, inputs="events") as meter:
        net(events() if x is None else x)
    assert not meter.uncounted
    return meter


def test_spike_counts_of_sew_grow_along_the_depth():
    outs = blocks(made("sew"))
    for stage in range(1, 5):
        first, second = (outs[f"stage{stage}.block{place}"] for place in (1, 2))
        assert torch.equal(first, first.round())
        assert (second >= first).all()  # what came before it, and spikes of its own
        assert second.mean() > first.mean()
        assert (first.max(), second.max()) == (2, 3)  # a stage starts anew from spikes


@pytest.mark.parametrize("levels", [1, 2, 3])
@pytest.mark.parametrize("neuron", [LIF, MultiLevelIF])
def test_the_barrier_bounds_what_every_block_gives(levels, neuron):
    outs = blocks(made("sparse", levels=levels, neuron=neuron))
    assert len(outs) == 8
    for out in outs.values():
        assert torch.equal(out, out.round())
        assert out.min() >= 0
        assert out.max() <= levels
    assert max(out.max() for out in outs.values()) == levels


def test_without_its_barrier_the_same_block_would_exceed_it():
    net = made("sparse", levels=1)
    found = []
    for module in net.modules():
        if isinstance(module, Barrier):
            module.register_forward_hook(lambda _, given, __: found.append(given[0].max().item()))
    net(events())
    assert max(found) > 1


def test_ms_adds_on_membranes():
    net = made("ms")
    counts = counted(net).counts
    sizes = {1: 8 * 8 * 8, 2: 16 * 4 * 4, 3: 32 * 2 * 2, 4: 64}
    for stage, size in sizes.items():
        for place in (1, 2):
            assert counts[f"stage{stage}.block{place}"].add.item() == 4 * size  # one at each step
    outs = blocks(net)
    assert not any(torch.equal(out, out.round()) for out in outs.values())


def test_ms_starts_as_its_shortcut():
    net = made("ms")
    outs = blocks(net)
    assert torch.equal(outs["stage1.block1"], outs["stage1.block2"])


def test_sums_of_spikes_cost_an_addition_for_each():
    net, x = made("sew").eval(), events()
    counts = counted(net, x).counts
    spikes = sum(
        counts[name].spike.item() for name in ("stem.neuron1", "stage1.block1.body.neuron2")
    )
    assert counts["stage1.block1"].add.item() == pytest.approx(spikes)
    assert "add" not in dict(counted(made("sew", connect="and"), x).counts.get("stage1.block1", {}))


@pytest.mark.parametrize(("connect", "most"), [("add", 3), ("and", 1), ("iand", 1)])
def test_what_sew_connects_by(connect, most):
    outs = blocks(made("sew", connect=connect))
    assert max(out.max() for out in outs.values()) == most


@pytest.mark.parametrize("residual", KINDS)
def test_activity_of_each_block_is_known(residual):
    counts = counted(made(residual)).counts
    for stage in range(1, 5):
        for place in (1, 2):
            name = f"stage{stage}.block{place}."
            fired = [
                c.spike.item()
                for layer, c in counts.items()
                if layer.startswith(name) and "spike" in dict(c.items())
            ]
            assert len(fired) == {"ms": 2, "spiking": 2, "sew": 2, "sparse": 3}[residual] + (
                residual in ("sew", "sparse") and stage > 1 and place == 1
            )
            assert sum(fired) > 0


def test_spiking_adds_spikes_to_currents():
    counts = counted(made("spiking")).counts
    assert counts["stage1.block1.sum"].add.item() == 4 * 8 * 8 * 8
    levels = made("spiking", neuron=MultiLevelIF)
    assert levels.get_submodule("stage1.block1.sum.shortcut.scale1").factor == 0.25


@pytest.mark.parametrize("connect", ["and", "iand"])
def test_and_is_of_spikes(connect):
    with pytest.raises(ValueError, match="puts out levels: use connect='add'"):
        made("sew", connect=connect, neuron=MultiLevelIF)
    with pytest.raises(ValueError, match="is for residual='sew', got residual='ms'"):
        made("ms", connect=connect)


class TestContainer:
    def test_joins(self):
        a, b = torch.tensor([0.0, 0, 1, 1]), torch.tensor([0.0, 1, 0, 1])
        for join, expected in {
            "add": [0, 1, 1, 2],
            "and": [0, 0, 0, 1],
            "iand": [0, 1, 0, 0],
        }.items():
            assert Residual(Sequential(), join=join).joined(a, b).tolist() == expected

    def test_without_a_shortcut_the_input_itself_is_added(self):
        x = torch.rand(3, 2, 4)
        out, state = Residual(Sequential(nn.Identity()))(x)
        assert torch.equal(out, 2 * x)
        assert state == ResidualState((None,), ())

    def test_carries_the_states_of_both_ways(self):
        layer = Residual(Sequential(nn.Linear(4, 4), LIF()), Sequential(LIF(tau=5e-3)))
        x = torch.rand(6, 3, 4)
        whole, _ = layer(x)
        first, state = layer(x[:2])
        second, _ = layer(x[2:], state)
        assert torch.allclose(torch.cat([first, second]), whole, atol=1e-6)

    def test_ways_of_different_shapes_are_refused(self):
        layer = Residual(Sequential(nn.Linear(4, 3)))
        with pytest.raises(ValueError, match="give a shortcut="):
            layer(torch.rand(2, 3, 4))

    def test_unknown_join(self):
        with pytest.raises(ValueError, match="did you mean 'iand'"):
            Residual(Sequential(), join="iandd")


def test_and_lets_spikes_through_from_the_start():
    outs = blocks(made("sew", connect="and"))
    assert outs["stage4.block2"].mean() > 0.02

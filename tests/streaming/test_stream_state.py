"""What a stream carries from step to step, and what it takes notice of."""

import pytest
import torch
from torch import nn

from picojoule.energy import Meter
from picojoule.kernels import cc
from picojoule.kernels.paths import LIMITS
from picojoule.networks import Residual, Sequential
from picojoule.neurons import LIF, Recurrent
from picojoule.streaming import stream
from stream_cases import firing, flat, spikes, stream_of


class TestState:
    def test_goes_on_from_that_of_the_network(self):
        net, x = firing(), spikes()
        expected, _ = net(x)
        _, half = net(x[:10])
        run = stream(net)
        run.state = half
        before = [tensor.clone() for tensor in flat(half)]
        out = torch.stack([run(step) for step in x[10:]])
        torch.testing.assert_close(out, expected[10:], rtol=1e-10, atol=1e-10)
        assert all(torch.equal(one, other) for one, other in zip(before, flat(half), strict=True))

    def test_is_taken_by_the_network(self):
        net, x = firing(), spikes()
        run = stream(net)
        assert run.state is None
        for step in x[:10]:
            run(step)
        kept = run.state
        out, _ = net(x[10:], kept)
        torch.testing.assert_close(out, net(x)[0][10:], rtol=1e-10, atol=1e-10)

    def test_that_was_kept_does_not_change(self):
        run, x = stream(firing()), spikes()
        run(x[0])
        kept = run.state
        before = [tensor.clone() for tensor in flat(kept)]
        for step in x:
            run(step)
        assert all(torch.equal(one, other) for one, other in zip(before, flat(kept), strict=True))

    def test_reset(self):
        run, x = stream(firing()), spikes()
        first = [run(step) for step in x]
        run.reset()
        assert run.state is None
        assert all(torch.equal(run(step), out) for step, out in zip(x, first, strict=True))
        run.reset()
        assert run(spikes(batch=5)[0]).shape == (5, 3)

    def test_of_another_network(self):
        run = stream(firing())
        with pytest.raises(ValueError, match="the state is of 2 layers, the network has 6"):
            run.state = (None, None)

    @pytest.mark.parametrize("layers", [slice(0, 2), slice(2, 4)], ids=["neurons", "recurrent"])
    def test_of_another_batch(self, layers):
        net = firing(hidden=40)[layers].eval()
        _, state = net(spikes(batch=2))
        run = stream(net)
        run.state = state
        with pytest.raises(ValueError, match="the state is of"):
            run(spikes(batch=3)[0])


class TestChanges:
    def test_of_weights_are_seen(self):
        net, x = firing(), spikes()
        run = stream(net, path="events")
        run(x[0])
        with torch.no_grad():
            for parameter in net.parameters():
                parameter.mul_(0.9)
        kept = run.state
        expected, _ = net(x[1:2], kept)
        torch.testing.assert_close(run(x[1]), expected[0], rtol=1e-10, atol=1e-10)

    def test_of_a_whole_weight_is_seen(self):
        net, x = firing()[:1].eval(), spikes()
        run = stream(net, path="events")
        run(x[0])
        net[0].weight = nn.Parameter(torch.ones_like(net[0].weight))
        torch.testing.assert_close(run(x[1]), net(x[1:2])[0][0])

    def test_by_load_state_dict_are_seen(self):
        net, x = firing(), spikes()
        run = stream(net)
        run(x[0])
        net.load_state_dict({name: 0.5 * value for name, value in net.state_dict().items()})
        expected, _ = net(x[1:2], run.state)
        torch.testing.assert_close(run(x[1]), expected[0], rtol=1e-10, atol=1e-10)


class TestChoice:
    def test_is_shown(self, monkeypatch):
        for name in LIMITS[cc.tier()]:
            monkeypatch.setitem(LIMITS[cc.tier()], name, 0.5)
        net = Sequential(nn.Linear(40, 50)).eval()
        run = stream(net)
        run(torch.eye(1, 40))
        assert run.paths == {"0": "events"}
        run(torch.ones(1, 40))
        assert run.paths == {"0": "dense"}

    def test_is_overridden(self):
        for path in ("events", "dense"):
            run = stream(firing(), path=path)
            run(spikes()[0])
            assert set(run.paths.values()) == {path}

    def test_unknown(self):
        with pytest.raises(ValueError, match="unknown path 'sparse'"):
            stream(LIF(), path="sparse")


class TestMeter:
    def test_counts_each_step(self):
        net, x = firing(), spikes()
        with Meter(net, inputs="events") as whole:
            net(x)
        run = stream(net)
        with Meter(net, inputs="events") as meter:
            out = [run(step) for step in x]
        assert torch.equal(torch.stack(out), torch.stack([*map(stream_of(net), x)]))
        assert meter.samples == len(x)
        for layer, counts in whole.counts.items():
            for name in ("ac", "mac", "update", "spike"):
                ours = getattr(meter.counts[layer], name) * len(x)
                theirs = getattr(counts, name)
                assert ours.item() == pytest.approx(theirs.item()), (layer, name)

    def test_hooks_are_called(self):
        net, seen = firing(), []
        handle = net[1].register_forward_hook(lambda *args: seen.append(args[2][0].shape))
        run, x = stream(net), spikes()
        first = run(x[0])
        handle.remove()
        assert seen == [(1, 1, 50)]
        expected, _ = net(x[:2])
        torch.testing.assert_close(torch.stack([first, run(x[1])]), expected)


def layers():
    return Sequential(nn.Linear(30, 40), LIF(40), nn.Linear(40, 10), LIF()).eval()


def leave_out(net):
    del net[3]


CHANGES = {
    "linear": lambda net: net.__setitem__(0, nn.Linear(30, 40)),
    "neurons": lambda net: net.__setitem__(1, LIF(40, tau=1e-3)),
    "a parameter": lambda net: setattr(net[1], "tau", nn.Parameter(torch.full((40,), 1e-3))),
    "appended": lambda net: net.append(LIF().eval()),
    "left out": leave_out,
}


@pytest.mark.parametrize("change", CHANGES)
class TestLayersThatChange:
    """As ``net(x, state)`` has them from one step to the next."""

    def test_are_followed_by_the_next_step(self, change):
        torch.manual_seed(0)
        net, x = layers(), (torch.rand(20, 1, 30) < 0.2).float()
        run, own = stream(net), stream_of(net)
        for step in x[:10]:
            torch.testing.assert_close(run(step), own(step))
        CHANGES[change](net)
        if change in ("appended", "left out"):
            for _ in range(2):
                with pytest.raises(ValueError, match=r"the state is of 4 layers.*reset\(\)"):
                    run(x[10])
        else:
            for step in x[10:]:
                torch.testing.assert_close(run(step), own(step))

    def test_are_followed_by_a_reset(self, change):
        torch.manual_seed(0)
        net, x = layers(), (torch.rand(20, 1, 30) < 0.2).float()
        run = stream(net)
        run(x[0])
        CHANGES[change](net)
        run.reset()
        expected = net(x)[0].detach()
        torch.testing.assert_close(torch.stack([run(step) for step in x]), expected)


def test_a_layer_may_stand_in_several_places():
    torch.manual_seed(0)
    linear, neuron = nn.Linear(30, 30), LIF()
    net = Sequential(linear, neuron, linear, neuron).eval()
    x = (torch.rand(20, 1, 30) < 0.5).float()
    run = stream(net)
    out = torch.stack([run(step) for step in x])
    torch.testing.assert_close(out, net(x)[0].detach())
    assert len(run.state) == 4


class _Sequential(Sequential):
    def forward(self, x, state=None, lengths=None):
        return super().forward(2 * x, state, lengths)


class _Residual(Residual):
    def forward(self, x, state=None, lengths=None):
        out, state = super().forward(x, state, lengths)
        return 2 * out, state


class _LIF(LIF):
    def forward(self, x, state=None):
        return super().forward(2 * x, state)


class _Recurrent(Recurrent):
    def forward(self, x, state=None):
        return super().forward(2 * x, state)


def _twice(layer):
    layer.forward = lambda x: 2 * nn.Linear.forward(layer, x)
    return layer


@pytest.mark.parametrize(
    "layers",
    [
        lambda: [_Sequential(nn.Linear(8, 8), LIF(8))],
        lambda: [_Residual(Sequential(nn.Linear(8, 8), LIF(8)))],
        lambda: [_LIF(8)],
        lambda: [_Recurrent(LIF(8), 8)],
        lambda: [Recurrent(_LIF(8), 8)],
        lambda: [_twice(nn.Linear(8, 8)), LIF(8)],
    ],
)
def test_a_layer_with_a_forward_of_its_own_runs_that(layers):
    torch.manual_seed(0)
    net, x = Sequential(nn.Linear(8, 8), *layers()).eval(), 3 * torch.rand(20, 2, 8)
    run = stream(net)
    torch.testing.assert_close(torch.stack([run(step) for step in x]), net(x)[0])
    net[0] = _twice(net[0])
    run.reset()
    torch.testing.assert_close(torch.stack([run(step) for step in x]), net(x)[0])

"""A network one step at a time against the same network on all steps at once."""

import pytest
import torch
from torch import nn

from all_networks import NETWORKS
from all_neurons import NEURONS, SIZE
from picojoule.kernels import cc
from picojoule.networks import Repeat, Sequential
from picojoule.neurons import LIF, Neuron
from picojoule.streaming import Stream, stream
from stream_cases import firing, flat, spikes

STREAMED = [case for case in NETWORKS if not case.static]
# Products of one row round otherwise than those of all steps: currents of size one differ by some
# 1e-6, and membranes after a few steps by little more.
NEAR = {"rtol": 1e-4, "atol": 1e-5}


@pytest.fixture(params=["c", "numba", "off"])
def tier(request, monkeypatch):
    monkeypatch.setenv("PICOJOULE_KERNELS", request.param)
    try:
        cc.tier()
    except RuntimeError as error:
        pytest.skip(str(error))
    return request.param


@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("path", [None, "events", "dense"])
@pytest.mark.parametrize("case", STREAMED, ids=lambda case: f"{case.name} {case.inputs}")
class TestNamedNetworks:
    def test_equal_their_own_forward(self, case, path, batch):
        net = case.make().eval()
        x = case.data(steps=12, batch=batch)
        expected, last = net(x)
        run = stream(net, path=path)
        out = torch.stack([run(step) for step in x])
        torch.testing.assert_close(out, expected, **NEAR)
        for ours, theirs in zip(flat(run.state), flat(last), strict=True):
            torch.testing.assert_close(ours, theirs, **NEAR)
        assert not out.requires_grad


@pytest.mark.parametrize("engine", [None, "eager"])
@pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)
def test_every_neuron_equals_its_own_forward(case, engine):
    torch.manual_seed(0)
    neuron = case.make(size=SIZE).double().eval()
    for one in neuron.modules():
        if isinstance(one, Neuron):
            one.engine = engine
    currents = 2 * torch.rand(15, 3, SIZE, dtype=torch.float64)
    expected, last = neuron(currents)
    run = stream(neuron)
    out = torch.stack([run(current) for current in currents])
    torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)
    for ours, theirs in zip(flat(run.state), flat(last), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-10)


class TestSteps:
    def test_equal_the_whole(self, tier):
        for batch in (1, 3):
            net, x = firing(), spikes(batch=batch)
            expected, _ = net(x)
            assert expected.abs().max() > 0.1
            for path in (None, "events", "dense"):
                run = stream(net, path=path)
                out = torch.stack([run(step) for step in x])
                torch.testing.assert_close(out, expected, rtol=1e-10, atol=1e-10)

    def test_do_not_overwrite_each_other(self):
        net = firing()[:4].eval()
        run = stream(net)
        outs = [run(step) for step in spikes()]
        kept = [out.clone() for out in outs]
        run(spikes()[0])
        assert all(torch.equal(one, other) for one, other in zip(outs, kept, strict=True))
        assert 0 < torch.stack(outs).mean() < 0.9

    def test_of_layers_in_layers(self):
        flat_net = firing()
        net = Sequential(Sequential(*flat_net[:3]), *flat_net[3:]).eval()
        x = spikes()
        run, own = stream(net), stream(flat_net)
        assert all(torch.equal(run(step), own(step)) for step in x)
        assert len(run.state[0]) == 3
        assert set(run.paths) == {"0.0", "0.2", "1.recurrent", "2"}

    def test_of_neurons_alone(self):
        neurons, x = LIF(40), spikes() * 0.6
        expected, last = neurons.double().eval()(x)
        run = stream(neurons)
        assert torch.equal(torch.stack([run(step) for step in x]), expected)
        assert torch.equal(run.state.membrane, last.membrane)

    def test_of_pictures(self):
        torch.manual_seed(0)
        net = Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), LIF(4), nn.Flatten())
        net.append(nn.Linear(144, 3)).eval()
        x = 5 * torch.rand(6, 2, 1, 8, 8)
        expected, _ = net(x)
        run = stream(net)
        torch.testing.assert_close(torch.stack([run(step) for step in x]), expected, **NEAR)

    @pytest.mark.parametrize("engine", ["eager", "fused"])
    def test_by_the_engine_asked_for(self, engine):
        if engine == "fused" and cc.tier() == "off":
            pytest.skip("nothing can be compiled here")
        net, x = firing(), spikes()
        for layer in (net[1], net[3].neuron):
            layer.engine = engine
        run = stream(net)
        torch.testing.assert_close(torch.stack([run(step) for step in x]), net(x)[0])


class TestBadInput:
    def test_training(self):
        net = firing()
        with pytest.raises(ValueError, match=r"training mode: call net.eval\(\)"):
            stream(net.train())(spikes()[0])

    def test_networks_that_cannot(self):
        with pytest.raises(TypeError, match=r"Repeat\(4\) .* stream the layers after it"):
            stream(Sequential(nn.Linear(3, 2), Repeat(4), LIF()))
        with pytest.raises(TypeError, match="Sequential holds neurons"):
            stream(Sequential(nn.Sequential(nn.Linear(3, 2), LIF())))
        with pytest.raises(TypeError, match=r"picojoule Sequential or Neuron, got Linear"):
            Stream(nn.Linear(3, 2))

    def test_steps(self):
        run = stream(firing())
        with pytest.raises(ValueError, match=r"expected one step x \[B, ...\]"):
            run(torch.zeros(40).double())
        run(spikes()[0])
        for other in (spikes(batch=2)[0], spikes()[0].float()):
            with pytest.raises(ValueError, match=r"like those before, \[1, 40\] torch.float64"):
                run(other)
        with pytest.raises(RuntimeError, match="shape"):
            stream(firing())(spikes(inputs=39)[0])

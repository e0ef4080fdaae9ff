"""Networks that cannot be seen as they are: compiled, scripted, checkpointed, silent."""

import warnings
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from energy.metering import Two, events, run, totals
from picojoule.energy import Convention, Meter, load_chip
from picojoule.energy.meter.watch import eager
from picojoule.networks import Sequential
from picojoule.neurons import LIF, NeuronCost, Recurrent
from picojoule.streaming import stream


@dataclass(slots=True)
class Scores:
    """What a network gives back, without a ``__dict__``."""

    logits: torch.Tensor


def test_a_network_gives_back_a_dataclass_with_slots():
    layer = nn.Linear(3, 4)
    meter = run(Two(lambda net, x: Scores(net.layer(x)), layer=layer), x := events(6, 3))
    assert totals(meter)["ac"] == 4 * x.sum()


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_a_nested_input_is_refused_in_a_sentence(layout):
    x = torch.nested.nested_tensor([torch.ones(2, 3), torch.ones(4, 3)], layout=layout)
    with pytest.raises(ValueError, match=r"nested tensor, .* pad it"):
        run(nn.Linear(3, 4), x, samples=2)


def test_layers_without_weights_as_yet():
    net = Two(lambda net, x: net.neuron(net.first(x))[0], first=nn.LazyLinear(4), neuron=LIF())
    net.other = nn.LazyLinear(4)
    for _ in range(2):
        meter = run(net, x := events(6, 2, 3), samples=2)
        assert meter.counts["first"].ac == 2 * x.sum()
        assert (meter.uncounted, meter.unreached) == ({}, ["other"])


class Net(nn.Module):
    """Two layers and a neuron, in a module of its own."""

    def __init__(self):
        super().__init__()
        self.first, self.neuron, self.second = nn.Linear(3, 4), LIF(), nn.Linear(4, 2)
        self.first.weight.data.abs_()

    def forward(self, x):
        return self.second(self.neuron(self.first(x))[0])


@pytest.fixture
def x():
    return events(6, 2, 3)


def metered(net, x):
    with Meter(net, inputs="events") as meter:
        net(x)
    return meter


class TestCompiled:
    @pytest.mark.parametrize("before", [True, False], ids=["ran before", "never ran"])
    @pytest.mark.parametrize("how", ["function", "method", "part"])
    def test_a_compiled_network_counts_as_it_was(self, how, before, x):
        net = Net()
        expected = metered(net, x)
        compiled = net
        if how == "function":
            compiled = torch.compile(net, backend="eager")
        elif how == "method":
            net.compile(backend="eager")
        else:
            net.first = torch.compile(net.first, backend="eager")
        if before:
            compiled(x)
        with pytest.warns(UserWarning, match="runs uncompiled, which is slower") as caught:
            meter = metered(compiled, x)
        assert sum("uncompiled" in str(warning.message) for warning in caught) == 1
        assert totals(meter) == totals(expected) != {}
        assert set(meter.counts) == set(expected.counts) == {"first", "neuron", "second"}
        assert meter.uncounted == {}

    def test_a_compiled_function_inside_is_seen(self, x):
        layer = nn.Linear(3, 2)
        double = torch.compile(lambda x: layer(x), backend="eager")
        net = Two(lambda net, x: double(x), layer=layer)
        net(x)
        assert totals(run(net, x)) == totals(run(layer, x))

    def test_it_is_compiled_again_afterwards(self, x):
        torch._dynamo.reset()
        traced = []

        def backend(graph, inputs):
            traced.append(graph)
            return graph.forward

        net = torch.compile(nn.Linear(3, 2), backend=backend)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            run(net, x)
        assert not traced
        net(x)
        assert traced

    @pytest.mark.filterwarnings("ignore:what torch.compile made")
    def test_it_is_compiled_again_after_blocks_that_overlap(self, x):
        """Blocks of several threads end in any order; here the first to begin ends first."""
        torch._dynamo.reset()
        traced = []

        def backend(graph, inputs):
            traced.append(graph)
            return graph.forward

        net = torch.compile(nn.Linear(3, 2), backend=backend)
        with ExitStack() as late:
            with ExitStack() as early:
                eager(net, early)
                eager(net, late)
            net(x)
            assert not traced
        net(x)
        assert traced

    def test_it_is_compiled_again_after_a_block_that_could_not_begin(self, x):
        torch._dynamo.reset()
        net = torch.compile(nn.Linear(3, 2), backend="eager")
        meter = Meter(net, samples=2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with pytest.raises(UserWarning, match="runs uncompiled"):
                meter.__enter__()
        traced = []

        def backend(graph, inputs):
            traced.append(graph)
            return graph.forward

        torch.compile(nn.Linear(3, 2), backend=backend)(x)
        assert traced


class TestScripted:
    @pytest.fixture
    def part(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return torch.jit.trace(nn.Linear(3, 4), torch.rand(1, 3))

    def test_a_traced_part_is_named(self, part, x):
        meter = run(nn.Sequential(part, nn.Linear(4, 2)), x)
        assert meter.uncounted == {"0.weight": 12, "1: input of unknown origin": 48}
        assert set(meter.counts) == {"1"}
        assert meter.counts["1"].mac.item() == 6 * 2 * 8
        assert meter.unreached == []

    def test_a_traced_part_that_did_not_run_is_not_said_to_have(self, part, x):
        around = nn.Sequential(part)
        meter = run(Two(lambda net, x: net.fc(x), fc=nn.Linear(3, 2), other=around), x)
        assert meter.uncounted == {}
        assert meter.unreached == ["other.0"]

    def test_a_traced_network_is_refused(self, part):
        with pytest.raises(ValueError, match="scripted or traced"):
            Meter(part, samples=1)


class Blocks(nn.Module):
    """Recurrent and plain neurons behind a residual addition, run again for their gradient or not.

    Levels, signed levels and uneven ones make the meter save tensors of its own.
    """

    def __init__(self, again):
        super().__init__()
        self.again = again
        self.block = Sequential(
            nn.Linear(3, 4), Recurrent(LIF(threshold=0.3), 4), nn.Linear(4, 4), LIF(threshold=0.2)
        )
        self.last = nn.Linear(4, 2)
        for layer in (self.block[0], self.block[2]):
            layer.weight.data.abs_()

    def inner(self, x, lengths):
        spikes = self.block(x, None, lengths)[0]
        return self.last((spikes + spikes) * 0.5 - spikes.flip(0))

    def forward(self, x, lengths=None):
        if self.again:
            return checkpoint(self.inner, x, lengths, use_reentrant=False)
        return self.inner(x, lengths)


class TestCheckpointed:
    """Layers run again for their gradient: the same counts, and the same gradient of the energy."""

    @pytest.mark.parametrize("lengths", [None, torch.tensor([4, 6])])
    @pytest.mark.parametrize("levels", ["accumulate", "multiply"])
    def test_the_penalty_has_the_same_gradient(self, lengths, levels, x):
        found = []
        for again in (False, True):
            torch.manual_seed(0)
            net = Blocks(again)
            with Meter(net, inputs="events", convention=Convention(levels=levels)) as meter:
                net(x, lengths)
            energy = load_chip("45nm-sram").price(meter.counts).total
            energy.backward()
            found.append((energy.item(), [parameter.grad for parameter in net.parameters()]))
        (plain, expected), (again, gradients) = found
        assert plain == again
        given = [gradient for gradient in expected if gradient is not None]
        assert len(given) > 3
        assert any(gradient.any() for gradient in given)
        for one, other in zip(gradients, expected, strict=True):
            assert (one is None) == (other is None)
            assert one is None or torch.equal(one, other)

    def test_the_form_that_would_lose_the_gradient_is_refused(self, x):
        net = Two(lambda net, x: checkpoint(net.inner, x, use_reentrant=True), inner=Net())
        with pytest.raises(RuntimeError, match="use_reentrant=False"):
            metered(net, x.requires_grad_())

    def test_a_frozen_part_is_no_checkpoint(self, x):
        def forward(net, x):
            with torch.no_grad():
                return net.inner(x)

        net = Two(forward, inner=Net())
        assert totals(metered(net, x)) == totals(metered(net.inner, x))


class TestSaid:
    def test_no_neuron_is_known(self):
        with pytest.warns(UserWarning, match="no neuron is known"):
            Meter(nn.Linear(3, 2), samples=1)

    def test_a_known_neuron_is_no_warning(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            Meter(Net())

    @pytest.mark.parametrize("back", [None, (), {"out": None}])
    def test_a_network_that_gives_back_nothing(self, back, x):
        net = Two(lambda net, x: (net.fc(x), back)[1], fc=nn.Linear(3, 2))
        with pytest.raises(ValueError, match="gave back no tensor"):
            run(net, x)

    def test_a_network_that_runs_while_its_results_are_taken(self, x):
        net = Two(lambda net, x: map(net.fc, x), fc=nn.Linear(3, 2))
        with pytest.raises(ValueError, match="gave back no tensor"), Meter(net, samples=2):
            list(net(x))

    @pytest.mark.parametrize("samples", [None, 5])
    def test_neurons_that_run_on_another_batch_than_axis_1(self, samples, x):
        net = Two(lambda net, x: net.lif(x.transpose(0, 1))[0], lif=LIF())  # x [B, T, N]
        with pytest.raises(ValueError, match=r"batch of 6|samples=5"):
            run(net, x, samples=samples)
        assert totals(run(net, x, samples=6)) == totals(run(LIF(), x.transpose(0, 1), samples=None))
        with pytest.raises(ValueError, match="steps= needs"):
            run(net, x, samples=6).dense(1)

    def test_a_stream_of_a_network(self):
        net = Sequential(nn.Linear(3, 2), LIF()).eval()
        with pytest.raises(TypeError, match="got a Stream: give the network itself"):
            Meter(stream(net))

    @pytest.mark.parametrize("samples", [1.0, "2", True, torch.tensor(2)])
    def test_samples_are_whole(self, samples):
        with pytest.raises(TypeError, match="whole number"):
            Meter(nn.Linear(3, 2), samples=samples)

    def test_samples_that_did_not_run(self, x):
        layer = nn.Linear(3, 2)
        with pytest.raises(ValueError, match=r"samples=5, but no axis .*\[6, 2, 3\]"):
            run(layer, x, samples=5)
        net = Net()
        with pytest.raises(ValueError, match=r"samples=6, but no axis"), Meter(net, samples=6):
            net(x)

    @pytest.mark.parametrize(("samples", "calls"), [(2, 6), (12, 6), (5, 1), (10, 2)])
    def test_samples_of_several_calls(self, samples, calls):
        layer = nn.Linear(3, 4)
        batch = 2 if calls == 6 else 5
        with Meter(layer, samples=samples) as meter:
            for _ in range(calls):
                layer(torch.rand(batch, 3))
        assert meter.counts["network"].mac.item() == 12 * batch * calls / samples

    def test_steps_folded_into_the_batch(self):
        layer = nn.Linear(3, 2)
        assert run(layer, events(8, 3), samples=2).counts["network"].bias.item() == 8

    @pytest.mark.parametrize("neurons", [[LIF], {LIF: 3}, {"LIF": NeuronCost()}, LIF])
    def test_neurons_are_types_with_costs(self, neurons):
        with pytest.raises(TypeError, match="neurons="):
            Meter(nn.Linear(3, 2), samples=1, neurons=neurons)

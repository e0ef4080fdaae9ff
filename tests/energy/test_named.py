"""Neurons, functions and tensors that a user names or marks."""

import copy
import pickle
import re
import threading
import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import picojoule as pj
from energy.metering import Two, events, total, totals
from picojoule.energy import Foreign, Meter
from picojoule.energy.convention import convention_of

COST = pj.NeuronCost(adds=2, multiplies=1, states=1)


class Step(torch.autograd.Function):
    """Somebody's surrogate, whose forward torch's modes see, but not its result."""

    @staticmethod
    def forward(ctx, x):
        return (x > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        return gradient


def step(x):
    """The same as a plain function."""
    return Step.apply(x)


class Cell(nn.Module):
    """One step of a layer that holds its weights, as modules or in functions, and fires."""

    def __init__(self, functions=False):
        super().__init__()
        self.W, self.V = nn.Linear(8, 6, bias=False), nn.Linear(6, 6, bias=False)
        self.functions = functions

    def forward(self, x, z, u):
        if self.functions:
            arrived = F.linear(x, self.W.weight) + z @ self.V.weight.T
        else:
            arrived = self.W(x) + self.V(z)
        u = 0.9 * u * (1 - z) + arrived
        return Step.apply(u - 0.3), u


class Layer(nn.Module):
    """All steps of such a layer [T, B, N], with a norm inside and a spike function in the loop."""

    def __init__(self, fires=Step.apply):
        super().__init__()
        self.fires = fires
        self.W, self.norm = nn.Linear(8, 6, bias=False), nn.BatchNorm1d(6)
        self.V = nn.Parameter(torch.randn(6, 6))

    def forward(self, x):
        currents = self.norm(self.W(x).flatten(0, 1)).unflatten(0, x.shape[:2])
        u = z = torch.zeros_like(currents[0])
        out = []
        for current in currents:
            u = 0.9 * u * (1 - z) + current + torch.matmul(z, self.V)
            z = self.fires(u - 0.3)
            out.append(z)
        return torch.stack(out)


class Cells(nn.Module):
    """A cell over time, and a readout of its spikes."""

    def __init__(self, cell):
        super().__init__()
        self.c, self.o = cell, nn.Linear(6, 2, bias=False)

    def forward(self, x):
        z = u = torch.zeros(x.shape[1], 6)
        self.spikes, out = [], []
        for current in x:
            z, u = self.c(current, z, u)
            self.spikes.append(z)
            out.append(self.o(z))
        return torch.stack(out)


@pytest.mark.parametrize("functions", [False, True])
def test_synapses_inside_a_named_cell_are_counted_as_they_run(functions):
    torch.manual_seed(0)
    net, x = Cells(Cell(functions)), events(5, 3, 8)
    with Meter(net, samples=1, inputs="events", neurons={Cell: COST}) as meter:
        net(x)
    spikes = torch.stack(net.spikes)
    assert 0 < spikes.sum() < spikes.numel()
    assert total(meter, "ac") == x.sum() * 6 + spikes[:-1].sum() * 6 + spikes.sum() * 2
    assert (total(meter, "mac"), total(meter, "spike")) == (0, spikes.sum())
    assert (total(meter, "update"), total(meter, "add")) == (90, 180)
    assert (meter.uncounted, meter.unreached) == ({}, [])


class Steps(Cell):
    """A cell that takes all steps, and gives back the spikes of each."""

    def forward(self, x):
        z = u = torch.zeros(x.shape[1], 6)
        out = []
        for current in x:
            z, u = super().forward(current, z, u)
            out.append(z)
        return self.back(out, u)


@pytest.mark.parametrize("back", [lambda out, u: out, lambda out, u: (out, u)])
def test_a_list_of_spikes_is_one_for_each_step(back):
    torch.manual_seed(0)
    cell, x = Steps(False), events(5, 3, 8)
    cell.back = back
    with Meter(cell, samples=1, inputs="events", neurons={Steps: COST}) as meter:
        out = cell(x)
    spikes = torch.stack(out if isinstance(out, list) else out[0])
    assert spikes.sum() > 0
    assert (total(meter, "spike"), total(meter, "update")) == (spikes.sum(), 90)


class States(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.spikes = nn.Linear(8, 8), None

    def forward(self, x):
        arrived = torch.zeros_like(x) if self.spikes is None else self.spikes
        self.spikes = x * 1.0
        return self.layer(arrived)


def test_a_state_may_be_detached_between_calls():
    net, x = States(), events(3, 8)
    with Meter(net, samples=3, inputs="events") as meter:
        for move in (torch.Tensor.detach, torch.clone, lambda z: z.to(torch.float64).float()):
            net(x)
            net.spikes = move(net.spikes)
        net(x)
    assert (total(meter, "ac"), total(meter, "mac")) == (x.sum() * 8, 0)
    assert meter.uncounted == {}


FIRES = {
    "a function": Step.apply,
    "where": lambda v: torch.where(v > 0, 1.0, 0.0),
    "heaviside": lambda v: torch.heaviside(v, torch.tensor(0.0)),
    "written": lambda v: torch.zeros_like(v).masked_fill(v > 0, 1),
    "cast": lambda v: v.gt(0).to(v),
    "product": lambda v: (v > 0) * 1.0,
    "set": lambda v: _set(torch.zeros_like(v), v > 0),
}


def _set(out, places):
    out[places] = 1.0
    return out


@pytest.mark.parametrize("grad", [True, False])
@pytest.mark.parametrize("fires", FIRES)
def test_what_is_compared_inside_a_named_layer_is_its_spikes(fires, grad):
    """Its loop runs inside it, over what no function was named for."""
    torch.manual_seed(0)
    net, x = nn.Sequential(Layer(FIRES[fires]), nn.Linear(6, 2, bias=False)), events(5, 3, 8)
    named = {Layer: Foreign(COST, leading=2)}
    with (
        torch.set_grad_enabled(grad),
        Meter(net, samples=1, inputs="events", neurons=named) as meter,
    ):
        net(x)
    with torch.no_grad():
        spikes = net[0](x)
    assert 0 < spikes.sum() < spikes.numel()
    counts = meter.counts
    assert (counts["0"].ac, counts["1"].ac) == (spikes[:-1].sum() * 6, spikes.sum() * 2)
    assert (total(meter, "mac"), meter.uncounted) == (0, {})


def test_a_layer_over_all_steps_may_name_its_spike_function_too():
    torch.manual_seed(0)
    net, x = nn.Sequential(Layer(), nn.Linear(6, 2, bias=False)), events(5, 3, 8)
    named = {Layer: Foreign(COST, leading=2), Step: COST}
    with Meter(net, samples=1, inputs="events", neurons=named) as meter:
        net(x)
    with torch.no_grad():
        spikes = net[0](x)
    counts = meter.counts
    assert counts["0.W"].ac == x.sum() * 6
    assert counts["0"].update == 90  # of the layer, and none of the function inside it
    assert counts["0"].spike == spikes.sum()
    assert counts["0"].ac == spikes[:-1].sum() * 6
    assert counts["1"].ac == spikes.sum() * 2
    assert set(counts) == {"0.W", "0", "1"}
    assert meter.uncounted == {}


def test_a_named_cell_inside_a_named_layer_counts_once():
    class Outer(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Cells(Cell())

        def forward(self, x):
            self.inner(x)
            return torch.stack(self.inner.spikes)

    torch.manual_seed(0)
    net, x = nn.Sequential(Outer(), nn.Linear(6, 2)), events(5, 3, 8)
    named = {Outer: Foreign(COST, leading=2), Cell: COST}
    with Meter(net, samples=1, inputs="events", neurons=named) as meter:
        net(x)
    spikes = torch.stack(net[0].inner.spikes).sum()
    assert (total(meter, "update"), total(meter, "spike")) == (90, spikes)
    assert meter.counts["1"].ac == spikes * 2


@pytest.mark.parametrize("grad", [False, True])
@pytest.mark.parametrize(("called", "named"), [(Step.apply, Step), (step, step), (step, Step)])
def test_a_spike_function_is_named_whatever_it_is_called(called, named, grad):
    torch.manual_seed(0)

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.fire, self.b = nn.Linear(8, 8), called, nn.Linear(8, 4, bias=False)

        def forward(self, x):
            self.spikes = self.fire(self.a(x))
            return self.b(self.spikes)

    net = Net()
    with torch.set_grad_enabled(grad), Meter(net, samples=1, neurons={named: COST}) as meter:
        net(torch.randn(3, 8))
    fired = net.spikes.sum()
    assert 0 < fired < 24
    where = f"network.{named.__name__}"
    assert (meter.counts["b"].ac, meter.counts["b"].mac) == (fired * 4, 0)
    assert (meter.counts[where].update, meter.counts[where].spike) == (24, fired)
    assert meter.counts["b"].ac.requires_grad is meter.counts[where].spike.requires_grad is grad
    assert meter.uncounted == {}


def test_a_function_of_another_thread_and_after_the_block_is_left_alone():
    def fire(x):
        return (x > 0).float()

    net = Two(lambda net, x: F.linear(fire(x), torch.ones(1, 4)))
    with Meter(net, samples=1, neurons={fire: COST}) as meter:
        net(torch.ones(3, 4))
        other = threading.Thread(target=fire, args=(torch.ones(9),))
        other.start()
        other.join()
    fire(torch.ones(9))
    assert total(meter, "update") == 12


@pytest.mark.parametrize("named", [3, "Step", torch.ones(1), int, len, None])
def test_what_is_no_neuron_is_an_error(named):
    with pytest.raises(TypeError, match=r"type of module, an autograd\.Function or a function"):
        Meter(nn.Linear(2, 2), samples=1, neurons={named: COST})


class TestSpikes:
    """A tensor whose kind is said by hand."""

    def test_is_the_same_tensor_without_a_meter(self):
        x = torch.ones(2, requires_grad=True) * 2
        assert pj.spikes(x, "levels") is x

    @pytest.mark.parametrize(
        ("kind", "options", "values", "number"),
        [
            ("events", {}, [0.0, 1.0, 1.0], 2),
            ("levels", {}, [3.0, 0.0, 1.0], 4),
            ("levels", {"scale": 0.25}, [0.75, 0.0, 0.25], 4),
            ("events", {"signed": True}, [-1.0, 0.0, 1.0], 2),
        ],
    )
    def test_says_what_arrives(self, kind, options, values, number):
        def forward(net, x):
            y = torch.from_numpy(x.detach().numpy().copy())  # nothing sees where it comes from
            return net.layer(pj.spikes(y, kind, **options))

        net = Two(forward, layer=nn.Linear(3, 5, bias=False))
        with Meter(net, samples=1) as meter:
            net(torch.tensor([values]))
        assert totals(meter)["ac"] == 5 * number
        assert meter.uncounted == {}

    def test_keeps_the_graph(self):
        net = Two(lambda net, x: net.layer(pj.spikes(x * 1.0)), layer=nn.Linear(3, 5))
        x = torch.ones(1, 3, requires_grad=True)
        with Meter(net, samples=1) as meter:
            net(x)
        meter.counts["layer"].ac.backward()
        assert x.grad.tolist() == [[5, 5, 5]]

    def test_refuses_other_words(self):
        with pytest.raises(ValueError, match="events"):
            pj.spikes(torch.ones(1), "event")

    @pytest.mark.parametrize("scale", [0, -1, float("nan"), float("inf")])
    def test_refuses_what_no_event_is_worth(self, scale):
        with pytest.raises(ValueError, match="a number above zero"):
            pj.spikes(torch.ones(1), scale=scale)


class Says(nn.Module):
    """A neuron that puts out what it is given."""

    def forward(self, x):
        return x * 1.0


@pytest.mark.parametrize(
    ("about", "value", "fix"),
    [
        (Foreign(COST), -1.0, "signed=True"),
        (Foreign(COST), 0.25, "scale=0.25"),
        (Foreign(COST), 2.0, 'output="levels"'),
        (Foreign(COST, output="levels"), 1.5, "no whole numbers"),
        (Foreign(COST, output="levels"), -3.0, "signed=True"),
        (Foreign(COST, signed=True), -2.0, 'output="levels"'),
        (Foreign(COST, scale=0.5), 1.0, 'output="levels"'),
        (Foreign(COST, scale=1e6), 0.7, "scale=0.25"),
        (Foreign(COST, output="levels", scale=1e9), -0.7, "scale=0.25"),
    ],
)
@pytest.mark.parametrize("read", ["counts", "traffic"])
def test_what_is_named_is_checked_when_the_counts_are_read(about, value, fix, read):
    net = nn.Sequential(Says(), nn.Linear(2, 2))
    with Meter(net, samples=1, neurons={Says: about}) as meter:
        net(torch.tensor([[0.0, value]]))
    with pytest.raises(ValueError, match="'0' should put out") as error:
        getattr(meter, read)
    assert fix in str(error.value)


@pytest.mark.parametrize(
    ("about", "value", "number"),
    [
        (Foreign(COST), 1.0, 1),
        (Foreign(COST, scale=0.1), 0.1, 1),
        (Foreign(COST, output="levels", scale=0.1), 0.3, 3),
        (Foreign(COST, output="levels", signed=True), -3.0, 3),
        (Foreign(COST, output="analog"), 0.3, 0),
    ],
)
def test_what_is_named_rightly_is_counted(about, value, number):
    net = nn.Sequential(Says(), nn.Linear(2, 2))
    with Meter(net, samples=1, neurons={Says: about}) as meter:
        net(torch.tensor([[0.0, value]]))
    assert total(meter, "ac") == 2 * number


def test_marked_values_are_checked_too():
    net = Two(lambda net, x: net.layer(pj.spikes(x)), layer=nn.Linear(2, 2))
    with Meter(net, samples=1) as meter:
        net(torch.tensor([[0.0, 0.5]]))
    with pytest.raises(ValueError, match=r"pj.spikes\(x, scale=0.25\)"):
        _ = meter.counts


class Firing(torch.autograd.Function):
    """A whole cell of somebody's as one function, with its weights."""

    @staticmethod
    def forward(ctx, x, weight):
        return (F.linear(x, weight) > 0).float()

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


def by_module(x, net):
    return (net.layer(x) > 0).float()


def by_product(x, net):
    return (torch.tanh(x @ net.layer.weight.T) + x > 0).float()


def by_constants(x, net):
    return (F.linear(x, torch.ones(8, 8)) > 2).float()


def by_an_own_gradient(x, net):
    return Firing.apply(x, net.layer.weight)


@pytest.mark.parametrize("function", [by_module, by_product, by_constants, by_an_own_gradient])
def test_synapses_inside_a_spike_function_are_counted(function):
    net = Two(lambda net, x: net.behind(function(x, net)), layer=nn.Linear(8, 8, bias=False))
    net.behind = nn.Linear(8, 2)
    x = events(5, 8)
    named = Firing if function is by_an_own_gradient else function
    with torch.no_grad(), Meter(net, samples=1, inputs="events", neurons={named: COST}) as meter:
        net(x)
    fired = function(x, net).sum()
    assert total(meter, "ac") == 8 * x.sum() + 2 * fired
    assert total(meter, "mac") == 0
    assert total(meter, "add") == 2 * total(meter, "update") == 2 * 40
    assert meter.uncounted == {}


class Faster(pj.LIF):
    """A neuron of somebody's with another update."""

    def step(self, current, state):
        return super().step(2 * current, state)


class Around(pj.LIF):
    """A neuron of somebody's that does more than its update."""

    def forward(self, x, state=None):
        return super().forward(2 * x, state)


class Renamed(pj.LIF):
    """A neuron of somebody's that is a LIF."""


class Dearer(Faster):
    """A neuron of somebody's that says its cost."""

    cost = COST


@pytest.mark.parametrize(
    ("kind", "named", "told"),
    [
        (Faster, {}, True),
        (Faster, {Faster: COST}, False),
        (Around, {}, True),
        (Renamed, {}, False),
        (Dearer, {}, False),
        (pj.LIF, {}, False),
    ],
)
def test_a_derived_neuron_with_its_own_step_asks_for_a_cost(kind, named, told):
    net = pj.Sequential(nn.Linear(2, 2), kind())
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        Meter(net, neurons=named)
    assert [f"is a {kind.__name__}" in str(one.message) for one in seen] == [True] * told


def test_known_neurons_that_were_not_called_are_named():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.fire, self.unused = nn.Linear(2, 2), pj.LIF(), pj.LIF()

        def forward(self, x):
            return self.fire(self.first(x))[0]

    net, told = Net(), r"not called inside the block: 'unused' \(LIF\)\. "
    with pytest.warns(UserWarning, match=told), Meter(net):
        net(torch.rand(3, 2, 2))


def test_a_network_is_copied_inside_the_block_and_its_copy_is_free():
    net = pj.Sequential(nn.Linear(5, 5), pj.LIF())
    with Meter(net) as meter:
        before = copy.deepcopy(net)
        net(torch.rand(3, 2, 5))
        after = copy.deepcopy(net)
        after(torch.rand(3, 2, 5))
    assert meter.samples == 2
    for module in (*net.modules(), *before.modules(), *after.modules()):
        assert not [name for name, table in vars(module).items() if "hooks" in name and table]
    assert pickle.loads(pickle.dumps(after)).state_dict().keys() == net.state_dict().keys()


def test_a_network_is_not_pickled_inside_the_block():
    net = pj.Sequential(nn.Linear(5, 5), pj.LIF())
    with pytest.raises(TypeError, match="save its state_dict"), Meter(net):
        pickle.dumps(net)


class TestThreads:
    """A meter sees the thread that entered it."""

    def test_two_meters_of_one_network(self):
        net = pj.Sequential(nn.Linear(6, 5), pj.LIF(threshold=0.1), nn.Linear(5, 3), pj.LI())
        inputs = [torch.rand(4, 2, 6) for _ in range(3)]

        def counted(x):
            with torch.no_grad(), Meter(net) as meter:
                net(x)
            return totals(meter)

        right, found = [counted(x) for x in inputs], [[] for _ in inputs]

        def work(i):
            for _ in range(20):
                found[i].append(counted(inputs[i]))

        threads = [threading.Thread(target=work, args=(i,)) for i in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [[one] * 20 for one in right]

    def test_a_network_that_ran_in_another_thread_alone(self):
        net = pj.Sequential(nn.Linear(6, 5), pj.LIF())
        other = threading.Thread(target=net, args=(torch.rand(4, 2, 6),))
        meter = Meter(net).__enter__()
        other.start()
        other.join()
        with pytest.raises(RuntimeError, match="by the thread that entered it"):
            meter.__exit__(None, None, None)


class TestForms:
    """Inputs of other forms than a dense batch."""

    def test_packed_sequences(self):
        lstm = nn.LSTM(4, 5)
        packed = nn.utils.rnn.pack_padded_sequence(torch.ones(6, 2, 4), torch.tensor([6, 3]))
        with Meter(lstm, samples=2, inputs="events") as meter:
            lstm(packed)
        assert total(meter, "ac") + total(meter, "mac") == 9 * 4 * 5 * (4 + 5) / 2
        with pytest.raises(ValueError, match="samples=9"), Meter(lstm, samples=9) as meter:
            lstm(packed)

    @pytest.mark.parametrize("traffic", [True, False])
    @pytest.mark.parametrize("form", ["to_sparse", "to_sparse_csr"])
    def test_sparse_tensors(self, form, traffic):
        net, x = nn.Sequential(nn.Linear(8, 3)), getattr(torch.eye(3, 8), form)()
        with Meter(net, samples=3, inputs="events", traffic=traffic) as meter:
            net(x)
        assert meter.counts["0"].ac == 3

    @pytest.mark.parametrize("shape", [(3, 0, 5), (0, 2, 5)])
    def test_an_empty_batch_is_an_error(self, shape):
        net = pj.Sequential(nn.Linear(5, 4), pj.LIF())
        with pytest.raises(ValueError, match="empty input of shape"), Meter(net):
            net(torch.rand(shape))


def test_uncounted_has_the_order_of_the_network():
    class Hides(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.ones(2, 2))

        def forward(self, x):
            return x

    net = nn.Sequential(*(Hides() for _ in range(12)), nn.Linear(2, 2))
    with Meter(net, samples=1) as meter:
        net(torch.ones(1, 2))
    assert list(meter.uncounted) == [f"{i}.weight" for i in range(12)]


class TestLevels:
    """Levels that arrive, as accumulates or as multiplications, layer by layer."""

    def net(self):
        net = nn.Sequential(nn.AvgPool1d(2), nn.Linear(2, 3), nn.Linear(2, 3))
        net.forward = lambda x: net[1](y := net[0](x)) + net[2](y)
        return net, torch.tensor([[[1.0, 1.0, 0.0, 0.0]], [[1.0, 0.0, 1.0, 1.0]]])

    @pytest.mark.parametrize("name", ["1", "1*", "[1]"])
    def test_a_convention_is_given_by_layer(self, name):
        net, x = self.net()
        by_layer = {name: pj.Convention(levels="multiply")}
        with Meter(net, samples=1, inputs="events", convention=by_layer) as meter:
            net(x)
        first, second = meter.counts["1"], meter.counts["2"]
        assert (first.mac, first.ac, second.mac, second.ac) == (9, 0, 0, 15)

    def test_a_name_is_that_of_all_below_it(self):
        conventions = {"block": pj.Convention(levels="multiply"), "*": pj.Convention()}
        told = [convention_of(conventions, one).levels for one in ("block.a.b", "blocks")]
        assert told == ["multiply", "accumulate"]

    def test_what_multiplications_would_count_is_known_without_a_graph(self):
        net, x = self.net()
        with torch.no_grad(), Meter(net, samples=1, inputs="events") as meter:
            net(x)
        with Meter(net, samples=1, convention=pj.Convention("multiply"), inputs="events") as other:
            net(x)
        assert set(meter.multiplied) == {"1", "2"}
        for layer, counts in meter.multiplied.items():
            assert dict(counts.items()) == dict(other.counts[layer].items())
        assert other.multiplied == {}


@pytest.mark.parametrize(
    ("make", "allowed"),
    [
        (lambda: Foreign(COST, output="event"), "did you mean 'events'"),
        (lambda: Foreign(COST, scale=0), "other than zero"),
        (lambda: Foreign(COST, scale=float("nan")), "other than zero"),
        (lambda: Foreign(COST, levels=0), "at least 1"),
        (lambda: pj.NeuronCost(adds=-100), "adds must be zero or more"),
        (lambda: pj.NeuronCost(comparisons=float("nan")), "comparisons must be zero or more"),
    ],
)
def test_a_description_that_cannot_be(make, allowed):
    with pytest.raises(ValueError, match=allowed):
        make()


@pytest.mark.parametrize("name", ["typo", "0.weight", "lay*", ""])
def test_a_convention_for_no_layer(name):
    net = nn.Sequential(nn.Linear(2, 2))
    with (
        pytest.raises(ValueError, match=rf"unknown layer of a convention '{re.escape(name)}'"),
        Meter(net, samples=1, convention={"0": pj.Convention(), name: pj.Convention()}),
    ):
        net(torch.ones(1, 2))


@pytest.mark.parametrize(
    "name", ["attention", "attention.scores", "*.scores", "att*", "network", "*"]
)
def test_a_convention_for_a_part_of_a_layer(name):
    net = Two(lambda net, x: net.attention(x, x, x)[0], attention=nn.MultiheadAttention(4, 1))
    with Meter(net, samples=1, convention={name: pj.Convention()}) as meter:
        net(torch.ones(2, 1, 4))
    assert total(meter, "mac")

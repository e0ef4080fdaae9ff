"""The meter against the oracle, which counts one event, one synapse and one neuron at a time."""

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from energy.oracle import build, simulate
from energy.oracle import layers as spec
from energy.strategies import Case, cases
from picojoule.energy import Convention, Meter
from picojoule.neurons import Neuron

pytestmark = pytest.mark.filterwarnings("ignore:Using padding='same'")


def whole(counts, samples, part=lambda done: done):
    """Totals over the batch, by layer and count, as integers; without zeros."""
    found = {}
    for layer, done in counts.items():
        for name, value in part(done).items() if part(done) is not None else ():
            number = value.item() * samples / (spec.DT if name == "second" else 1)
            assert abs(number - round(number)) < 1e-6, f"{layer}: {name} is {number}"
            if round(number):
                found[layer, name] = round(number)
    return found


def some(counts):
    return {key: number for key, number in counts.items() if number}


def words_of(sizes):
    return sizes.weights, sizes.bias, sizes.inputs, sizes.potentials


def metered(case: Case, **convention):
    """The meter after a run of the torch network, what it put out, and what its neurons did."""
    net = build(case.layers)
    fired = {}
    for name, module in net.named_modules():
        if isinstance(module, Neuron):
            keep = lambda m, args, out, name=name: fired.__setitem__(name, out[0])  # noqa: E731
            module.register_forward_hook(keep)
    x = torch.from_numpy(case.x).float()
    lengths = {} if case.lengths is None else {"lengths": torch.tensor(case.lengths)}
    with torch.no_grad(), Meter(net, inputs=case.inputs, convention=Convention(**convention)) as m:
        out = net(x, **lengths)
    return m, out[0] if isinstance(out, tuple) else out, fired


def agree(case: Case, levels="accumulate", skip_zero_weights=False, fold_batch_norm=True):
    """Every count of every layer, and the part that hidden spikes caused, are the oracle's."""
    truth = simulate(
        *(case.layers, case.x, case.inputs),
        lengths=case.lengths,
        multiply_levels=levels == "multiply",
        skip_zero_weights=skip_zero_weights,
        fold_batch_norm=fold_batch_norm,
    )
    assume(truth.margin > 1e-4)  # nearer, float32 and float64 may differ
    meter, out, fired = metered(
        case, levels=levels, skip_zero_weights=skip_zero_weights, fold_batch_norm=fold_batch_norm
    )
    torch.testing.assert_close(out.double(), torch.from_numpy(truth.output), rtol=1e-4, atol=1e-4)
    for name, values in truth.fired.items():
        module = fired[name].double()
        lengths = torch.tensor(case.lengths or [len(module)] * module.shape[1])
        within = torch.arange(len(module)).unsqueeze(1) < lengths
        expected = torch.from_numpy(values)[within]
        torch.testing.assert_close(module[within], expected, rtol=1e-4, atol=1e-4)
    samples = case.x.shape[1]
    assert meter.samples == samples
    counts = meter.counts
    found = whole(counts, samples)
    assert found == some(truth.counts)
    hidden = whole(counts, samples, lambda done: done.hidden)
    if truth.mixed:
        # Hidden spikes among other events: the meter may take all of them for hidden.
        assert all(number <= hidden.get(key, 0) for key, number in truth.hidden.items())
        assert all(number <= found[key] for key, number in hidden.items())
    else:
        assert hidden == some(truth.hidden)
    for layer, words in truth.sizes.items():
        if layer not in truth.places:
            assert words_of(counts[layer].sizes) == words
    macs = {key: n for key, n in whole(meter.dense(), samples).items() if key[1] == "mac"}
    assert macs == some(truth.dense)


@settings(max_examples=400)
@given(cases())
def test_every_count_of_every_layer(case):
    agree(case)


_KINDS = """linear recurrent convolution transposed pool adaptive norm branch scale clip change
    upsample"""


@pytest.mark.parametrize("of", _KINDS.split())
@settings(max_examples=80)
@given(data=st.data())
def test_each_kind_of_layer(of, data):
    agree(data.draw(cases(most=2, of=of)))


@settings(max_examples=100)
@given(cases(most=3))
def test_levels_that_are_multiplied(case):
    agree(case, levels="multiply")


@settings(max_examples=100)
@given(cases(most=3))
def test_zero_weights_that_are_skipped(case):
    agree(case, skip_zero_weights=True)


def test_zero_weights_among_neurons_that_are_skipped():
    """Two neurons fire at the first step, and one of the four weights of the loop is zero."""
    weight = np.array([[0.0, 0.5], [-0.125, -0.25]])
    layers = (spec.Recurrent(spec.Fire(2e-3, 0.2718), weight), spec.Linear(np.ones((1, 2))))
    case = Case(layers, np.ones((2, 1, 2)), "events", None)
    counts = whole(metered(case, skip_zero_weights=True)[0].counts, 1)
    assert counts["0.recurrent", "ac"] == 3
    assert counts == some(simulate(layers, case.x, "events", skip_zero_weights=True).counts)


@settings(max_examples=100)
@given(cases(most=3, of="norm"))
def test_batch_norm_that_is_not_folded(case):
    agree(case, fold_batch_norm=False)


def ones(case):
    """The dense ANN of a network is the network of analog values that are all there."""
    truth = simulate(case.layers, np.ones_like(case.x), "analog", lengths=case.lengths)
    return {key: n for key, n in truth.dense.items() if n}


@settings(max_examples=100)
@given(cases(most=3))
def test_a_dense_ann_is_the_same_whatever_arrives(case):
    meter, _, _ = metered(case)
    found = whole(meter.dense(), case.x.shape[1])
    assert {key: n for key, n in found.items() if key[1] == "mac"} == ones(case)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_dense_ann_runs_as_often_as_it_is_told(steps):
    """The loop back of a recurrent layer closes once less."""
    layers = (spec.Linear(np.ones((3, 2))), spec.Recurrent(spec.Fire(5e-3, 0.7), np.ones((3, 3))))
    case = Case(layers, np.ones((4, 2, 2)), "events", None)
    found = whole(metered(case)[0].dense(steps), 2)
    macs = {layer: n for (layer, name), n in found.items() if name == "mac"}
    loops = {"1.recurrent": 2 * 9 * (steps - 1)} if steps > 1 else {}
    assert macs == {"0": 2 * 6 * steps} | loops


def test_the_memory_of_a_linear_layer_at_several_places():
    """Weights are shared by the places; inputs and potentials are not."""
    case = Case(
        (spec.Linear(np.ones((1, 2))), spec.Fire(5e-3, 0.7)), np.ones((3, 2, 4, 2)), "events", None
    )
    assert words_of(metered(case)[0].counts["0"].sizes) == (2, 0, 8, 4)


@pytest.mark.parametrize("how", ["add", "join"])
def test_the_floor_keeps_the_input_that_runs_beside_hidden_spikes(how):
    """Two events of the input, each of which makes a neuron fire: half of the four are its.

    Once they are added or joined nobody can tell, and all count as hidden: the floor is at most
    what no hidden spike can change.
    """
    branch = spec.Branch(how, (spec.Fire(5e-3, 0.7),))
    width = 4 if how == "join" else 2
    case = Case((branch, spec.Linear(np.ones((3, width)))), np.ones((1, 1, 2)), "events", None)
    done = metered(case)[0].counts["1"]
    assert done.ac.item() == 12
    assert 6 <= done.hidden.ac.item() <= 12


@pytest.mark.parametrize("inputs", ["events", "levels", "analog"])
@pytest.mark.parametrize("space", [(), (3,)])
def test_kinds_side_by_side_are_counted_apart(inputs, space):
    """What arrives beside what synapses make of it, into further synapses."""
    random = np.random.default_rng(4)
    if space:
        branch = spec.Convolution(random.random((2, 2, 1)))
        after = spec.Convolution(random.random((3, 4, 2)), random.random(3))
    else:
        branch = spec.Linear(random.random((2, 2)))
        after = spec.Linear(random.random((3, 4)), random.random(3))
    x = random.integers(0, 2, (3, 2, 2, *space)) * 1.0
    layers = (spec.Branch("join", (branch,)), after, spec.Fire(5e-3, 0.7))
    case = Case(layers, x, inputs, None)
    agree(case)
    agree(case, levels="multiply")
    agree(case, skip_zero_weights=True)
    assert bool(metered(case)[0].counts["1"].ac) == (inputs != "analog")

"""What holds for every neuron."""

import copy
import inspect
import pickle

import pytest
import torch
from torch import nn

from all_neurons import NEURONS, SIZE
from picojoule import neurons
from picojoule.energy import Meter, load_chip
from picojoule.energy.kinds import KINDS
from picojoule.networks import Sequential
from picojoule.neurons import Neuron, NeuronCost, detach

STEPS, BATCH = 9, 3
every = pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)


def currents(*feature, steps=STEPS, dtype=torch.float32):
    """Currents [T, B, SIZE, ...] that make neurons fire now and then."""
    return torch.rand(steps, BATCH, *(feature or (SIZE,)), dtype=dtype) * 0.8 - 0.1


def leaves(state):
    """The tensors in a state."""
    if isinstance(state, torch.Tensor):
        return [state]
    return [tensor for part in state for tensor in leaves(part)]


def test_every_neuron_of_the_package_is_listed():
    classes = {getattr(neurons, name) for name in neurons.__all__}
    concrete = {
        one
        for one in classes
        if inspect.isclass(one) and issubclass(one, Neuron) and not inspect.isabstract(one)
    }
    assert {type(case.make()) for case in NEURONS if case.shared} | {
        type(case.make(size=SIZE)) for case in NEURONS
    } == concrete


@every
def test_shapes(case):
    features = [(SIZE,), (SIZE, 4), (SIZE, 3, 2)] if case.spatial else [(SIZE,)]
    for feature in features:
        x = currents(*feature)
        out, state = case.make(size=SIZE)(x)
        assert out.shape == x.shape
        whole = x.shape[1:]
        for part in leaves(state):
            assert part.shape[:1] + part.shape[2:] == whole[:1] + whole[2:]
            assert part.shape == whole or case.mixed


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_dtype_is_that_of_the_input(case, dtype):
    out, state = case.make(size=SIZE).to(dtype)(currents(dtype=dtype))
    assert out.dtype == dtype
    assert {part.dtype for part in leaves(state)} == {dtype}


@every
@pytest.mark.parametrize("split", [1, 4, 8])
def test_two_halves_are_the_whole_bit_for_bit(case, split):
    neuron, x = case.make(size=SIZE), currents()
    whole, end = neuron(x)
    first, state = neuron(x[:split])
    second, last = neuron(x[split:], state)
    assert torch.equal(torch.cat([first, second]), whole)
    assert all(torch.equal(a, b) for a, b in zip(leaves(last), leaves(end), strict=True))


@every
def test_forward_is_step_after_step(case):
    neuron, x = case.make(size=SIZE), currents()
    state, outs = neuron.init_state(x[0]), []
    for current in x:
        out, state = neuron.step(current, state)
        outs.append(out)
    assert torch.equal(neuron(x)[0], torch.stack(outs))


@every
def test_a_sample_does_not_see_its_neighbours(case):
    neuron, x = case.make(size=SIZE), currents()
    other = x.clone()
    other[:, 1:] = currents()[:, 1:] * 3
    assert torch.equal(neuron(x)[0][:, 0], neuron(other)[0][:, 0])


@every
def test_the_future_does_not_change_the_past(case):
    neuron, x = case.make(size=SIZE), currents()
    later = x.clone()
    later[5:] += 1
    assert torch.equal(neuron(x)[0][:5], neuron(later)[0][:5])


@every
def test_gradients_are_finite_and_not_zero(case):
    neuron = case.make(size=SIZE)
    for parameter in neuron.parameters():
        parameter.requires_grad_()
    x = currents().requires_grad_()
    out, _ = neuron(x)
    (out * torch.arange(1.0, STEPS + 1).view(-1, 1, 1)).sum().backward()
    assert out.any()
    for gradient in (x.grad, *(parameter.grad for parameter in neuron.parameters())):
        assert gradient is not None
        assert torch.isfinite(gradient).all()
        assert gradient.any()


@every
def test_parameters_that_are_not_asked_to_learn_do_not(case):
    for name, parameter in case.make(size=SIZE).named_parameters():
        assert parameter.requires_grad == (name.split(".")[-1] in case.learns)


@every
@pytest.mark.parametrize("value", [torch.inf, -torch.inf, 3e38, -3e38])
def test_an_infinite_membrane_leaves_gradients_finite(case, value):
    x = currents()
    x[2, 0, 0] = value
    x.requires_grad_()
    out, _ = case.make(size=SIZE)(x)
    if out.isfinite().all():  # a readout's membrane is infinite itself
        out.sum().backward()
        assert torch.isfinite(x.grad).all()
    assert not out.isnan().any()


@every
def test_copies_and_pickles_do_the_same(case):
    neuron, x = case.make(size=SIZE), currents()
    out, _ = neuron(x)
    for twin in (copy.deepcopy(neuron), pickle.loads(pickle.dumps(neuron))):
        assert torch.equal(twin(x)[0], out)
        assert repr(twin) == repr(neuron)
    other = case.make(size=SIZE)
    other.load_state_dict(neuron.state_dict())
    assert torch.equal(other(x)[0], out)


@every
def test_no_state_lives_on_the_module(case):
    neuron, x = case.make(size=SIZE), currents()
    before = {name: value.clone() for name, value in neuron.state_dict().items()}
    attributes = {name: set(vars(module)) for name, module in neuron.named_modules()}
    first, _ = neuron(x)
    second, _ = neuron(x)
    assert torch.equal(first, second)
    assert before.keys() == neuron.state_dict().keys() == dict(neuron.named_parameters()).keys()
    assert all(torch.equal(value, before[name]) for name, value in neuron.state_dict().items())
    assert attributes == {
        name: {*vars(module)} - {"ran"} for name, module in neuron.named_modules()
    }


@every
def test_shared_parameters_are_the_same_as_equal_ones(case):
    if not case.shared:
        pytest.skip("its parameters differ by nature")
    one, each = case.make(), case.make(size=SIZE)
    for name, parameter in one.named_parameters():
        dict(each.named_parameters())[name].data.copy_(parameter.data)
    x = currents()
    assert torch.equal(one(x)[0], each(x)[0])


@every
def test_a_state_can_be_cut_from_the_graph(case):
    x = currents().requires_grad_()
    _, state = case.make(size=SIZE)(x)
    cut = detach(state)
    assert type(cut) is type(state)
    assert all(part.requires_grad for part in leaves(state))
    assert not any(part.requires_grad for part in leaves(cut))


@every
def test_what_chips_ask_of_it(case):
    neuron = case.make(size=SIZE)
    assert isinstance(neuron.cost, NeuronCost)
    assert neuron.cost.states >= 1
    assert neuron.output in KINDS
    assert neuron.dt > 0
    assert neuron.species


@every
def test_silence_costs_the_floor(case):
    net = Sequential(nn.Linear(2, SIZE, bias=False), case.make(size=SIZE), nn.Linear(SIZE, 2))
    with Meter(net, inputs="events") as meter:
        net(torch.zeros(STEPS, BATCH, 2))
    energy = load_chip("45nm-sram").price(meter.counts)
    assert energy.floor.item() > 0
    assert (energy.total.item() == energy.floor.item()) != case.chooses
    fired = [done.spike.item() for done in meter.counts.values() if "spike" in dict(done.items())]
    assert not any(fired)


@every
@pytest.mark.parametrize(
    ("shape", "words"), [((STEPS,), "expects currents"), ((0, BATCH, SIZE), "at least 1")]
)
def test_currents_need_time_and_batch(case, shape, words):
    with pytest.raises(ValueError, match=words):
        case.make(size=SIZE)(torch.rand(shape))


@every
@pytest.mark.parametrize("features", [1, SIZE - 1, SIZE + 1])
def test_currents_of_another_size_are_refused(case, features):
    with pytest.raises(ValueError, match=str(SIZE)):
        case.make(size=SIZE)(torch.rand(STEPS, BATCH, features))


@every
def test_a_state_of_another_batch_is_refused(case):
    neuron = case.make(size=SIZE)
    _, state = neuron(currents()[:, :1])
    with pytest.raises((ValueError, RuntimeError)):
        neuron(currents(), state)

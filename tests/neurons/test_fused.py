"""The fused engine against the eager one, for every neuron."""

import warnings

import pytest
import torch
from torch import nn
from torch.utils import _pytree as pytree

from all_neurons import NEURONS, SIZE
from engine_cases import assert_same, currents, made, ran
from picojoule.kernels import cc
from picojoule.neurons import LI, LIF, AdLIF, Mixture, Neuron, NeuronCost, Recurrent, detach, scan
from picojoule.surrogate import Triangle

every = pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)
needs_kernels = pytest.mark.skipif(cc.tier() == "off", reason="no kernels run here")
pytestmark = needs_kernels


@every
def test_is_eager_in_double_precision_from_rest_and_from_a_state(case):
    neuron, x = made(case), currents(32, 3, SIZE)
    assert_same(neuron, x[:23], 1e-9)
    _, state = scan(neuron, x[23:27], engine="eager")
    assert_same(neuron, x[27:], 1e-9, state)


@every
def test_is_eager_step_by_step_in_single_precision(case):
    neuron, x = made(case, torch.float32), currents(12, 3, SIZE, dtype=torch.float32)
    state = neuron.init_state(x[0])
    for current in x:
        assert_same(neuron, current.unsqueeze(0), 1e-5, state)
        state = detach(neuron.step(current, state)[1])


@every
def test_shapes_that_do_not_divide_evenly(case):
    neuron = made(case)
    for shape in ((3, 1, SIZE), (2, 7, SIZE, 3, 2), (5, 130, SIZE), (1, 2, SIZE, 450)):
        if case.spatial or len(shape) == 3:
            assert_same(neuron, currents(*shape), 1e-9)


def test_a_state_may_be_one_number_for_all():
    neuron, x = AdLIF(SIZE), currents(9, 3, SIZE, dtype=torch.float32)
    dense = pytree.tree_map(lambda one: one + 0.25, neuron.init_state(x[0]))
    spread = pytree.tree_map(lambda one: torch.tensor(0.25).expand_as(one), dense)
    ran = (pytree.tree_leaves(neuron(x, state)) for state in (spread, dense))
    assert all(torch.equal(one, other) for one, other in zip(*ran, strict=True))


@every
def test_every_neuron_has_it_and_without_gradients_puts_out_the_same(case):
    neuron, x = case.make(size=SIZE), currents(9, 3, SIZE, dtype=torch.float32)
    assert neuron.engine_for(x) == "fused"
    expected, _ = neuron(x)
    with torch.no_grad():
        assert torch.equal(neuron(x)[0], expected)
    with torch.inference_mode():
        assert torch.equal(neuron(x)[0], expected)


@needs_kernels
class TestCurrents:
    """Of every layout that networks make."""

    def check(self, x, neuron=None):
        neuron = LIF(x.shape[2] if x.dim() > 2 else None) if neuron is None else neuron
        neuron.requires_grad_()
        assert_same(neuron.to(x.dtype), x, 1e-9)

    def test_that_repeat_one_step(self):
        self.check(currents(1, 3, SIZE).expand(8, 3, SIZE))

    def test_that_repeat_one_sample(self):
        self.check(currents(8, 1, SIZE).expand(8, 4, SIZE))

    def test_that_are_turned(self):
        self.check(currents(3, SIZE, 8).permute(2, 0, 1))
        self.check(currents(4, 3, 6, 7, SIZE).permute(0, 1, 4, 2, 3))

    def test_that_are_a_slice(self):
        self.check(currents(8, 3, 4 * SIZE)[..., SIZE : 2 * SIZE])
        self.check(currents(8, 3, 4 * SIZE, 3)[::2, 1:, 2 : 2 + SIZE])

    def test_without_features(self):
        self.check(currents(6, 4), LIF())

    def test_of_no_sample(self):
        x = currents(4, 0, SIZE)
        out, state = LIF(SIZE).double()(x)
        assert out.shape == x.shape
        assert state.membrane.shape == (0, SIZE)

    def test_of_more_than_one_block(self):
        self.check(currents(3, 2, 2500))
        self.check(currents(300, 2, 700))

    def test_of_no_step_that_is_long(self):
        self.check(currents(5000, 1, 2), LIF())


class Leaky(Neuron):
    """A user's own: the rate of leak depends on the membrane."""

    cost = NeuronCost(adds=2, multiplies=2, states=1)
    dt = 1e-3

    def __init__(self):
        super().__init__()
        self.rate = nn.Parameter(torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5]))
        self.register_buffer("mask", torch.tensor([True, False, True, True, False]))
        self.gain = 2.0

    def init_state(self, current):
        return {"v": torch.zeros_like(current)}

    def step(self, current, state):
        v = state["v"] + current * self.gain
        v = torch.where(self.mask, v * torch.sigmoid(self.rate * v), v.tanh())
        out = (torch.clamp(v, min=0) ** 1.5).mul_(0.5)
        return out, {"v": v - out}


class TestOfAUser:
    """A step in torch is all that the engine needs."""

    def test_is_fused(self):
        neuron, x = Leaky().double(), currents(9, 3, 5)
        neuron.output = "analog"
        assert neuron.engine_for(x) == "fused"
        for engine in ("eager", "fused"):
            neuron.zero_grad()
            x = x.detach().requires_grad_()
            out, _ = scan(neuron, x, engine=engine)
            (out * torch.arange(9.0).view(-1, 1, 1)).sum().backward()
            if engine == "eager":
                expected = out, x.grad, neuron.rate.grad
        for a, b in zip((out, x.grad, neuron.rate.grad), expected, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)

    def test_a_change_of_its_constants_is_seen(self):
        neuron, x = Leaky(), currents(9, 3, 5, dtype=torch.float32)
        first, _ = neuron(x)
        neuron.gain = 3.0
        assert not torch.equal(neuron(x)[0], first)
        torch.testing.assert_close(neuron(x)[0], scan(neuron, x, engine="eager")[0])

    def test_a_change_of_its_parameters_is_seen(self):
        neuron, x = LIF(), currents(9, 3, 5, dtype=torch.float32)
        first, _ = neuron(x)
        neuron.threshold.data.fill_(0.3)
        assert neuron(x)[0].sum() > first.sum()
        neuron.threshold.data.fill_(1.0)
        assert torch.equal(neuron(x)[0], first)

    def test_a_change_of_a_number_that_its_step_closes_over_is_seen(self):
        gain = torch.tensor(0.9)

        class Closed(LI):
            cost = NeuronCost(adds=1)

            def step(self, current, state):
                return super().step(current * (gain * 0.5), state)

        neuron, x = Closed(), torch.ones(3, 1, 2)
        first, _ = neuron(x)
        gain.fill_(0.1)
        assert neuron.engine_for(x) == "fused"
        assert neuron(x)[0].sum() < first.sum() / 8

    def test_it_may_have_an_empty_buffer(self):
        neuron, x = LIF(), currents(9, 3, 5, dtype=torch.float32)
        first, _ = neuron(x)
        neuron.register_buffer("nothing", torch.empty(0))
        assert torch.equal(neuron(x)[0], first)

    def test_a_parameter_that_is_no_longer_its_own_may_change(self):
        neuron, x = LIF(), currents(9, 3, 5, dtype=torch.float32)
        before, (first, _) = neuron.threshold, neuron(x)
        neuron.threshold = nn.Parameter(before.detach().clone())
        before.data.fill_(0.3)
        assert torch.equal(neuron(x)[0], first)

    def test_neurons_that_see_each_other_run_step_by_step_and_say_so(self):
        class Inhibited(LI):
            cost = NeuronCost(adds=1)

            def step(self, current, state):
                return super().step(current - current.mean(1, keepdim=True), state)

        neuron, x = Inhibited(), currents(4, 3, 5, dtype=torch.float32)
        assert neuron.engine_for(x) == "eager"
        neuron(x)
        with pytest.raises(ValueError, match=r"Inhibited cannot run by engine 'fused'.*mean"):
            scan(neuron, x, engine="fused")

    def test_a_step_that_looks_at_values_runs_step_by_step(self):
        class Choosy(LI):
            cost = NeuronCost(adds=1)

            def step(self, current, state):
                return super().step(current if bool(current.sum() > 0) else -current, state)

        assert Choosy().engine_for(currents(4, 3, 5)) == "eager"

    def test_a_random_step_runs_step_by_step(self):
        class Noisy(LI):
            cost = NeuronCost(adds=1)

            def step(self, current, state):
                return super().step(current + torch.randn_like(current), state)

        assert Noisy().engine_for(currents(4, 3, 5)) == "eager"


class TestChoice:
    """Never replaced in silence."""

    def test_the_neurons_own(self):
        neuron, x = LIF(), currents(4, 3, 5, dtype=torch.float32).requires_grad_()
        assert "Sequence" in neuron(x)[0].grad_fn.name()
        neuron.engine = "eager"
        assert neuron.engine_for(x) == "eager"
        assert "Stack" in neuron(x)[0].grad_fn.name()
        assert "Sequence" in scan(neuron, x, engine="fused")[0].grad_fn.name()

    def test_one_that_nobody_knows(self):
        with pytest.raises(ValueError, match="engine 'fusd'"):
            scan(LIF(), currents(4, 3, 5), engine="fusd")

    def test_off(self, monkeypatch):
        monkeypatch.setenv("PICOJOULE_KERNELS", "off")
        x = currents(4, 3, 5, dtype=torch.float32)
        assert LIF().engine_for(x) == "eager"
        with pytest.raises(ValueError, match="PICOJOULE_KERNELS=off"):
            scan(LIF(), x, engine="fused")

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
    def test_half_precision_runs_step_by_step(self, dtype):
        x = currents(4, 3, 5).to(dtype)
        assert LIF().to(dtype).engine_for(x) == "eager"
        with pytest.raises(ValueError, match=str(dtype)):
            scan(LIF().to(dtype), x, engine="fused")

    def test_parameters_of_another_precision_run_step_by_step(self):
        assert LIF(5).double().engine_for(currents(4, 3, 5).float()) == "eager"

    def test_functional_transforms_see_each_operation(self):
        x = currents(2, 4, 3, 5, dtype=torch.float32)
        out = torch.func.vmap(lambda one: LI()(one)[0])(x)
        assert torch.equal(out[1], LI()(x[1])[0])

    @pytest.mark.parametrize("kind", ["dtype", "batch"])
    def test_a_state_that_does_not_fit(self, kind):
        x = currents(4, 3, 5, dtype=torch.float32)
        state = LIF().init_state(x[0].double() if kind == "dtype" else x[0, :1])
        with pytest.raises(ValueError, match="these currents need"):
            LIF()(x, state)

    def test_whole_numbers_are_refused(self):
        with pytest.raises(ValueError, match="floating-point"):
            LIF()(torch.ones(4, 3, 5, dtype=torch.int64))

    def test_gradients_of_gradients_are_refused(self):
        x = currents(4, 3, 5).requires_grad_()
        out, _ = scan(LI().double(), x, engine="fused")
        for loss in (out.square().sum(), out.sum()):  # the latter's gradient needs no graph
            with pytest.raises(RuntimeError, match="create_graph=True needs gradients"):
                torch.autograd.grad(loss, x, create_graph=True)

    def test_gradients_of_gradients_of_recurrent_layers_are_refused(self):
        x = currents(4, 3, 5).requires_grad_()
        out, _ = scan(Recurrent(LIF(), 5).double(), x, engine="fused")
        with pytest.raises(RuntimeError, match="create_graph=True needs gradients"):
            torch.autograd.grad(out.sum(), x, create_graph=True)


class TestGradients:
    """Only of what asks for one."""

    @pytest.mark.parametrize("of", ["x", "tau", "state", "none"])
    def test_of_one_thing_alone(self, of):
        neuron, x = LIF(5).double(), currents(9, 3, 5)
        state = neuron.init_state(x[0])
        inputs = {"x": x, "tau": neuron.tau, "state": state.membrane}
        if of in inputs:
            inputs[of].requires_grad_()
        results = []
        for engine in ("eager", "fused"):
            out, _ = scan(neuron, x, state, engine=engine)
            assert out.requires_grad == (of in inputs)
            if of in inputs:
                weights = torch.arange(9.0).view(-1, 1, 1)
                results.append(torch.autograd.grad((out * weights).sum(), inputs[of])[0])
        if results:
            torch.testing.assert_close(*results, rtol=1e-9, atol=1e-9)

    def test_of_the_last_state_alone(self):
        neuron, x = LIF(5).double(), currents(9, 3, 5).requires_grad_()
        found = []
        for engine in ("eager", "fused"):
            _, state = scan(neuron, x, engine=engine)
            found.append(torch.autograd.grad(state.membrane.square().sum(), x)[0])
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)

    def test_finite_for_infinite_membranes(self):
        x = currents(9, 3, 5, dtype=torch.float32)
        x[2, 0, 0], x[3, 1, 1] = torch.inf, -torch.inf
        x.requires_grad_()
        out, _ = scan(LIF(detach_reset=False), x, engine="fused")
        out.sum().backward()
        assert x.grad.isfinite().all()

    def test_through_checkpoints(self):
        neuron, x = LIF(5), currents(9, 3, 5, dtype=torch.float32).requires_grad_()
        out = torch.utils.checkpoint.checkpoint(lambda x: neuron(x)[0], x, use_reentrant=False)
        (gradient,) = torch.autograd.grad(out.sum(), x)
        assert torch.equal(gradient, torch.autograd.grad(neuron(x)[0].sum(), x)[0])

    def test_a_change_in_place_is_found(self):
        neuron, x = LIF(5), currents(9, 3, 5, dtype=torch.float32).requires_grad_()
        x = x * 1
        out, _ = scan(neuron, x, engine="fused")
        x.add_(1)
        with pytest.raises(RuntimeError, match="inplace"):
            out.sum().backward()


@pytest.mark.parametrize("size", [None, 5])
def test_parameters_that_change_unseen_are_followed(size):
    neuron, x = LIF(size), currents(9, 3, 5)
    neuron.double()
    for scale in (1.0, 0.1, 10.0):
        neuron.tau.data.mul_(scale)  # which no version counts
        eager, fused = (ran(neuron, x, engine) for engine in ("eager", "fused"))
        for a, b in zip(flat(eager), flat(fused), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9)


def flat(results):
    """Outputs and gradients in one list."""
    return [tensor for part in results for tensor in part]


@pytest.mark.parametrize("make", [lambda: LIF(300), lambda: Recurrent(AdLIF(300), 300)])
def test_threads_change_nothing(make):
    layer, x = make(), currents(30, 40, 300, dtype=torch.float32)
    for parameter in layer.parameters():
        parameter.requires_grad_()
    before, found = torch.get_num_threads(), []
    try:
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            found.append(ran(layer, x, "fused"))
    finally:
        torch.set_num_threads(before)
    for other in found[1:]:
        for a, b in zip(flat(found[0]), flat(other), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-5)
        assert torch.equal(other[0][0], found[0][0][0])
    again = ran(layer, x, "fused")
    once_more = ran(layer, x, "fused")
    assert all(torch.equal(a, b) for a, b in zip(flat(again), flat(once_more), strict=True))


class TestRecurrent:
    """With a weight inside."""

    @pytest.mark.parametrize("path", ["events", "dense", None])
    @pytest.mark.parametrize("size", [5, 70])
    def test_every_path_gives_the_same(self, path, size):
        layer = Recurrent(LIF(size), size, path=path).double()
        for parameter in layer.parameters():
            parameter.requires_grad_()
        assert_same(layer, currents(20, 4, size), 1e-9)

    def test_an_unknown_path(self):
        with pytest.raises(ValueError, match="path"):
            Recurrent(LIF(), 5, path="sparse")

    def test_inside_autocast_it_runs_step_by_step(self):
        layer, x = Recurrent(LIF(), 5), currents(4, 3, 5, dtype=torch.float32)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            assert layer.engine_for(x) == "eager"


@pytest.mark.skipif(cc.tier() != "c", reason="needs a C compiler")
def test_a_network_that_was_trained_compiles_nothing_for_its_use(monkeypatch):
    compiled, real = [], cc.shared_object
    monkeypatch.setattr(cc, "shared_object", lambda *given: compiled.append(1) or real(*given))
    neuron, x = LIF(17, surrogate=Triangle(3.25)), currents(4, 3, 17)
    neuron(x.requires_grad_())[0].sum().backward()
    assert len(compiled) == 1
    with torch.no_grad():
        neuron(x)
        neuron.eval()(x)
    assert len(compiled) == 1


@pytest.mark.skipif(cc.tier() != "c", reason="numba is what runs here anyway")
@pytest.mark.parametrize(
    ("name", "dtype", "tolerance"),
    [("CubaLIF", torch.float32, 1e-5), ("Recurrent", torch.float64, 1e-9)],
)
def test_numba_is_eager_too(name, dtype, tolerance, monkeypatch):
    pytest.importorskip("numba")
    monkeypatch.setenv("PICOJOULE_KERNELS", "numba")
    (case,) = (case for case in NEURONS if case.name == name)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for shape in ((11, 3, SIZE), (1, 130, SIZE)):
            assert_same(made(case, dtype), currents(*shape, dtype=dtype), tolerance)


@every
def test_channels_may_come_last(case):
    if not case.spatial:
        return
    x = currents(5, 3, SIZE, 4, 6)
    last = x.flatten(0, 1).contiguous(memory_format=torch.channels_last).unflatten(0, (5, 3))
    neuron = made(case)
    (out, *states), gradients = ran(neuron, x, "fused")
    (found, *found_states), found_gradients = ran(neuron, last, "fused")
    assert torch.equal(found, out)
    assert case.mixed or found[0].is_contiguous(memory_format=torch.channels_last)
    for a, b in zip([*found_states, *found_gradients], [*states, *gradients], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-12)


def test_under_autocast_neurons_keep_single_precision():
    neuron, x = LIF(), currents(6, 2, 5, dtype=torch.float32).bfloat16()
    expected, _ = neuron(x.float())
    with torch.autocast("cpu", torch.bfloat16):
        out, (membrane,) = neuron(x)
        assert neuron.engine_for(x) == "fused"
    assert out.dtype == membrane.dtype == torch.float32
    assert torch.equal(out, expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(
    "make", [lambda: LIF(37), lambda: Mixture({"lif": 0.6, "if": 0.4}, 37)], ids=["LIF", "Mixture"]
)
def test_what_goes_past_the_caches_is_the_same(make, dtype, monkeypatch):
    """Sizes that begin and end between the lines of a cache."""
    neuron, found = make().to(dtype), []
    x = torch.rand(5, 3, 37, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 3
    for least in (1 << 40, 1):
        monkeypatch.setattr("picojoule.kernels.loop.NON_TEMPORAL_BYTES", least)
        given = x.clone().requires_grad_()
        out, _ = neuron(given)
        found.append((out, *torch.autograd.grad(out, given, torch.ones_like(out))))
    assert neuron.engine_for(x) == "fused"
    torch.testing.assert_close(*found, rtol=0, atol=0)


def test_loops_on_request_run_only_if_asked_for(monkeypatch):
    """As on CUDA, where nobody has run the compiled loops yet."""
    monkeypatch.setattr("picojoule.engine.scan._ON_REQUEST", ("cpu",))
    neuron, x = LIF(), torch.rand(5, 2, 3)
    with pytest.warns(UserWarning, match="run only if engine='fused' asks for them"):
        neuron(x)
    assert neuron.ran.engine == neuron.engine_for(x) == "eager"
    neuron.engine = "fused"
    neuron(x)
    assert neuron.ran.engine == neuron.engine_for(x) == "fused"

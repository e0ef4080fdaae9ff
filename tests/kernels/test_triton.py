"""Triton's loops: run by its interpreter on a CPU, and compiled for a GPU where there is none."""

import os
import re
from pathlib import Path

import pytest
import torch

from all_neurons import NEURONS, SIZE
from engine_cases import Apply, assert_same, currents, made
from picojoule.engine import plan
from picojoule.engine.fingerprint import survey
from picojoule.engine.scan import scan
from picojoule.kernels import module
from picojoule.kernels.source_triton import triton_source
from picojoule.neurons import LIF, AdLIF, Recurrent, detach

triton = pytest.importorskip("triton")
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
by_interpreter = pytest.mark.skipif(not INTERPRETED, reason="needs TRITON_INTERPRET=1")
by_compiler = pytest.mark.skipif(INTERPRETED, reason="TRITON_INTERPRET=1 compiles nothing")
SINGLE = [case for case in NEURONS if not (case.mixed or case.chooses or "Recurrent" in case.name)]
every = pytest.mark.parametrize("case", NEURONS, ids=lambda case: case.name)


@pytest.fixture(autouse=True)
def _by_triton(monkeypatch):
    """Loops over tensors on the CPU are Triton's too."""
    monkeypatch.setattr(plan, "tier", lambda device: "triton")


COMMON = {
    "sums and products": lambda x, y: torch.addcmul(x, x, y, value=0.7) - y * 3 / (x + 7),
    "whole numbers": lambda x, y: x.floor() + (y * 3).ceil() + (x * 5).round() + (y * 4).trunc(),
    "halves": lambda x, y: ((x * 4).round() / 2).round() + x.sign() + y.abs(),
    "extremes": lambda x, y: torch.maximum(x, y) * 2 + torch.minimum(x, y) + x.clamp(-0.5, 0.7),
    "choice": lambda x, y: (
        torch.where((x > y) ^ ~(x > 0), x, 0.0) + torch.where(y > 0, y > 1, x > 0)
    ),
    "no number": lambda x, y: (x / (y * 0)).nan_to_num(1.0, 2.0, -2.0) + (x / 0).isinf(),
    "undefined": lambda x, y: (
        (x * 0 / 0).clamp(-1, 1).isnan().to(x) + torch.full_like(x, torch.inf)
    ),
    "exp": lambda x, y: torch.exp(x * 9) + torch.log(y.abs() + 1) + torch.sigmoid(x * 9),
    "roots": lambda x, y: torch.sqrt(x.abs() + 0.01) + torch.rsqrt(y * y + 1),
    "waves": lambda x, y: x.sin() + y.cos() + torch.erf(x),
    "lerp": lambda x, y: torch.lerp(x, y, 0.3) + torch.lerp(x, y, 0.8),
}
DEVICE = {  # of a library that only a device has
    "tanh": lambda x, y: x.tanh() + y.atan(),
    "powers": lambda x, y: x.abs() ** 1.5 + torch.pow(2.0, y),
}


@by_interpreter
class TestRun:
    """Against the eager engine."""

    @every
    def test_is_eager_in_double_precision(self, case):
        assert_same(made(case), currents(23, 3, SIZE), 1e-9)

    @every
    def test_is_eager_step_by_step_in_single_precision(self, case):
        neuron, x = made(case, torch.float32), currents(6, 3, SIZE, dtype=torch.float32)
        state = neuron.init_state(x[0])
        for current in x:
            assert_same(neuron, current.unsqueeze(0), 1e-5, state)
            state = detach(neuron.step(current, state)[1])

    @every
    @pytest.mark.parametrize("shape", [(3, 1, SIZE), (2, 7, SIZE, 3, 2), (2, 30, SIZE)])
    def test_shapes_that_do_not_divide_evenly(self, case, shape):
        if case.spatial or len(shape) == 3:
            assert_same(made(case), currents(*shape), 1e-9)

    @every
    def test_starts_from_a_state(self, case):
        neuron, x = made(case), currents(9, 3, SIZE)
        _, state = scan(neuron, x[:4], engine="eager")
        assert_same(neuron, x[4:], 1e-9, state)

    @every
    def test_without_gradients_it_puts_out_the_same(self, case):
        neuron, x = made(case), currents(9, 3, SIZE)
        with torch.no_grad():
            expected, _ = scan(neuron, x, engine="eager")
            torch.testing.assert_close(neuron(x)[0], expected, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize("of", ["x", "tau", "state", "last state"])
    def test_of_one_thing_alone(self, of):
        neuron, x = LIF(5).double(), currents(9, 3, 5)
        state = neuron.init_state(x[0])
        one = {"tau": neuron.tau, "state": state.membrane}.get(of, x).requires_grad_()
        found = []
        for engine in ("eager", "fused"):
            out, last = scan(neuron, x, state, engine=engine)
            end = last.membrane if of == "last state" else out * torch.arange(9.0).view(-1, 1, 1)
            found.append(torch.autograd.grad(end.sum(), one)[0])
        torch.testing.assert_close(*found, rtol=1e-9, atol=1e-9)

    @pytest.mark.parametrize(
        "turned",
        [
            lambda: currents(1, 3, SIZE).expand(8, 3, SIZE),
            lambda: currents(8, 1, SIZE).expand(8, 4, SIZE),
            lambda: currents(3, SIZE, 8).permute(2, 0, 1),
            lambda: currents(8, 3, 4 * SIZE)[::2, 1:, SIZE : 2 * SIZE],
            lambda: currents(3, 2, 300 * SIZE)[..., : 200 * SIZE].unflatten(2, (SIZE, 200)),
        ],
    )
    def test_currents_of_other_layouts(self, turned):
        assert_same(LIF(SIZE).double().requires_grad_(), turned(), 1e-9)

    @pytest.mark.parametrize("size", [5, 150])
    def test_recurrent(self, size):
        layer = Recurrent(AdLIF(size), size).double().requires_grad_()
        assert_same(layer, currents(11, 3, size), 1e-9)

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("name", COMMON)
    def test_functions(self, name, dtype):
        x = torch.randn(4, 3, 37, dtype=dtype)
        x[1, 0, :3] = torch.tensor([0.0, 1.0, -1.0])
        tolerance = 2e-6 if dtype == torch.float32 else 1e-14
        out, found = (scan(Apply(COMMON[name]), x, engine=e)[0] for e in ("eager", "fused"))
        torch.testing.assert_close(found, out, rtol=tolerance, atol=tolerance, equal_nan=True)


def test_every_function_of_c_is_there():
    from picojoule.kernels import elements_triton

    text = Path(module.__file__).with_name("loop.c").read_text()
    used = set(re.findall(r"inline (?:real|truth) (\w+)\(", text)) - {"higher", "summed"}
    assert used <= set(vars(elements_triton))


@pytest.mark.gpu
@pytest.mark.skipif(INTERPRETED or not torch.cuda.is_available(), reason="needs a GPU")
@every
def test_is_eager_on_a_gpu(case):
    assert_same(made(case).cuda(), currents(23, 3, SIZE).cuda(), 1e-9)


@by_compiler
class TestCompiled:
    """For a GPU that need not be there: what Triton makes of the kernels."""

    def kernels(self, neuron, x):
        """Assembly of a neuron's kernels: forward, backward, and backward with nothing optional."""
        loops = plan.plan_of(neuron, survey(neuron), x, neuron.init_state(x[0]), learns=True).loops
        programs = loops.forward_program, loops.backward_program
        made = module.load(triton_source(*programs, len(programs[0].outputs) - 1, x.dtype))
        yield self.assembly(made.forward, x.dtype)
        yield self.assembly(made.backward, x.dtype)
        yield self.assembly(made.backward, x.dtype, left_out="gqje")

    def assembly(self, kernel, dtype, left_out=()):
        """What runs on a GPU where the tensors of these letters are None."""
        from triton.backends.compiler import GPUTarget
        from triton.compiler import ASTSource

        pointer = "*fp64" if dtype == torch.float64 else "*fp32"
        types = {name: pointer if name.endswith("_") else "i64" for name in kernel.arg_names}
        fixed = {name: None for name in types if name[0] in left_out and name.endswith("_")}
        fixed["BLOCK"] = 128
        source = ASTSource(kernel, types | dict.fromkeys(fixed, "constexpr"), fixed)
        options = {"num_warps": 4, "enable_fp_fusion": False}
        return triton.compile(source, target=GPUTarget("cuda", 80, 32), options=options).asm["ptx"]

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("case", SINGLE, ids=lambda case: case.name)
    def test_every_neuron(self, case, dtype):
        neuron, x = made(case, dtype), currents(4, 3, SIZE, dtype=dtype)
        for text in self.kernels(neuron, x):
            assert not re.search(r"approx|\.full\.|\.ftz|atom|\bred\.", text)

    def test_a_product_and_a_sum_round_twice(self):
        neuron = Apply(lambda x, y: x * y + y)
        for text in self.kernels(neuron, currents(4, 3, SIZE)):
            assert "fma" not in text

    @pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
    @pytest.mark.parametrize("name", [*COMMON, *DEVICE])
    def test_functions(self, name, dtype):
        neuron, x = Apply((COMMON | DEVICE)[name]), currents(4, 3, SIZE, dtype=dtype)
        assert all(".entry" in text for text in self.kernels(neuron, x))

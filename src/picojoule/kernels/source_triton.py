"""The loops over time and neurons as Python for Triton: a program runs a block through all steps.

Unlike on a CPU, the states of all steps of a block have no room in a cache. Backward therefore runs
forward once more and writes them to memory of its own, [T, states, elements], which is free again
after this layer; kept by forward, those of all layers would be there at once.
"""

import ast

import torch

from picojoule.kernels.program import Program

_HEAD = """import triton
import triton.language as tl
from picojoule.kernels.elements_triton import *

@triton.jit
def R(x: tl.constexpr):
    return tl.full((), x, tl.KIND)
"""
# Nothing is specialised: a block has one element for each thread, so that alignment brings nothing,
# and a loop called step by step would be compiled for each alignment of its parts.
_FRAME = """

@triton.jit(do_not_specialize=NAMES, do_not_specialize_on_alignment=NAMES)
def TITLE(ARGS, BLOCK: tl.constexpr):
    TRUE = R(1.0) == R(1.0)
    FALSE = R(1.0) != R(1.0)
    INFINITE = R(float("inf"))
    NOT_A_NUMBER = R(float("nan"))
    LARGEST = R(MOST)
    chunk = tl.program_id(0).to(tl.int64)
    row = chunk // per_period
    column = chunk % per_period * BLOCK + tl.arange(0, BLOCK)
    at = row * period + column
    inside = (column < period) & (at < elements)
    zeros = tl.zeros((BLOCK,), tl.KIND)
BODY
"""
SIZES = ["steps", "period", "elements", "per_period"]
SIZES += [f"{letter}_{way}" for letter in "xogq" for way in ("step", "row")]


def triton_source(
    forward: Program, backward: Program | None, states: int, dtype: torch.dtype
) -> str:
    """Writes Python with the kernels ``forward`` and, if asked for, ``backward``.

    Their arguments are the tensors in the order of the pointers that C takes, None for what may be
    left out; then sizes: steps, period, elements, chunks per period, and strides (step, period) of
    currents, output, the output's gradient and the currents' gradient. Room for the states
    of all steps is [T, states, elements].
    """
    parts = [_HEAD, _forward(forward, states)]
    if backward is not None:
        parts.append(_backward(forward, backward, states))
    most = repr(torch.finfo(dtype).max)
    return "".join(parts).replace("KIND", str(dtype).split(".")[1]).replace("MOST", most)


def _framed(name: str, tensors: list[str], body: list[str]) -> str:
    args = [*tensors, *(f"{size}: tl.int64" for size in SIZES)]
    text = _FRAME.replace("TITLE", name).replace("NAMES", repr([*tensors, *SIZES]))
    return text.replace("ARGS", ", ".join(args)).replace("BODY", "\n".join(_deep(body)))


def _deep(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def _named(letter: str, count: int) -> list[str]:
    return [f"{letter}{k}_" for k in range(count)]


def _forward(program: Program, states: int) -> str:
    tensors = ["x_", "o_", *_named("p", len(program.parameters))]
    tensors += [*_named("i", states), *_named("e", states)]
    step = [
        f"x = {_read('x')}",
        *_lines(program),
        _written("o", program.outputs[0]),
        *_carried("s", program.outputs[1:]),
    ]
    body = [
        *_parameters(program, "p"),
        *[f"s{k} = tl.load(i{k}_ + at, inside, 0.0)" for k in range(states)],
        "for t in range(steps):",
        *_deep(step),
        *[f"tl.store(e{k}_ + at, s{k}, inside)" for k in range(states)],
    ]
    return _framed("forward", tensors, body)


def _backward(forward: Program, backward: Program, states: int) -> str:
    sums = list(enumerate(backward.sums))
    tensors = ["x_", "g_", "q_", "h_", *_named("f", len(forward.parameters))]
    tensors += [*_named("p", len(backward.parameters)), *_named("i", states)]
    tensors += [*_named("j", states), *_named("e", states), *_named("z", len(sums))]
    step = [
        f"x = {_read('x')}",
        f"g = {_read('g')} if g_ is not None else zeros",
        *[f"s{k} = tl.load({_history('t', k, states)}, inside, 0.0)" for k in range(states)],
        *_lines(backward),
        "if q_ is not None:",
        *_deep([_written("q", backward.outputs[0])]),
        *[f"w{k} += tl.where(inside, {_exact(one.text)}, 0.0)" for k, one in sums],
        *_carried("d", backward.outputs[1:]),
    ]
    body = [
        *_again(forward, states),
        *_parameters(backward, "p"),
        *[
            f"d{k} = tl.load(j{k}_ + at, inside, 0.0) if j{k}_ is not None else zeros"
            for k in range(states)
        ],
        *[f"w{k} = zeros" for k, _ in sums],
        "for t in range(steps - 1, -1, -1):",
        *_deep(step),
    ]
    for k in range(states):
        body += [f"if e{k}_ is not None:", f"    tl.store(e{k}_ + at, d{k}, inside)"]
    for k, one in sums:
        if one.whole:  # a place for each program, and no atomic sum: runs repeat
            body.append(f"tl.store(z{k}_ + chunk, tl.load(z{k}_ + chunk) + tl.sum(w{k}))")
        else:
            body.append(f"tl.store(z{k}_ + at, tl.load(z{k}_ + at, inside) + w{k}, inside)")
    return _framed("backward", tensors, body)


def _again(forward: Program, states: int) -> list[str]:
    """Writes a loop that runs the states once more from the first."""
    if not states:
        return []
    step = [f"x = {_read('x')}", *_lines(forward), *_carried("s", forward.outputs[1:])]
    step += [f"tl.store({_history('t + 1', k, states)}, s{k}, inside)" for k in range(states)]
    return [
        *_parameters(forward, "f"),
        *[f"s{k} = tl.load(i{k}_ + at, inside, 0.0)" for k in range(states)],
        *[f"tl.store({_history('0', k, states)}, s{k}, inside)" for k in range(states)],
        "for t in range(steps - 1):",
        *_deep(step),
        "tl.debug_barrier()",
    ]


def _parameters(program: Program, letter: str) -> list[str]:
    """Writes how parameters are loaded: they stay in registers for all steps."""
    return [
        f"p{k} = tl.load({letter}{k}_ + column, inside, 0.0)"
        if vector
        else f"p{k} = tl.load({letter}{k}_)"
        for k, vector in enumerate(program.vectors)
    ]


def _lines(program: Program) -> list[str]:
    return [f"{line.name} = {_exact(line.value.text)}" for line in program.lines]


def _carried(letter: str, texts: list[str]) -> list[str]:
    """Writes what the next step starts from: a block, even of one number for all elements."""
    made = [f"n{k} = tl.where(inside, {_exact(text)}, 0.0)" for k, text in enumerate(texts)]
    return made + [f"{letter}{k} = n{k}" for k in range(len(texts))]


def _place(letter: str) -> str:
    return f"{letter}_ + t * {letter}_step + row * {letter}_row + column"


def _read(letter: str) -> str:
    return f"tl.load({_place(letter)}, inside, 0.0)"


def _written(letter: str, text: str) -> str:
    return f"tl.store({_place(letter)}, {_exact(text)}, inside)"


def _history(step: str, k: int, states: int) -> str:
    return f"h_ + (({step}) * {states} + {k}) * elements + at"


class _Division(ast.NodeTransformer):
    """A call in place of ``/``, which Triton rounds roughly in float32."""

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        """Replaces one operation of two numbers."""
        left, right = self.visit(node.left), self.visit(node.right)
        if isinstance(node.op, ast.Div):
            return ast.Call(ast.Name("divided"), [left, right], [])
        return ast.BinOp(left, node.op, right)


def _exact(text: str) -> str:
    return ast.unparse(_Division().visit(ast.parse(text, mode="eval")))

"""The loops over time and neurons as Python for numba: those of the C, with states in place."""

import hashlib
from pathlib import Path

import torch

from picojoule.kernels.program import Program

_HEAD = """import numpy as np
from numba import njit
from picojoule.kernels.elements import *
from picojoule.kernels.elements import exponential_{kind} as exponential

R = np.{kind}
LARGEST = R(np.finfo(np.{kind}).max)
INFINITE = R(np.inf)
NOT_A_NUMBER = R(np.nan)
TRUE, FALSE = True, False
BLOCK = 512
"""
_FRAME = """

@njit(nogil=True, cache=True, error_model="numpy")
def NAME(first, last, worker, n, ARGS):
    steps, period, elements, per, block = n[0], n[1], n[2], n[3], n[4]
LOCALS
    for c in range(first, last):
        row, begin = c // per, c % per * block
        at = row * period + begin
        size = min(block, period - begin, elements - at)
        if size <= 0:
            continue
BODY
"""


def numba_source(
    forward: Program, backward: Program | None, states: int, dtype: torch.dtype
) -> str:
    """Python with the functions ``forward`` and, where asked for, ``backward``.

    Their arguments are arrays of one axis, in the order of the pointers that C takes; what may be
    left out is empty.
    """
    kind = str(dtype).split(".")[1]
    elements = Path(__file__).with_name("elements.py").read_bytes()
    head = (
        f"# of elements.py {hashlib.sha256(elements).hexdigest()}: what numba keeps holds it too\n"
    )
    parts = [head, _HEAD.format(kind=kind), _forward(forward, states)]
    if backward is not None:
        parts.append(_backward(forward, backward, states))
    return "".join(parts)


def _framed(name: str, args: list[str], local: list[str], body: list[str]) -> str:
    text = _FRAME.replace("NAME", name).replace("ARGS", ", ".join(args))
    made = "\n".join(f"    {one} = np.zeros(BLOCK, R)" for one in local)
    return text.replace("LOCALS", made).replace("BODY", "\n".join(_deep(body, 2)))


def _deep(lines: list[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]


def _named(letter: str, count: int) -> list[str]:
    return [f"{letter}{k}_" for k in range(count)]


def _forward(program: Program, states: int) -> str:
    args = ["x_", "o_", *_named("p", len(program.parameters))]
    args += [*_named("i", states), *_named("e", states)]
    body = [
        *[f"v{k}_[:size] = {_or_zeros(f'i{k}_')}" for k in range(states)],
        *_scalars(program, "p"),
        "for t in range(steps):",
        *_deep([_row("X", "x_", 6), _row("O", "o_", 8)], 1),
        *_deep(
            _each(
                [
                    "x = X[i]",
                    *[f"s{k} = v{k}_[i]" for k in range(states)],
                    *_lines(program),
                    f"O[i] = {program.outputs[0]}",
                    *[f"v{k}_[i] = {text}" for k, text in enumerate(program.outputs[1:])],
                ]
            ),
            1,
        ),
        *[f"e{k}_[at : at + size] = v{k}_[:size]" for k in range(states)],
    ]
    return _framed("forward", args, ["zeros", *_named("v", states)], body)


def _backward(forward: Program, backward: Program, states: int) -> str:
    sums = len(backward.sums)
    args = ["x_", "g_", "q_", "h_", *_named("f", len(forward.parameters))]
    args += [*_named("p", len(backward.parameters)), *_named("i", states)]
    args += [*_named("j", states), *_named("e", states), *_named("z", sums)]
    body = [
        f"h = worker * steps * block * {states}",
        *_states("H", "h", states),
        *[f"H{k}[:] = {_or_zeros(f'i{k}_')}" for k in range(states)],
        *[f"d{k}_[:size] = {_or_zeros(f'j{k}_')}" for k in range(states)],
        *[f"w{k}_[:size] = R(0)" for k in range(sums)],
        *_again(forward, states),
        *_scalars(backward, "p"),
        "for t in range(steps - 1, -1, -1):",
        *_deep(
            [_row("X", "x_", 6), _row("G", "g_", 10, "zeros"), _row("Q", "q_", 12, "unused")], 1
        ),
        *_deep([f"b = h + t * block * {states}", *_states("B", "b", states)], 1),
        *_deep(_each(_reverse(backward, states)), 1),
    ]
    for k in range(states):
        body += [f"if len(e{k}_):", f"    e{k}_[at : at + size] = d{k}_[:size]"]
    for k, one in enumerate(backward.sums):
        body.append(f"Z = z{k}_[{'c : c + 1' if one.whole else 'at : at + size'}]")
        body += _each([f"Z[{'0' if one.whole else 'i'}] += w{k}_[i]"])
    local = ["unused", "zeros", *_named("d", states), *_named("w", sums)]
    return _framed("backward", args, local, body)


def _reverse(backward: Program, states: int) -> list[str]:
    return [
        "x = X[i]",
        "g = G[i]",
        *[f"s{k} = B{k}[i]" for k in range(states)],
        *[f"d{k} = d{k}_[i]" for k in range(states)],
        *_lines(backward),
        f"Q[i] = {backward.outputs[0]}",
        *[f"d{k}_[i] = {text}" for k, text in enumerate(backward.outputs[1:])],
        *[f"w{k}_[i] += {one.text}" for k, one in enumerate(backward.sums)],
    ]


def _again(forward: Program, states: int) -> list[str]:
    loop = [
        "x = X[i]",
        *[f"s{k} = B{k}[i]" for k in range(states)],
        *_lines(forward),
        *[f"E{k}[i] = {text}" for k, text in enumerate(forward.outputs[1:])],
    ]
    head = [_row("X", "x_", 6), f"b = h + t * block * {states}", f"e = b + block * {states}"]
    head += [*_states("B", "b", states), *_states("E", "e", states)]
    return [
        *_scalars(forward, "f"),
        "for t in range(steps - 1):",
        *_deep([*head, *_each(loop)], 1),
    ]


def _row(name: str, source: str, stride: int, other: str = "") -> str:
    """A slice, not an offset: an index that may be negative would keep loops from vectorising."""
    start = f"t * n[{stride}] + row * n[{stride + 1}] + begin"
    text = f"{name} = {source}[{start} : {start} + size]"
    return f"{text} if len({source}) else {other}" if other else text


def _or_zeros(name: str) -> str:
    return f"{name}[at : at + size] if len({name}) else zeros[:size]"


def _states(letter: str, start: str, states: int) -> list[str]:
    begins = [f"{start} + {k} * block" for k in range(states)]
    return [f"{letter}{k} = h_[{begin} : {begin} + size]" for k, begin in enumerate(begins)]


def _scalars(program: Program, letter: str) -> list[str]:
    """The parameters of one number, and the parts of the others that belong to these elements."""
    return [
        f"P{k} = {letter}{k}_[begin : begin + size]" if vector else f"p{k} = {letter}{k}_[0]"
        for k, vector in enumerate(program.vectors)
    ]


def _lines(program: Program) -> list[str]:
    vectors = [k for k, vector in enumerate(program.vectors) if vector]
    made = [f"p{k} = P{k}[i]" for k in vectors]
    return made + [f"{line.name} = {line.value.text}" for line in program.lines]


def _each(body: list[str]) -> list[str]:
    return ["for i in range(size):", *_deep(body, 1)] if body else []

"""The loops over time and neurons as Python for numba, after those in C.

Loops vectorise where few arrays could overlap. So there is one array ``l_`` of rows of BLOCK for
all that a chunk holds: states or their gradients, sums, and parameters of its neurons. Another,
``h_``, holds the states of all steps.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import torch

from picojoule.kernels.program import Program
from picojoule.kernels.sizes import BLOCK, LoopSizes

_HEAD = """import numpy as np
from picojoule.kernels.module import kept
from picojoule.kernels.elements import *
from picojoule.kernels.elements import exponential_{kind} as exponential

R = np.{kind}
LARGEST = R(np.finfo(np.{kind}).max)
INFINITE = R(np.inf)
NOT_A_NUMBER = R(np.nan)
TRUE, FALSE = True, False
BLOCK = {block}
"""
_FRAME = """

@kept(nogil=True, error_model="numpy")
def NAME(first, last, worker, n, ARGS):
UNPACKED
    zeros, unused, l_ = np.zeros(BLOCK, R), np.zeros(BLOCK, R), np.zeros(ROWS * BLOCK, R)
    for c in range(first, last):
        row, begin = c // per_period, c % per_period * block
        at = row * period + begin
        size = min(block, period - begin, elements - at)
        if size <= 0:
            continue
BODY
"""


def numba_source(
    forward: Program, backward: Program | None, states: int, dtype: torch.dtype
) -> str:
    """Writes Python with the functions ``forward`` and, if asked for, ``backward``.

    Their arguments are arrays of one axis, in the order of the pointers that C takes; what may be
    left out is empty.
    """
    kind = str(dtype).split(".")[1]
    elements = Path(__file__).with_name("elements.py").read_bytes()
    head = (
        f"# of elements.py {hashlib.sha256(elements).hexdigest()}: what numba keeps holds it too\n"
    )
    parts = [head, _HEAD.format(kind=kind, block=BLOCK), _forward(forward, states)]
    if backward is not None:
        parts.append(_backward(forward, backward, states))
    return "".join(parts)


def _framed(name: str, args: list[str], rows: int, body: list[str]) -> str:
    sizes = "\n".join(f"    {field} = n[{k}]" for k, field in enumerate(LoopSizes._fields))
    text = (
        _FRAME.replace("UNPACKED", sizes)
        .replace("NAME", name)
        .replace("ARGS", ", ".join(args))
        .replace("ROWS", str(rows))
    )
    return text.replace("BODY", "\n".join(_deep(body, 2)))


def _deep(lines: list[str], depth: int) -> list[str]:
    return ["    " * depth + line for line in lines]


def _named(letter: str, count: int) -> list[str]:
    return [f"{letter}{k}_" for k in range(count)]


def _forward(program: Program, states: int) -> str:
    args = ["x_", "o_", *_named("p", len(program.parameters))]
    args += [*_named("i", states), *_named("e", states)]
    step = [
        "x = X[i]",
        *[f"s{k} = {_local(k)}" for k in range(states)],
        *_lines(program, states),
        f"O[i] = {program.outputs[0]}",
        *[f"{_local(k)} = {text}" for k, text in enumerate(program.outputs[1:])],
    ]
    body = [
        *_from([f"i{k}_" for k in range(states)], _local),
        *_parameters(program, "p", states),
        "for t in range(steps):",
        *_deep([_row("X", "x_", "x"), _row("O", "o_", "o"), *_each(step)], 1),
        *[f"E{k} = e{k}_[at : at + size]" for k in range(states)],
        *_each([f"E{k}[i] = {_local(k)}" for k in range(states)]),
    ]
    return _framed("forward", args, states + len(program.parameters), body)


def _backward(forward: Program, backward: Program, states: int) -> str:
    sums = len(backward.sums)
    args = ["x_", "g_", "q_", "h_", *_named("f", len(forward.parameters))]
    args += [*_named("p", len(backward.parameters)), *_named("i", states)]
    args += [*_named("j", states), *_named("e", states), *_named("z", sums)]
    held = states + sums
    step = [
        "x = X[i]",
        "g = G[i]",
        *[f"s{k} = H[{k} * BLOCK + i]" for k in range(states)],
        *[f"d{k} = {_local(k)}" for k in range(states)],
        *_lines(backward, held + len(forward.parameters)),
        f"Q[i] = {backward.outputs[0]}",
        *[f"{_local(k)} = {text}" for k, text in enumerate(backward.outputs[1:])],
        *[f"{_local(states + k)} += {one.text}" for k, one in enumerate(backward.sums)],
    ]
    ends = [_row("X", "x_", "x"), _row("G", "g_", "g", "zeros"), _row("Q", "q_", "q", "unused")]
    body = [
        f"h = worker * steps * {states} * BLOCK",
        _history(states, 1, "0"),
        *_from([f"i{k}_" for k in range(states)], lambda k: f"H[{k} * BLOCK + i]"),
        *_from([f"j{k}_" for k in range(states)], _local),
        *_each([f"{_local(states + k)} = R(0)" for k in range(sums)]),
        *_again(forward, states, held),
        *_parameters(backward, "p", held + len(forward.parameters)),
        "for t in range(steps - 1, -1, -1):",
        *_deep([*ends, _history(states, 1), *_each(step)], 1),
    ]
    for k in range(states):
        copied = [f"E = e{k}_[at : at + size]", *_each([f"E[i] = {_local(k)}"])]
        body += [f"if len(e{k}_):", *_deep(copied, 1)]
    for k, one in enumerate(backward.sums):
        body.append(f"Z = z{k}_[{'c : c + 1' if one.whole else 'at : at + size'}]")
        body += _each([f"Z[{'0' if one.whole else 'i'}] += {_local(states + k)}"])
    rows = held + len(forward.parameters) + len(backward.parameters)
    return _framed("backward", args, rows, body)


def _again(forward: Program, states: int, held: int) -> list[str]:
    after = enumerate(forward.outputs[1:], start=states)
    step = [
        "x = X[i]",
        *[f"s{k} = H[{k} * BLOCK + i]" for k in range(states)],
        *_lines(forward, held),
        *[f"H[{k} * BLOCK + i] = {text}" for k, text in after],
    ]
    return [
        *_parameters(forward, "f", held),
        "for t in range(steps - 1):",
        *_deep([_row("X", "x_", "x"), _history(states, 2), *_each(step)], 1),
    ]


def _row(name: str, source: str, stride: str, other: str = "") -> str:
    """Writes a slice: an index that may be negative would keep loops from vectorising."""
    start = f"t * {stride}_step + row * {stride}_row + begin"
    text = f"{name} = {source}[{start} : {start} + size]"
    return f"{text} if len({source}) else {other}" if other else text


def _history(states: int, steps: int, first: str = "t") -> str:
    """Writes where the states of some steps are."""
    rows = f"{states} * BLOCK"
    return f"H = h_[h + {first} * {rows} : h + ({first} + {steps}) * {rows}]"


def _local(k: int) -> str:
    return f"l_[{k} * BLOCK + i]"


def _from(names: list[str], goal: Callable[[int], str]) -> list[str]:
    """Copies what is given of a state, or zeros; not by slices, which numba takes long for."""
    rows = [
        f"A{k} = {name}[at : at + size] if len({name}) else zeros" for k, name in enumerate(names)
    ]
    return rows + _each([f"{goal(k)} = A{k}[i]" for k in range(len(names))])


def _parameters(program: Program, letter: str, row: int) -> list[str]:
    """Writes how the chunk takes its parameters."""
    lines = []
    for k, vector in enumerate(program.vectors):
        if vector:
            copied = _each([f"{_local(row + k)} = P[i]"])
            lines.append("if c == first or per_period > 1:")
            lines += _deep([f"P = {letter}{k}_[begin : begin + size]", *copied], 1)
        else:
            lines.append(f"p{k} = {letter}{k}_[0]")
    return lines


def _lines(program: Program, row: int) -> list[str]:
    vectors = [k for k, vector in enumerate(program.vectors) if vector]
    made = [f"p{k} = {_local(row + k)}" for k in vectors]
    return made + [f"{line.name} = {line.value.text}" for line in program.lines]


def _each(body: list[str]) -> list[str]:
    return ["for i in range(size):", *_deep(body, 1)] if body else []

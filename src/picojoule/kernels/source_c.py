"""The loops over time and neurons as C."""

from importlib.resources import files

import torch

from picojoule.kernels.program import Program
from picojoule.kernels.sizes import BLOCK, LoopSizes, c_struct

_TYPES = {torch.float32: ("float", "int32_t", ""), torch.float64: ("double", "int64_t", "DOUBLE")}
# Each worker takes a run of chunks; what a chunk computes does not depend on
# how many workers there are.
_FRAME = """
void NAME(const LoopSizes *n, void **a) {
  const int64_t steps = n->steps, period = n->period, elements = n->elements;
  const int64_t per = n->per_period, block = n->block;
  const int64_t threads = n->threads, chunks = (elements + period - 1) / period * per;
#pragma omp parallel for schedule(static, 1) num_threads((int)threads) if (threads > 1)
  for (int64_t worker = 0; worker < threads; worker++)
  for (int64_t c = worker * chunks / threads; c < (worker + 1) * chunks / threads; c++) {
    const int64_t row = c / per, from = c % per * block, at = row * period + from;
    const int64_t left = SMALLER(period - from, elements - at), size = SMALLER(block, left);
    if (size <= 0) continue;
    const int64_t on = (c + 1) / per - row, over = (c + 1) % per * block - from;
BODY
  }
}
"""
_LOOP = "#pragma omp simd\n    for (int64_t i = 0; i < size; i++)"
_EACH = "    for (int64_t i = 0; i < size; i++)"
_LOCAL = "    real {}[BLOCK] __attribute__((aligned(64)));"


def c_source(forward: Program, backward: Program | None, states: int, dtype: torch.dtype) -> str:
    """Writes C with the functions ``forward`` and, if asked for, ``backward``.

    Both take sizes and pointers. Pointers of ``forward``: currents, output, parameters, states,
    last states, the output's totals in float64 (a period for each thread). Of ``backward``:
    currents, the output's gradient, the currents' gradient, room for the states of all steps,
    parameters of both, states, the last states' gradients, the states' gradients, sums, the totals'
    gradient (a period). A null pointer among gradients and totals is zeros, or nothing to be
    written.
    """
    number, truth, define = _TYPES[dtype]
    parts = [f"#define REAL {number}\n#define TRUTH {truth}\n"]
    parts.append(f"#include <stdint.h>\n#define BLOCK {BLOCK}\n{c_struct(LoopSizes)}")
    parts += [f"#define {define}\n"] if define else []
    parts.append(files("picojoule.kernels").joinpath("loop.c").read_text("utf-8"))
    parts.append(_framed("forward", _forward(forward, states)))
    if backward is not None:
        parts.append(_framed("backward", _backward(forward, backward, states)))
    return "".join(parts)


def _framed(name: str, lines: list[str]) -> str:
    return _FRAME.replace("NAME", name).replace("BODY", "\n".join(lines))


def _forward(program: Program, states: int) -> list[str]:
    first = 2 + len(program.parameters)
    totals = first + 2 * states
    body = [_LOCAL.format("far_"), *[_LOCAL.format(f"s{k}_") for k in range(states)]]
    body += [
        # Whole numbers, and so exact up to 2^24 for each element.
        _LOCAL.format("total_"),
        f"    double *totals = a[{totals}] ? (double *)a[{totals}] + worker * period + from : 0;",
        _EACH + " total_[i] = 0;",
        *_parameters(program, 2),
        "    for (int64_t t = 0; t < steps; t++) {",
        _row("const real *x_", 0, "x"),
        _row("real *goal_", 1, "o"),
        _ahead("x_", "x"),
        "    real *o_ = n->past ? far_ : goal_;",
    ]
    for k in range(states):
        body += [
            f"    const real *b{k}_ = t ? s{k}_ : {_given(first + k)};",
            f"    real *e{k}_ = t + 1 < steps ? s{k}_ : {_given(first + states + k)};",
        ]
    return [
        *body,
        _LOOP + " {",
        "      const real x = x_[i];",
        *[f"      const real s{k} = b{k}_[i];" for k in range(states)],
        *_lines(program),
        f"      o_[i] = {program.outputs[0]};",
        *[f"      e{k}_[i] = {text};" for k, text in enumerate(program.outputs[1:])],
        "    }",
        "    if (totals)",
        _EACH + " total_[i] += o_[i];",
        "    if (n->past) past_caches(goal_, far_, size);",
        "    }",
        "    if (totals)",
        _EACH + " totals[i] += total_[i];",
    ]


def _backward(forward: Program, backward: Program, states: int) -> list[str]:
    pointer = 4 + len(forward.parameters)
    state = pointer + len(backward.parameters)
    gradient, wanted, sums = state + states, state + 2 * states, state + 3 * states
    totals = sums + len(backward.sums)
    body = [
        _LOCAL.format("far_"),
        _LOCAL.format("both_"),
        f"    const real *of_totals = a[{totals}] ? (real *)a[{totals}] + from : 0;",
        "    real *h = (real *)a[3] + worker * steps * block * STATES;",
        *[_LOCAL.format(f"d{k}_") for k in range(states)],
        *[_LOCAL.format(f"w{k}_") for k in range(len(backward.sums))],
        *[_EACH + f" w{k}_[i] = 0;" for k in range(len(backward.sums))],
        *_again(forward, states, state),
        *_parameters(backward, pointer),
        "    for (int64_t t = steps - 1; t >= 0; t--) {",
        _row("const real *x_", 0, "x"),
        *_optional("const real *g_", 1, "g", "zeros"),
        *_optional("real *goal_", 2, "q", "far_"),
        _ahead("x_", "x"),
        "    if (a[1])" + _ahead("g_", "g"),
        "    if (of_totals) {",
        _EACH + " both_[i] = g_[i] + of_totals[i];",
        "    g_ = both_;",
        "    }",
        "    real *q_ = n->past ? far_ : goal_;",
        *_before(states, state),
    ]
    body += [line for k in range(states) for line in _carried(k, gradient, wanted)]
    body += [
        _LOOP + " {",
        "      const real x = x_[i], g = g_[i];",
        *[f"      const real s{k} = b{k}_[i], d{k} = c{k}_[i];" for k in range(states)],
        *_lines(backward),
        f"      q_[i] = {backward.outputs[0]};",
        *[f"      e{k}_[i] = {text};" for k, text in enumerate(backward.outputs[1:])],
        *[f"      w{k}_[i] += {one.text};" for k, one in enumerate(backward.sums)],
        "    }",
        "    if (n->past && a[2]) past_caches(goal_, far_, size);",
        "    }",
    ]
    body += _sums_added(backward, sums)
    return [line.replace("STATES", str(states)) for line in body]


def _carried(k: int, gradient: int, wanted: int) -> list[str]:
    """Returns the lines that pass the gradient of a state from step to step."""
    last, first = _or(gradient + k, "(real *)zeros"), _or(wanted + k, f"d{k}_")
    return [
        f"    const real *c{k}_ = t + 1 < steps ? d{k}_ : {last};",
        f"    real *e{k}_ = t ? d{k}_ : {first};",
    ]


def _sums_added(backward: Program, first: int) -> list[str]:
    """Returns the lines that add up what parameters receive, from argument ``first`` on."""
    lines = []
    for k, one in enumerate(backward.sums):
        goal = f"((real *)a[{first + k}])"
        if one.whole:
            lines.append(f"    {goal}[c] += summed(w{k}_, size);")
        else:
            lines.append(f"{_EACH} {goal}[at + i] += w{k}_[i];")
    return lines


def _again(forward: Program, states: int, pointer: int) -> list[str]:
    """Writes a loop that runs the states once more: cheaper than to read them back."""
    if not states:
        return []
    return [
        "    {",
        *_parameters(forward, 4),
        "    for (int64_t t = 0; t + 1 < steps; t++) {",
        _row("const real *x_", 0, "x"),
        "    real *f = h + (t + 1) * block * STATES;",
        *_before(states, pointer),
        _LOOP + " {",
        "      const real x = x_[i];",
        *[f"      const real s{k} = b{k}_[i];" for k in range(states)],
        *_lines(forward),
        *[f"      f[{k} * block + i] = {text};" for k, text in enumerate(forward.outputs[1:])],
        "    }}}",
    ]


def _before(states: int, pointer: int) -> list[str]:
    """Writes where the states before step t are: the first as given, the others in the room."""
    return [
        f"    const real *b{k}_ = t ? h + (t * STATES + {k}) * block : {_given(pointer + k)};"
        for k in range(states)
    ]


def _given(pointer: int) -> str:
    return f"(real *)a[{pointer}] + at"


def _or(pointer: int, other: str) -> str:
    return f"a[{pointer}] ? {_given(pointer)} : {other}"


def _parameters(program: Program, pointer: int) -> list[str]:
    made = []
    for k, vector in enumerate(program.vectors):
        goal = f"((const real *)a[{pointer + k}])"
        made.append(
            f"    const real *p{k}_ = {goal} + from;"
            if vector
            else f"    const real p{k} = {goal}[0];"
        )
    return made


def _lines(program: Program) -> list[str]:
    vectors = [k for k, vector in enumerate(program.vectors) if vector]
    made = [f"      const real p{k} = p{k}_[i];" for k in vectors]
    for line in program.lines:
        kind = "truth" if line.value.truth else "real"
        made.append(f"      const {kind} {line.name} = {line.value.text};")
    return made


def _row(name: str, pointer: int, stride: str) -> str:
    return (
        f"    {name} = (real *)a[{pointer}] + t * n->{stride}_step + row * n->{stride}_row + from;"
    )


def _ahead(name: str, stride: str) -> str:
    """Asks for the same step of the next chunk, which comes after all steps of this one."""
    return f"    ahead({name} + on * n->{stride}_row + over, size);"


def _optional(name: str, pointer: int, stride: str, other: str) -> list[str]:
    row = f"(real *)a[{pointer}] + t * n->{stride}_step + row * n->{stride}_row + from"
    return [f"    {name} = a[{pointer}] ? {row} : {other};"]

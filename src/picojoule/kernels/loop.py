"""The compiled loops of a step: tensors in, tensors out."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.kernels.launch import Call, Given, Prepare, of_c, of_numba, of_triton, one_of
from picojoule.kernels.program import Program
from picojoule.kernels.sizes import BLOCK, LoopSizes
from picojoule.kernels.source_c import c_source
from picojoule.kernels.source_numba import numba_source
from picojoule.kernels.source_triton import triton_source

_FEW = 8  # steps of which the processor has all rows in view, where blocks are small
_SMALL = 96  # such a block
_CACHE_BYTES = 1 << 20  # that the states of all steps of such a block may take
_ROW = 512  # elements from which on a row is a period of its own
NON_TEMPORAL_BYTES = 1 << 26  # bytes of an output from which on it is written past the caches
_MOST = 256  # layouts and sizes that are kept
_WARPS = 128  # elements of a block, each with a thread of its own, where Triton runs
# Elements times steps below which one thread is quicker: waking numba's takes longer.
_LIGHT = {"c": 1 << 16, "numba": 1 << 17, "triton": 0}
_TIERS = {
    "c": (c_source, of_c),
    "numba": (numba_source, of_numba),
    "triton": (triton_source, of_triton),
}
# What runs a forward pass, by its source: that which has a backward pass beside it, if there is
# one. So the first use of a network that was trained compiles nothing.
_PREPARED: dict[str, Prepare] = {}


class Layout(NamedTuple):
    """The way in which [T, B, F] elements pass through the loop.

    Attributes:
        steps: T.
        rows: B.
        width: F.
        together: Rows that make one period of the parameters.
        block: Elements that pass through time together.
    """

    steps: int
    rows: int
    width: int
    together: int
    block: int

    @property
    def period(self) -> int:
        """The elements of a period."""
        return self.width * self.together

    @property
    def per_period(self) -> int:
        """The blocks of a period."""
        return -(-self.period // self.block)

    @property
    def chunks(self) -> int:
        """The number of all blocks."""
        return -(-self.rows // self.together) * self.per_period

    def strides(self, tensor: Tensor | None) -> list[int]:
        """Returns a tensor's strides from step to step and from period to period."""
        return [0, 0] if tensor is None else [tensor.stride(0), _row(tensor) * self.together]


class Loops:
    """The loops of one step, compiled for one dtype.

    Where a tensor is given as ``Each``, the call of step t takes its t-th part. What becomes of a
    row, and what it adds to which sum, does not depend on which others are given with it, as long
    as the first is a multiple of ``rows_together``.

    Args:
        forward: A step: its outputs are the output and the next state.
        backward: Its vector-Jacobian product, None where no gradient is asked for.
        states: Parts of the state.
        dtype: float32 or float64.
        tier: ``"c"``, ``"numba"`` or ``"triton"``.

    Attributes:
        tier: By which it runs.
    """

    def __init__(
        self, forward: Program, backward: Program | None, states: int, dtype: torch.dtype, tier: str
    ) -> None:
        self.forward_program, self.backward_program = forward, backward
        self._states, self.dtype, self.tier = states, dtype, tier
        source, prepared = _TIERS[tier]
        alone = source(forward, None, states, dtype)
        if backward is not None:
            _PREPARED[alone] = prepared(source(forward, backward, states, dtype))
        elif alone not in _PREPARED:
            _PREPARED[alone] = prepared(alone)
        self._prepare = _PREPARED[alone]
        self._layouts: dict[Any, Layout] = {}
        self._sizes: dict[Any, LoopSizes] = {}

    def layout(self, *given: Given) -> Layout:
        """Returns how these [T, B, F] pass through the loop; the first is not None."""
        tensors = [one for one in map(one_of, given) if one is not None]
        key = tuple([(one.shape, one.stride()) for one in tensors])
        found = self._layouts.get(key)
        if found is None:
            if len(self._layouts) >= _MOST:
                self._layouts.clear()
            self._layouts[key] = found = self._layout(tensors)
        return found

    def _layout(self, tensors: Sequence[Tensor]) -> Layout:
        steps, rows, width = tensors[0].shape
        dense = rows and all(_row(one) == width for one in tensors)
        together = rows_together(width) if dense else 1
        if self.tier == "triton":
            return Layout(steps, rows, width, together, _WARPS)
        room = _CACHE_BYTES // (max(steps, 1) * max(self._states, 1) * self.dtype.itemsize)
        block = min(BLOCK, max(64, room // 64 * 64))
        if self.tier == "c" and steps <= _FEW:
            block = min(block, _SMALL)
        period = max(width * together, 1)
        even = -(-period // -(-period // block))
        return Layout(steps, rows, width, together, min(BLOCK, -(-even // 16) * 16))

    def forward(
        self,
        currents: Given,
        out: Given,
        parameters: Sequence[Tensor],
        states: Sequence[Given],
        last: Sequence[Given],
        *,
        totals: Given = None,
        threads: int | None = None,
    ) -> Call:
        """Returns the call that writes the output [T, B, F] and the last states [B, F].

        Args:
            currents: [T, B, F]; its last axis is dense, and so is that of ``out``.
            out: Where the output goes.
            parameters: What the forward program takes, from ``periodic``.
            states: Before the first step, [B, F], dense.
            last: Where the states after the last step go.
            totals: From ``totals``: what the output is added to, which holds whole numbers; None
                where nobody asks.
            threads: That run it at most; None for as many as torch has.
        """
        layout = self.layout(currents, out)
        ends = (currents, out)
        given = [*ends, *parameters, *states, *last, *self._asked(totals)]
        return self._ready("forward", layout, ends, given, threads)

    def backward(
        self,
        ends: tuple[Given, Given, Given],
        parameters: tuple[Sequence[Tensor], Sequence[Tensor]],
        states: Sequence[Given],
        last: Sequence[Given],
        first: Sequence[Given],
        sums: Sequence[Tensor],
        *,
        of_totals: Tensor | None = None,
        threads: int | None = None,
    ) -> Call:
        """Returns the call that writes gradients of currents and states, and adds to the sums.

        Args:
            ends: Currents [T, B, F], the output's gradient or None for zeros, and where the
                currents' gradient goes, or None where nobody asks.
            parameters: What the forward and the backward program take, from ``periodic``.
            states: Before the first step, [B, F].
            last: Gradients of the states after the last step; None for zeros.
            first: Where those of ``states`` go.
            sums: From ``sums``.
            of_totals: The gradient of the output's totals, [F]; None for zeros.
            threads: That run it at most; None for as many as torch has.
        """
        assert self.backward_program is not None
        layout = self.layout(*ends)
        example = one_of(ends[0])
        assert example is not None
        at_once = layout.chunks if self.tier == "triton" else threads or torch.get_num_threads()
        block = BLOCK if self.tier == "numba" else layout.block
        room = example.new_empty(at_once * layout.steps * block * self._states)
        taken = (*parameters[0], *parameters[1])
        given = [*ends, room, *taken, *states, *last, *first, *sums]
        given += self._asked(None if of_totals is None else _spread(of_totals, layout))
        return self._ready("backward", layout, (ends[0], None, *ends[1:]), given, threads)

    @property
    def adds_up(self) -> bool:
        """True if the loops can give totals of what they put out."""
        return self.tier == "c"

    def totals(self, *ends: Given, steps: int | None = None, threads: int | None = None) -> Tensor:
        """Returns zeros for the totals of ``forward`` with these ends, or of each of ``steps``."""
        layout, example = self.layout(*ends), one_of(ends[0])
        assert example is not None
        shape = (threads or torch.get_num_threads(), layout.together, layout.width)
        shape = shape if steps is None else (steps, *shape)
        return example.new_zeros(shape, dtype=torch.float64)

    def _asked(self, totals: Given) -> list[Given]:
        """Returns the last argument of loops that can give totals."""
        return [totals] if self.adds_up else []

    def sums(self, *ends: Given) -> list[Tensor]:
        """Returns zeros for the sums of ``backward`` with these ends."""
        assert self.backward_program is not None
        layout, example = self.layout(*ends), one_of(ends[0])
        assert example is not None
        return [
            example.new_zeros(layout.chunks if one.whole else layout.rows * layout.width)
            for one in self.backward_program.sums
        ]

    def summed(self, sums: Sequence[Tensor], shape: torch.Size) -> list[Tensor]:
        """Returns the sums as the program's ``finish`` takes them, for elements [B, ...]."""
        assert self.backward_program is not None
        programs = self.backward_program.sums
        return [
            found.sum() if one.whole else found.view(shape)
            for one, found in zip(programs, sums, strict=True)
        ]

    def _ready(
        self,
        name: str,
        layout: Layout,
        ends: Sequence[Given],
        given: Sequence[Given],
        threads: int | None,
    ) -> Call:
        if not layout.rows * layout.width:
            return _nothing
        threads = threads or torch.get_num_threads()
        strides = tuple([None if one is None else one.stride() for one in map(one_of, ends)])
        sizes = self._sizes.get(key := (layout, strides, threads))
        if sizes is None:
            if len(self._sizes) >= _MOST:
                self._sizes.clear()
            self._sizes[key] = sizes = self._sizes_of(layout, ends, threads)
        return self._prepare(name, sizes, given)

    def _sizes_of(self, layout: Layout, ends: Sequence[Given], threads: int) -> LoopSizes:
        elements = layout.rows * layout.width
        light = elements * layout.steps < _LIGHT[self.tier]
        four = (*ends, *[None] * (4 - len(ends)))
        x, o, g, q = (layout.strides(one_of(one)) for one in four)
        written = one_of(ends[-1])
        row = 0 if written is None else _row(written)  # one part of a mixture writes into all of it
        return LoopSizes(
            steps=layout.steps,
            period=layout.period,
            elements=elements,
            per_period=layout.per_period,
            block=layout.block,
            threads=1 if light else min(threads, layout.chunks),
            x_step=x[0],
            x_row=x[1],
            o_step=o[0],
            o_row=o[1],
            g_step=g[0],
            g_row=g[1],
            q_step=q[0],
            q_row=q[1],
            past=layout.steps * layout.rows * row * self.dtype.itemsize >= NON_TEMPORAL_BYTES,
        )


def rows_together(width: int) -> int:
    """Returns how many rows of that many elements pass through the loop as one."""
    return max(1, _ROW // max(width, 1))


def periodic(vector: Tensor) -> Tensor:
    """Returns a parameter [F] as loops take it: as many times as rows may pass through as one."""
    return vector.repeat(rows_together(len(vector)))


def _nothing(step: int) -> None:
    """Does nothing, for no elements."""
    del step


def _spread(one: Tensor, layout: Layout) -> Tensor:
    """Returns a vector [F] as the loop reads it: one number per element of a period."""
    return one.expand(layout.together, layout.width).contiguous()


def _row(tensor: Tensor) -> int:
    """Returns the stride from one row of a tensor [T, B, F] to the next."""
    return tensor.stride(1) if tensor.shape[1] > 1 else tensor.shape[2]

"""All steps of a recurrent layer: a product with its weight, and the compiled steps of its neurons.

In C each thread takes some of the rows through all steps; ``recurrence.c`` says how. Elsewhere
steps go one by one, and all threads share each.
"""

import ctypes
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from picojoule.kernels import events_c
from picojoule.kernels.dense_products import repeated_dense
from picojoule.kernels.event_products import limit_of, repeated
from picojoule.kernels.launch import CStep
from picojoule.kernels.loop import rows_together

_LIGHT = 1 << 16  # elements times steps below which one thread is quicker


class Shares(NamedTuple):
    """The rows that go together.

    Attributes:
        rows: Those of each thread; all where steps go one by one.
        apart: Whether each thread takes its own through all steps.
    """

    rows: Sequence[slice]
    apart: bool


def shares(like: Tensor, tier: str) -> Shares:
    """Divides the rows of currents [T, B, N] among threads; few elements are for few threads.

    ``tier`` is by which the neurons' steps are compiled.
    """
    steps, rows, size = like.shape
    if tier != "c" or not rows * size:
        return Shares([slice(0, rows)], apart=False)
    together = rows_together(size)
    groups = -(-rows // together)
    threads = 1 if steps * rows * size < _LIGHT else min(groups, torch.get_num_threads())
    ends = [min(rows, k * groups // threads * together) for k in range(threads + 1)]
    return Shares([slice(*pair) for pair in pairwise(ends)], apart=True)


class Band(NamedTuple):
    """Rows that go together, and the compiled steps of their neurons.

    Attributes:
        rows: Which.
        forward: Forward.
        replay: Forward once more, for the states before each step.
        backward: Backward.
    """

    rows: slice
    forward: Sequence[Any] = ()
    replay: Sequence[Any] = ()
    backward: Sequence[Any] = ()


class Recurrence:
    """All steps of a layer.

    Args:
        weight: [N, N] from inputs to outputs, contiguous.
        given: What is added to the products, [T, B, N], or None for nothing.
        states: Each part of the neurons' state: that from which the next steps go on [B, W], and
            those that are kept, [ceil(T / every), B, W].
        every: Steps of which one state is kept.
        bands: All rows.
        apart: As ``shares`` says.
        more: What is added to each row of ``given``, [T, N], contiguous; None for nothing. Where
            rows go ``apart`` alone.
    """

    def __init__(
        self,
        weight: Tensor,
        given: Tensor | None,
        states: Sequence[tuple[Tensor, Tensor]],
        every: int,
        bands: Sequence[Band],
        *,
        apart: bool,
        more: Tensor | None = None,
    ) -> None:
        self._weight, self._given, self._states = weight, given, states
        self._every, self._bands, self._apart = every, bands, apart
        self._more = more

    def forward(self, first: Tensor, fired: Tensor, received: Tensor, path: str | None) -> None:
        """Keeps states, writes what the neurons receive, and runs their steps.

        Args:
            first: Spikes before the first step [B, N], contiguous.
            fired: Where the steps write to [T, B, N].
            received: Where the products go [T, B, N].
            path: ``"events"``, ``"dense"`` or None, as ``limit_of`` takes it.

        Raises:
            MemoryError: There is too little memory for a copy of the weights.
        """
        if self._apart:
            limit = limit_of(first, self._weight, path)
            _call("recurrence_forward", self._raw(fired.shape, limit), first, fired, received)
            return
        assert self._given is not None
        multiply = repeated(self._weight, first, path)
        came = [first, *fired.unbind(0)]
        rows = zip(came, self._given.unbind(0), received.unbind(0), strict=False)
        for t, (spikes, current, goal) in enumerate(rows):
            if t % self._every == 0:
                for state, kept in self._states:
                    kept[t // self._every] = state
            multiply(spikes, current, goal)
            for run in self._bands[0].forward:
                run(t)

    def backward(self, wanted: Tensor, arriving: Tensor) -> None:
        """Runs the neurons' steps backwards, and after each a product.

        Args:
            wanted: Where the steps write the gradient of what was received [T, B, N].
            arriving: The gradient of the last step's spikes [B, N], which each step reads; after
                it the product and ``given`` of the step before.

        Raises:
            MemoryError: There is too little memory for a copy of the weights.
        """
        if self._apart:
            _call("recurrence_backward", self._raw(wanted.shape, 0.0), wanted, arriving)
            return
        rows, given = wanted.unbind(0), self._given
        multiply = repeated_dense(self._weight, len(arriving), len(rows))
        for start in range((len(rows) - 1) // self._every * self._every, -1, -self._every):
            stop = min(start + self._every, len(rows))
            for state, kept in self._states:
                state.copy_(kept[start // self._every])
            for t in range(start, stop - 1):
                for run in self._bands[0].replay:
                    run(t)
            for t in range(stop - 1, start - 1, -1):
                for run in self._bands[0].backward:
                    run(t)
                if given is None or not t:
                    arriving.copy_(multiply(rows[t]))
                else:
                    torch.add(multiply(rows[t]), given[t - 1], out=arriving)

    def _raw(self, shape: torch.Size, limit: float) -> "_Layer":
        if self._given is not None and self._given.stride(2) != 1:
            self._given = self._given.contiguous()
        given = self._given
        states = [(one.data_ptr(), kept.data_ptr(), one.shape[1]) for one, kept in self._states]
        steps, rows, size = shape
        return _Layer(
            steps=steps,
            rows=rows,
            size=size,
            every=self._every,
            states=len(states),
            bands=len(self._bands),
            state=(_State * len(states))(*states),
            band=(_Band * len(self._bands))(*map(_band, self._bands)),
            weight=self._weight.data_ptr(),
            given=None if given is None else given.data_ptr(),
            given_step=0 if given is None else given.stride(0),
            given_row=0 if given is None else given.stride(1),
            more=None if self._more is None else self._more.data_ptr(),
            limit=limit,
        )


# As recurrence.c has them. What a pointer of these leads to lives as long as they do.
class _State(ctypes.Structure):
    _fields_ = (("held", ctypes.c_void_p), ("kept", ctypes.c_void_p), ("width", ctypes.c_int64))


class _Band(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("start", "stop", "count")),
        *((name, ctypes.POINTER(CStep)) for name in ("forward", "replay", "backward")),
    )


class _Layer(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_int64) for name in ("steps", "rows", "size", "every", "states", "bands")),
        ("state", ctypes.POINTER(_State)),
        ("band", ctypes.POINTER(_Band)),
        *((name, ctypes.c_void_p) for name in ("weight", "given")),
        *((name, ctypes.c_int64) for name in ("given_step", "given_row")),
        ("more", ctypes.c_void_p),
        ("limit", ctypes.c_double),
    )


def _band(band: Band) -> _Band:
    forward, replay, backward = (
        (CStep * len(calls))(*(call.raw for call in calls)) for calls in band[1:]
    )
    return _Band(
        start=band.rows.start,
        stop=band.rows.stop,
        count=max(map(len, (forward, replay, backward))),
        forward=forward,
        replay=replay,
        backward=backward,
    )


def _call(name: str, layer: _Layer, *tensors: Tensor) -> None:
    function = getattr(events_c.library(tensors[0].dtype), name)
    events_c.done(function(ctypes.byref(layer), *(one.data_ptr() for one in tensors)))

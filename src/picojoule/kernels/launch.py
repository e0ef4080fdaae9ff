"""Calls of compiled loops: in C by pointers, in numba by arrays, in Triton by tensors."""

import ctypes
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import cache, lru_cache, partial
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from picojoule.kernels import cc, module
from picojoule.kernels.sizes import LoopSizes
from picojoule.kernels.source_triton import SIZES as TRITON_SIZES

Call = Callable[[int], None]  # with the number of a step


class Each(NamedTuple):
    """A tensor that each step's call takes the next part of, and the first again after the last."""

    tensor: Tensor


Given = Tensor | Each | None
Prepare = Callable[[str, LoopSizes, Sequence[Given]], Call]


def one_of(given: Given) -> Tensor | None:
    """Returns what a single call takes."""
    return given.tensor[0] if isinstance(given, Each) else given


class _Move(ctypes.Structure):
    """A pointer that moves with the steps; recurrence.c has this struct and the next, too."""

    _fields_ = (
        ("place", ctypes.c_int64),
        ("start", ctypes.c_void_p),
        ("stride", ctypes.c_int64),
        ("count", ctypes.c_int64),
    )


class CStep(ctypes.Structure):
    """The function, numbers and pointers of a call of a compiled loop."""

    _fields_ = (
        ("run", ctypes.c_void_p),
        ("numbers", ctypes.c_void_p),
        ("pointers", ctypes.c_void_p),
        ("moves", ctypes.c_void_p),
        ("count", ctypes.c_int64),
    )


class CCall:
    """A call by pointers; keeps alive what they point to."""

    def __init__(self, function: Any, sizes: LoopSizes, given: Sequence[Given]) -> None:
        self._function, self._given = function, given
        starts, moves = [], []
        for k, one in enumerate(given):
            if isinstance(one, Each):
                start, stride = one.tensor.data_ptr(), one.tensor.stride(0) * one.tensor.itemsize
                moves.append((k, start, stride, len(one.tensor)))
                starts.append(start)
            else:
                starts.append(None if one is None else one.data_ptr())
        self._numbers = _numbers(sizes)
        self._pointers = (ctypes.c_void_p * len(starts))(*starts)
        self._moves = (_Move * len(moves))(*moves)

    @property
    def raw(self) -> CStep:
        """The same for callers in C."""
        return CStep(
            run=ctypes.cast(self._function, ctypes.c_void_p),
            numbers=ctypes.addressof(self._numbers),
            pointers=ctypes.addressof(self._pointers),
            moves=ctypes.addressof(self._moves),
            count=len(self._moves),
        )

    def __call__(self, step: int) -> None:
        """Runs one step."""
        for move in self._moves:
            self._pointers[move.place] = move.start + step % move.count * move.stride
        self._function(self._numbers, self._pointers)


@lru_cache(maxsize=1024)
def _numbers(sizes: LoopSizes) -> Any:
    """Returns the numbers as C takes them, which nobody changes."""
    return (ctypes.c_int64 * len(sizes))(*sizes)


def of_c(source: str) -> Prepare:
    """Compiles C; returns what prepares calls of its functions, with sizes and pointers."""
    library = cc.shared_object(source)
    return lambda name, sizes, given: CCall(getattr(library, name), sizes, given)


def of_numba(source: str) -> Prepare:
    """Compiles Python by numba; its functions take a share of the chunks, sizes and arrays."""
    compiled = module.load(source)

    def prepare(name: str, sizes: LoopSizes, given: Sequence[Given]) -> Call:
        function, numbers = getattr(compiled, name), np.array(sizes, np.int64)
        threads, chunks = sizes.threads, sizes.blocks
        bounds = [worker * chunks // threads for worker in range(threads + 1)]
        tensors = [one_of(one) for one in given]
        nothing = next(one for one in tensors if one is not None).new_empty(0)
        arrays = [_flat(nothing if one is None else one) for one in tensors]
        moves = [
            (k, _flat(one.tensor), one.tensor.stride(0), len(arrays[k]), len(one.tensor))
            for k, one in enumerate(given)
            if isinstance(one, Each)
        ]

        def call(step: int) -> None:
            for k, all_steps, stride, span, count in moves:
                start = step % count * stride
                arrays[k] = all_steps[start : start + span]
            shares = ((*bounds[w : w + 2], w, numbers, *arrays) for w in range(threads))
            together([partial(function, *share) for share in shares])

        return call

    return prepare


def of_triton(source: str) -> Prepare:
    """Compiles Python by Triton: a program for each chunk, which takes tensors and sizes."""
    compiled = module.load(source)

    def prepare(name: str, sizes: LoopSizes, given: Sequence[Given]) -> Call:
        grid, block = (sizes.blocks,), sizes.block
        kernel = getattr(compiled, name)[grid]
        numbers = [getattr(sizes, field) for field in TRITON_SIZES]
        device = next(one for one in map(one_of, given) if one is not None)

        def call(step: int) -> None:
            tensors = [
                one.tensor[step % len(one.tensor)] if isinstance(one, Each) else one
                for one in given
            ]
            with torch.cuda.device_of(device):
                kernel(*tensors, *numbers, block, num_warps=block // 32, enable_fp_fusion=False)

        return call

    return prepare


def together(calls: Sequence[Callable[[], Any]]) -> None:
    """Makes calls side by side, on torch's own threads where they can be had.

    Threads of torch go on waiting for work for a while, and others would have to share the
    processor with them; numba's own would change how many torch has.
    """
    if len(calls) == 1:
        calls[0]()
        return
    waiting, errors, parallel = iter(calls), _Errors(), _parallel()

    def run(unused: Any = None) -> None:
        del unused
        for call in waiting:  # each is taken once, also where there are fewer threads than calls
            with errors:
                call()

    others = []
    if parallel is None:
        others = [_pool(len(calls) - 1).submit(run) for _ in calls[1:]]
    else:
        parallel(_CALLBACK(run), None, len(calls), 0)
    run()  # and what an interrupted thread left
    wait(others)
    if errors.found:
        raise errors.found[0]


class _Errors:
    """A context that keeps errors for later: nothing can be raised through OpenMP."""

    def __init__(self) -> None:
        self.found: list[BaseException] = []

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> bool:
        if error is not None:
            self.found.append(error)
        return True


_CALLBACK = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


@cache
def _parallel() -> Any:
    """Returns what runs a function on the threads of torch's GNU OpenMP; None elsewhere."""
    try:
        function = ctypes.CDLL(None).GOMP_parallel
    except (AttributeError, OSError, TypeError):
        return None
    function.argtypes = _CALLBACK, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint
    function.restype = None
    return function


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="picojoule")


def _flat(tensor: Tensor) -> Any:
    """Returns the memory from a tensor's first to its last element, as an array of one axis."""
    reach = zip(tensor.shape, tensor.stride(), strict=True)
    span = 1 + sum((size - 1) * stride for size, stride in reach) if tensor.numel() else 0
    return tensor.detach().as_strided((span,), (1,)).numpy()

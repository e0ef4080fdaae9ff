"""Calls of a network under a meter: samples, compilers, checkpoints."""

import sys
import threading
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.utils.checkpoint import CheckpointFunction

from picojoule._torch import compiler_loaded, is_compiled, vectorized
from picojoule.energy.rules.arguments import tensors


class Calls:
    """The calls of a network inside a block, and the samples in them.

    Args:
        samples: Samples that the user says will run, None if they are counted.
        needed: Whether they cannot be counted.

    Raises:
        TypeError: If ``samples`` is no whole number.
        ValueError: If it is missing or not positive.
    """

    def __init__(self, samples: int | None, *, needed: bool) -> None:
        if samples is None and needed:
            raise ValueError(
                "samples is needed: this network holds no picojoule neuron, and which of its axes "
                "is the batch is not guessed. Pass samples=, the number of samples run inside"
            )
        if samples is not None and (isinstance(samples, bool) or not isinstance(samples, int)):
            raise TypeError(f"samples must be a whole number, got {samples!r}")
        if samples is not None and samples < 1:
            raise ValueError(f"samples must be at least 1, got {samples}")
        self._declared, self._timed = samples, not needed
        self._shapes: list[torch.Size] = []
        self._batches: set[int] = set()
        self._grad = False

    @property
    def samples(self) -> int:
        """Number of samples that the user said, else of those seen on axis 1."""
        return self._seen(1) if self._declared is None else self._declared

    def first(self, named: Mapping[str, Any]) -> Tensor:
        """Returns the first input of a call, floating-point if there is one, and keeps its shape.

        Args:
            named: The arguments of the call, by name.

        Raises:
            ValueError: If there is none, it holds no sample, or it is nested.
        """
        given = tensors(named.values())
        given.sort(key=lambda value: not value.is_floating_point())
        if not given:
            raise ValueError(
                "the network was called without a tensor: give it one, or meter the part of it "
                "that takes one"
            )
        if any(value.is_nested for value in given):
            raise ValueError(
                "the network was called with a nested tensor, whose sequences have no common "
                "shape: pad it, x.to_padded_tensor(0.0), and give lengths if the network takes them"
            )
        shape = next((_shape(value) for value in named.values() if _packed(value)), given[0].shape)
        if self._timed and 0 in shape:
            raise ValueError(
                f"the network was called with an empty input of shape {list(shape)}, which has no "
                "energy per sample: leave empty batches out"
            )
        self._shapes.append(shape)
        self._grad = torch.is_grad_enabled()
        return given[0]

    def ran(self, batch: int) -> None:
        """Takes down the batch of a layer of neurons [T, B, ...], if axis 1 holds another one."""
        if self._shapes[-1][1:2] != (batch,):
            self._batches.add(batch)

    @property
    def unsure(self) -> bool:
        """True if neurons ran on another batch than axis 1 of the network's input."""
        return bool(self._batches)

    def check(self, *, timed: bool) -> None:
        """Compares what the user said with what ran.

        Args:
            timed: Whether axis 1 is known to be the batch.

        Raises:
            ValueError: If no axis holds so many samples or a multiple, in a call or over all calls,
                or nobody said how many there are and neurons ran on another batch than axis 1.
        """
        said = self._declared
        if said is None and self._batches:
            raise ValueError(
                f"samples is needed: axis 1 of the input {list(self._shapes[-1])} is taken for "
                f"the batch, but neurons ran on a batch of {min(self._batches)}. Pass samples=, "
                "the number of samples run inside"
            )
        if said is None or (said == 1 and not timed):
            return
        # The last axis is never the batch, but of numbers alone.
        axes = [1] if timed else range(max(1, min(map(len, self._shapes)) - 1))
        sums = {self._seen(axis) for axis in axes}
        sizes = {shape[axis] for shape in self._shapes for axis in axes}
        # Steps may be folded into the first axis of a foreign network.
        folded = not timed and self._seen(0) % said == 0
        if said not in sums | sizes and not folded:
            shapes = ", ".join(str(list(shape)) for shape in dict.fromkeys(self._shapes))
            raise ValueError(
                f"samples={said}, but no axis of the inputs that ran ({shapes}) holds so many "
                "or a multiple, in one call or in all: pass the number of samples that ran inside"
            )

    def refuse_reentrant(self) -> None:
        """Finds the form of activation checkpointing that would lose the penalty's gradient.

        Raises:
            RuntimeError: If it is in use.
        """
        if not self._grad or torch.is_grad_enabled():
            return
        frame = sys._getframe()
        while frame is not None:
            if frame.f_code is CheckpointFunction.forward.__code__:
                raise RuntimeError(
                    "activation checkpointing in its reentrant form runs layers without a graph, "
                    "and the gradient of the energy would be lost: pass use_reentrant=False to "
                    "torch.utils.checkpoint"
                )
            frame = frame.f_back

    def _seen(self, axis: int) -> int:
        return sum(shape[axis] for shape in self._shapes if len(shape) > axis)


def _packed(value: Any) -> bool:
    return isinstance(value, PackedSequence)


def _shape(packed: PackedSequence) -> torch.Size:
    """Returns the shape [T, B, ...] that a packed sequence has when it is padded."""
    batch = int(packed.batch_sizes[0])  # kept on the CPU by torch
    return torch.Size((len(packed.batch_sizes), batch, *packed.data.shape[1:]))


def scripted(net: nn.Module) -> dict[nn.Module, nn.Module | None]:
    """Finds scripted and traced modules, each with the nearest module around it that can be seen.

    Raises:
        ValueError: If the network itself is one.
    """
    if isinstance(net, torch.jit.ScriptModule):
        raise ValueError(
            "the network is scripted or traced, and what runs inside cannot be seen: meter the "
            "network as it was before"
        )
    found: dict[nn.Module, nn.Module | None] = {}

    def visit(module: nn.Module, holder: nn.Module) -> None:
        for part in module.children():
            if isinstance(part, torch.jit.ScriptModule):
                found[part] = holder
                visit(part, holder)
            else:
                visit(part, part)

    visit(net, net)
    return found


def eager(net: nn.Module, undo: ExitStack) -> None:
    """Runs compiled modules uncompiled until ``undo`` is closed, and says so once."""
    compiled = [module for module in net.modules() if is_compiled(module)]
    if compiled or compiler_loaded():
        undo.enter_context(_uncompiled())
    if compiled:
        warnings.warn(
            "what torch.compile made of this network cannot be seen: under a Meter it runs "
            "uncompiled, which is slower",
            stacklevel=4,
        )


class _Uncompiled:
    """A block in which the process runs nothing compiled, entered by any number of threads.

    torch keeps one stance for all threads: the first to enter sets it, the last to leave gives it
    back, whatever the order in which they leave.
    """

    def __init__(self) -> None:
        self._lock, self._inside, self._undo = threading.Lock(), 0, ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                self._undo.enter_context(torch.compiler.set_stance("force_eager"))
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                self._undo.close()


@cache
def _uncompiled() -> _Uncompiled:
    return _Uncompiled()


def refuse_vmap(what: str) -> None:
    """Refuses a call under ``torch.func.vmap``."""
    if vectorized():
        raise RuntimeError(
            f"{what} was called under torch.func.vmap, which hides an axis and with it how much "
            "runs: call it with all of the batch"
        )

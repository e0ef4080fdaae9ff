"""The inputs that a network is called with: their kinds, and which of its steps run."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from picojoule._names import unknown
from picojoule.energy.kinds import KINDS, Kind
from picojoule.energy.meter.names import arguments
from picojoule.energy.meter.recorder import Recorder
from picojoule.energy.meter.watch import Calls
from picojoule.energy.rules.arguments import tensors


class Inputs:
    """Declaration of the kinds of a network's inputs, which also sets the clock at each call.

    Args:
        declared: The kind of the network's inputs, or a kind per argument name.
        recorder: Whose lineage and clock are told.
        calls: Takes down how the network is called.
        timed: Whether it runs through time as picojoule's do, x [T, B, ...].

    Attributes:
        decided: Ones and zeros [T, B] with the graph of what decides which steps run, None if
            nothing does.

    Raises:
        ValueError: If there is no such kind.
    """

    def __init__(
        self, declared: str | Mapping[str, str], recorder: Recorder, calls: Calls, *, timed: bool
    ) -> None:
        for kind in [declared] if isinstance(declared, str) else declared.values():
            if kind not in KINDS:
                raise ValueError(unknown("kind of input", kind, KINDS))
        self._declared, self._calls, self._timed = declared, calls, timed
        self._lineage, self._clock = recorder.lineage, recorder.clock
        self._at: dict[nn.Module, int] = {}  # steps that a network has done by chunks
        self._lengths: Tensor | None = None
        self.decided: Tensor | None = None

    def start(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Declares the kinds of the inputs and learns samples, steps and lengths.

        Raises:
            ValueError: A kind was said of an argument that is not there.
        """
        given = arguments(net, args, kwargs)
        first = self._calls.first(given)
        named = {name: tensors([value]) for name, value in given.items()}
        if not isinstance(self._declared, str):
            for name in self._declared:
                if name not in named:
                    raise ValueError(unknown("input", name, named))
        steps = first.shape[0] if self._timed else None
        lengths = named.pop("lengths", None) if self._timed else None
        self._lengths = lengths[0] if steps and lengths else None
        self._clock.batch = first.shape[1] if steps and first.dim() > 1 else None
        self._start(steps or 1, first)
        for name, values in named.items():
            self._declare(name, values, steps)

    def _declare(self, name: str, values: list[Tensor], steps: int | None) -> None:
        declared = self._declared
        kind = declared if isinstance(declared, str) else declared.get(name, "analog")
        for value in values:
            # not a state that it gave back before, nor indices unless they are declared
            spikes = value.dtype in (torch.bool, torch.uint8)
            spikes |= kind != "analog" and not value.is_floating_point()
            if spikes or self._lineage.is_new(value):
                gate = kind == "analog" and value.dtype == torch.bool
                own = Kind(kind, steps=steps, given=True, gate=gate)
                self._lineage.declare(value, self._clock.ending(own))

    def repeat(self, results: list[Tensor]) -> None:
        """Takes down that a layer made steps of one, from which on lengths tell how many run."""
        for out in results[:1]:
            self._start(self._clock.steps, out)
            if (kind := self._lineage.kind_of(out)) is not None and self._clock.decided:
                self._lineage.declare(out, self._clock.ending(kind))

    def _start(self, steps: int, values: Tensor) -> None:
        """Sets the clock to steps of which lengths, or training, tell which of values run."""
        decided, within = self.decided, None
        if self._lengths is not None:
            within = _within(values, self._lengths)
        self._clock.decided = decided is not None and len(decided) == len(values)
        self._clock.start(steps, decided if self._clock.decided else within)

    def start_chunks(self, net: nn.Module) -> None:
        """Takes down that a network will call itself for some of its steps at a time."""
        self._at[net] = 0

    def start_chunk(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Narrows the clock to the steps of such a call."""
        at = self._at.get(net, 0)
        first = tensors(arguments(net, args, kwargs).values())[0]
        stop = self._at[net] = at + len(first)
        self._clock.enter(at, stop)
        self._last_for(first)

    def end_chunk(self, results: list[Tensor], *, last: bool) -> None:
        """Ends such a call, or the ``last`` around them all, whose output has all steps."""
        if not last:
            self._clock.leave()
        for out in results[:1]:
            self._last_for(out)

    def _last_for(self, values: Tensor) -> None:
        """Says of values [T, B, ...] that they are of T steps."""
        kind = self._lineage.kind_of(values)
        if kind is not None and kind.steps is not None:
            self._lineage.declare(values, self._clock.ending(replace(kind, steps=len(values))))


def _within(x: Tensor, lengths: Tensor) -> Tensor | None:
    """Returns which steps [T, B] of x [T, B, ...] are within, None if lengths are of no batch."""
    if lengths.dtype == torch.bool and lengths.shape == x.shape[:2]:
        return lengths  # as parts of a network are told
    if lengths.shape != x.shape[1:2]:
        return None
    return torch.arange(len(x), device=lengths.device)[:, None] < lengths


def makes_steps(module: nn.Module) -> bool:
    """Tells whether a module makes steps of one."""
    return getattr(type(module), "makes_steps", False) is True


def by_chunks(module: nn.Module) -> bool:
    """Tells whether a module runs its steps in chunks by calling itself."""
    return hasattr(type(module), "by_chunks") and module.by_chunks is True

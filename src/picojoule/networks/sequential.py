"""Containers of layers that run through time."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from picojoule._lengths import cut, valid_steps
from picojoule._names import unknown
from picojoule._torch import NormBase
from picojoule.contract import READY
from picojoule.networks.repeat import Repeat
from picojoule.networks.rows import all_steps
from picojoule.networks.stacked import Stack, stack_of
from picojoule.networks.statistics import looks_across
from picojoule.neurons import Neuron


class Sequential(nn.Sequential):
    """Layers in sequence: torch layers run on all steps at once [T*B, ...], neurons through time.

    Attributes:
        chunk: Number of steps that go through all layers together, for gradient checkpointing over
            long sequences; None for all. Only the state is kept from one chunk to the next, and the
            backward pass runs each chunk again. Outputs and gradients (of a penalty too) stay the
            same; memory is that of one chunk, and of all spikes if a penalty looks at traffic.
        narrowed: Whether channels were left out of it after a training.

    Example:
        >>> from picojoule.neurons import LI, LIF
        >>> net = Sequential(nn.Linear(4, 3), LIF(), nn.Linear(3, 2), LI())
        >>> out, state = net(torch.rand(5, 1, 4))
        >>> out.shape
        torch.Size([5, 1, 2])
    """

    chunk: int | None = None
    narrowed: bool = False

    @property
    def by_chunks(self) -> bool:
        """True if it runs its steps in chunks, by calling itself."""
        return self.chunk is not None

    def forward(
        self, x: Tensor, state: tuple[Any, ...] | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Runs all steps.

        Args:
            x: Input [T, B, ...].
            state: State that an earlier call returned, to go on from.
            lengths: Steps of each sequence [B], from 1 to T; the output after them is zero, and
                what stands there changes nothing, not even the statistics of a batch norm in
                training. With ``Repeat`` they are steps that it makes, and layers before it run
                for all. Parts of a network are given which steps are valid, [T, B] bool.

        Returns:
            Output [T, B, ...] and the state of each layer (None if it has none).

        Raises:
            ValueError: If the state has another number of layers, lengths are of another batch,
                no whole numbers or outside of 1..T, or ``chunk`` would change the output.
        """
        if x.dim() < 3:
            raise ValueError(
                f"expected x [T, B, ...] with at least one axis of features, got {list(x.shape)}"
            )
        if (stack := self.as_stack(x, state, lengths)) is not None:
            return stack(x)
        x, valid = _begun(self, x, lengths)
        chunk = _steps_of(self.chunk)
        if chunk is not None and len(x) > chunk:
            return self._by_chunks(chunk, x, state, valid)
        if state is not None and len(state) != len(self):
            raise ValueError(f"the state is of {len(state)} layers, the network has {len(self)}")
        states: list[Any] = []
        for index, layer in enumerate(self):
            before = None if state is None else state[index]
            if isinstance(layer, (Sequential, Residual)):
                x, last = layer(x, before, valid)
            elif isinstance(layer, Neuron):
                x, last = layer(x, before)
                x = _cut(x, valid)
            elif isinstance(layer, Repeat):
                x, last = _cut(layer(x), valid), None
            else:
                x, last = all_steps(layer, x, _of(x, valid)), None
            states.append(last)
        ends = len(self) > 0 and isinstance(self[-1], (Sequential, Residual, Neuron))
        return x if ends else _cut(x, valid), tuple(states)

    def as_stack(
        self, x: Tensor, state: tuple[Any, ...] | None = None, lengths: Tensor | None = None
    ) -> Stack | None:
        """Returns what runs all layers as one function, as a call does then; None if nothing can.

        A meter is told what passes between the layers, and hooks of theirs that only look are not
        called. Arguments as for ``forward``.
        """
        ready = READY.get()
        if ready is not None and ready[0] is self and ready[1] is x:
            return ready[2]
        own = type(self).forward is Sequential.forward and "forward" not in vars(self)
        alone = state is None and lengths is None and self.chunk is None
        return stack_of(self, x) if own and alone else None

    def _by_chunks(
        self, chunk: int, x: Tensor, state: tuple[Any, ...] | None, valid: Tensor | None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Runs one chunk of steps after the other, each to be run again for its gradient."""
        self.check_chunk()
        outs: list[Tensor] = []
        for start in range(0, len(x), chunk):
            part = slice(start, start + chunk)
            steps, within = x[part], None if valid is None else valid[part]
            if torch.is_grad_enabled():
                out, state = checkpoint(self, steps, state, within, use_reentrant=False)  # pyright: ignore
            else:
                out, state = self(steps, state, within)
            outs.append(out)
        assert state is not None
        return torch.cat(outs), state

    def check_chunk(self) -> None:
        """Checks that ``chunk`` does not change the output.

        Raises:
            ValueError: If it is not a whole number of at least 1, or a layer looks at all steps
                together.
        """
        if _steps_of(self.chunk) is None:
            return
        for name, module in self.named_modules():
            if isinstance(module, NormBase) and looks_across(module):
                raise ValueError(
                    f"layer '{name}', a {type(module).__name__}, looks at all steps together and "
                    f"would see those of a chunk of {self.chunk}: train without chunk, or without "
                    "the norm"
                )


class ResidualState(NamedTuple):
    """State of a residual layer: those of its body and its shortcut."""

    body: tuple[Any, ...]
    shortcut: tuple[Any, ...]


def _and(body: Tensor, shortcut: Tensor) -> Tensor:
    return body * shortcut


def _iand(body: Tensor, shortcut: Tensor) -> Tensor:
    return (1 - body) * shortcut


JOINS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "and": _and,
    "iand": _iand,
}


class Residual(nn.Module):
    """Body of layers and a shortcut beside it, whose outputs are joined.

    Equation::

        out = body(x) + shortcut(x)              join="add"
        out = body(x) * shortcut(x)              join="and"
        out = (1 - body(x)) * shortcut(x)        join="iand"

    A sum of spikes is a level. A meter counts one addition for each spike, or for each element if
    body or shortcut is analog. AND and IAND of spikes are spikes and cost nothing of their own.

    Args:
        body: Layers of the body.
        shortcut: Layers beside them; None for x itself.
        join: ``"add"``, ``"and"`` or ``"iand"``.

    Shape:
        [T, B, ...] to [T, B, ...]; body and shortcut have outputs of the same shape.

    Raises:
        ValueError: If the join is unknown; when called, if the shapes differ.

    Example:
        >>> from picojoule.neurons import LIF
        >>> layer = Residual(Sequential(nn.Linear(4, 4), LIF()))
        >>> out, state = layer(torch.ones(5, 1, 4))
        >>> out.shape
        torch.Size([5, 1, 4])
    """

    def __init__(
        self, body: Sequential, shortcut: Sequential | None = None, *, join: str = "add"
    ) -> None:
        super().__init__()
        if join not in JOINS:
            raise ValueError(unknown("join", join, JOINS))
        self.body, self.join = body, join
        self.shortcut = Sequential() if shortcut is None else shortcut

    def forward(
        self, x: Tensor, state: ResidualState | None = None, lengths: Tensor | None = None
    ) -> tuple[Tensor, ResidualState]:
        """Runs all steps; see ``Sequential.forward``.

        Raises:
            ValueError: If body and shortcut have outputs of different shapes.
        """
        before = ResidualState((), ()) if state is None else state
        body, body_state = self.body(x, before.body or None, lengths)
        shortcut, shortcut_state = self.shortcut(x, before.shortcut or None, lengths)
        return self.joined(body, shortcut), ResidualState(body_state, shortcut_state)

    def joined(self, body: Tensor, shortcut: Tensor) -> Tensor:
        """Joins the outputs of body and shortcut.

        Raises:
            ValueError: If their shapes differ.
        """
        if body.shape != shortcut.shape:
            raise ValueError(
                f"the body gives {list(body.shape)} and the shortcut {list(shortcut.shape)}: give "
                "a shortcut= that makes them alike, such as a convolution of size 1"
            )
        return JOINS[self.join](body, shortcut)

    def extra_repr(self) -> str:
        """Returns the join, for ``repr``."""
        return f"join={self.join}"


def named(**layers: nn.Module) -> Sequential:
    """Makes a ``Sequential`` whose layers have names."""
    return Sequential(OrderedDict(layers))


def _steps_of(chunk: int | None) -> int | None:
    if chunk is not None and (not isinstance(chunk, int) or chunk < 1):
        raise ValueError(f"chunk must be at least 1 step, or None for all, got {chunk!r}")
    return chunk


def _begun(net: Sequential, x: Tensor, lengths: Tensor | None) -> tuple[Tensor, Tensor | None]:
    """Returns the input with zeros after the ends, and which steps are valid.

    Parts of a network are told which, and what comes to them is finite.
    """
    if lengths is None:
        return x, None
    told = isinstance(lengths, Tensor) and lengths.dtype == torch.bool
    if told and lengths.shape[1:] == x.shape[1:2] and len(x) in (1, len(lengths)):
        return x, lengths
    made = [layer.steps for layer in net.modules() if isinstance(layer, Repeat)]
    if made and len(x) == 1:
        return x, valid_steps(x.expand(made[0], *x.shape[1:]), lengths)
    valid = valid_steps(x, lengths)
    return cut(x, valid), valid


def _of(x: Tensor, valid: Tensor | None) -> Tensor | None:
    """Returns which steps of x are valid, None for all: before a ``Repeat`` there is one."""
    return valid if valid is not None and len(x) == len(valid) else None


def _cut(x: Tensor, valid: Tensor | None) -> Tensor:
    """Returns finite values with zeros after the ends, in less time than ``cut``."""
    valid = _of(x, valid)
    return x if valid is None else x * valid.view(*valid.shape, *[1] * (x.dim() - 2))

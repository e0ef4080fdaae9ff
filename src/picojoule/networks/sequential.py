"""Containers of layers that run through time."""

from collections import OrderedDict
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from picojoule._names import unknown
from picojoule._torch import BatchNorm, NormBase
from picojoule.kernels import EventProducts, limit_for
from picojoule.neurons import Neuron


class Repeat(nn.Module):
    """Layer that repeats one step ``steps`` times.

    A static image passes the layers before it once, and they are counted once.

    Args:
        steps: Number of steps that it puts out.

    Shape:
        [1, B, ...] to [steps, B, ...].

    Raises:
        ValueError: If there is no step; when called, if the input has more than one.

    Example:
        >>> Repeat(4)(torch.rand(1, 2, 3)).shape
        torch.Size([4, 2, 3])
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        if steps < 1:
            raise ValueError(f"Repeat needs at least one step, got {steps}")
        self.steps = steps

    def forward(self, x: Tensor) -> Tensor:
        """Expands x [1, B, ...] to [steps, B, ...], without a copy."""
        if x.shape[0] != 1:
            raise ValueError(
                f"Repeat takes one step and got {x.shape[0]}: give the network x[1, B, ...], or "
                "leave Repeat out for inputs that have their own steps"
            )
        return x.expand(self.steps, *x.shape[1:])

    def extra_repr(self) -> str:
        """Returns the steps, for ``repr``."""
        return str(self.steps)


class Sequential(nn.Sequential):
    """Layers in sequence: torch layers run on all steps at once [T*B, ...], neurons through time.

    Attributes:
        chunk: Number of steps that go through all layers together, for gradient checkpointing over
            long sequences; None for all. Only the state is kept from one chunk to the next, and the
            backward pass runs each chunk again. Outputs and gradients (of a penalty too) stay the
            same; memory is that of one chunk, and of all spikes if a penalty looks at traffic.

    Example:
        >>> from picojoule.neurons import LI, LIF
        >>> net = Sequential(nn.Linear(4, 3), LIF(), nn.Linear(3, 2), LI())
        >>> out, state = net(torch.rand(5, 1, 4))
        >>> out.shape
        torch.Size([5, 1, 2])
    """

    chunk: int | None = None

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
            lengths: Steps of each sequence [B]; the output after them is zero.

        Returns:
            Output [T, B, ...] and the state of each layer (None if it has none).

        Raises:
            ValueError: If the state has another number of layers, lengths are of another batch or
                used with ``Repeat``, or ``chunk`` would change the output.
        """
        chunk = _steps_of(self.chunk)
        if chunk is not None and len(x) > chunk:
            return self._by_chunks(chunk, x, state, lengths)
        if state is not None and len(state) != len(self):
            raise ValueError(f"the state is of {len(state)} layers, the network has {len(self)}")
        if x.dim() < 3:
            raise ValueError(
                f"expected x [T, B, ...] with at least one axis of features, got {list(x.shape)}"
            )
        mask = None if lengths is None else _mask(x, lengths)
        x = _masked(x, mask)
        states: list[Any] = []
        for index, layer in enumerate(self):
            before = None if state is None else state[index]
            if isinstance(layer, (Sequential, Residual)):
                x, last = layer(x, before, lengths)
            elif isinstance(layer, Neuron):
                x, last = layer(x, before)
                x = _masked(x, mask)
            elif isinstance(layer, Repeat):
                if mask is not None:
                    raise ValueError("lengths are for sequences; a Repeat layer starts from images")
                x, last = layer(x), None
            else:
                x, last = _all_steps(layer, x), None
            states.append(last)
        return _masked(x, mask), tuple(states)

    def _by_chunks(
        self, chunk: int, x: Tensor, state: tuple[Any, ...] | None, lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Any, ...]]:
        """Runs one chunk of steps after the other, each to be run again for its gradient."""
        self.check_chunk()
        outs: list[Tensor] = []
        for start in range(0, len(x), chunk):
            left = None if lengths is None else lengths - start
            steps = x[start : start + chunk]
            if torch.is_grad_enabled():
                out, state = checkpoint(self, steps, state, left, use_reentrant=False)  # pyright: ignore
            else:
                out, state = self(steps, state, left)
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
            if isinstance(module, NormBase) and _looks_across(module):
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


def _looks_across(norm: NormBase) -> bool:
    """Tells whether a norm's output for an item depends on others, or it keeps statistics."""
    tracks = norm.track_running_stats
    return (
        (norm.training or not tracks) if isinstance(norm, BatchNorm) else norm.training and tracks
    )


def _all_steps(layer: nn.Module, x: Tensor) -> Tensor:
    """Runs a torch layer on all steps at once; by events if they are few and the layer allows."""
    if any(isinstance(part, Neuron) for part in layer.modules()):
        raise TypeError(
            f"{type(layer).__name__} holds neurons and would take all steps at once: put them in a "
            "picojoule Sequential"
        )
    rows = x.flatten(0, 1)
    with EventProducts() if _may_be_sparse(layer, rows) else nullcontext():
        out = layer(rows)
    return out.unflatten(0, x.shape[:2])


def _may_be_sparse(layer: nn.Module, rows: Tensor) -> bool:
    """Tells whether the layer or its gradient could go by events, if few values are nonzero.

    The product itself looks at how many are.
    """
    if not rows.is_cpu or torch.compiler.is_compiling():
        return False
    if type(layer) is not nn.Linear or rows.dim() != 2:
        return type(layer) is nn.Conv2d
    outputs, inputs = layer.weight.shape
    return any(limit_for(len(rows), inputs, outputs, gradient=one) for one in (False, True))


def _mask(x: Tensor, lengths: Tensor) -> Tensor:
    """Returns which steps [T, B] of ``x`` lie within each sequence."""
    if lengths.shape != x.shape[1:2]:
        raise ValueError(
            f"lengths must be [B] = [{x.shape[1]}] for x [T, B, ...], got {list(lengths.shape)}"
        )
    steps = torch.arange(x.shape[0], device=x.device).unsqueeze(1)
    return steps < lengths.to(x.device)


def _masked(x: Tensor, mask: Tensor | None) -> Tensor:
    return x if mask is None else x * mask.view(*mask.shape, *[1] * (x.dim() - 2))

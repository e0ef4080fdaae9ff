"""A network that runs one step at a time."""

from typing import Any

import torch
from torch import Tensor

from picojoule._names import unknown
from picojoule._torch import have_forward_hooks, inner, watched
from picojoule._types import told_of_types
from picojoule.kernels import PATHS
from picojoule.networks import Sequential
from picojoule.networks.exit import Exiting, exit_of
from picojoule.neurons import Neuron
from picojoule.streaming.layers import runs_as_made, stream_layer


class Stream:
    """A network that runs one step at a time; made by ``stream``.

    Its outputs are those of the network for all steps at once, up to rounding. It keeps the state
    from step to step, and no graph. On a CPU, linear layers and recurrent weights add up only the
    weights of the events that arrive, so that latency falls with activity. A copy of these weights
    doubles their memory.

    Between steps, weights and parameters may change in place (by an optimizer, ``load_state_dict``)
    or be replaced, and so may layers: the next step runs the layers that the network has then, from
    the state so far. Other changes in a neuron take effect after ``reset``. While the network has
    hooks, such as those of a ``Meter``, or a layer with a ``forward`` of somebody's own, or a
    transform of torch is on, each step runs the network itself, so that these see all of it.

    A network with an ``Exit`` ends each sample once it is sure of it, see ``sure``: from then on
    the sample's output is zero and nothing arrives in it, and if all have ended nothing runs. Its
    ``scores`` are those of the steps that it ran.
    """

    def __init__(self, net: Sequential | Neuron, *, path: str | None = None) -> None:
        if not isinstance(net, (Sequential, Neuron)):
            raise TypeError(
                f"expected a picojoule Sequential or Neuron, got {type(net).__name__}: put its "
                "layers in a picojoule Sequential"
            )
        if path is not None and path not in PATHS:
            raise ValueError(unknown("path", path, PATHS))
        self._net, self._path = net, path
        self._step: tuple[Any, ...] | None = None
        self._started = False
        self._ended: Exiting | None = None
        self._follow()

    def __call__(self, x: Tensor) -> Tensor:
        """Runs one step: x [B, ...] to the network's output [B, ...].

        Raises:
            ValueError: If x has no batch axis or differs in shape or type from earlier steps, the
                state does not fit (as after a change of layers: call ``reset``), or the network is
                in training mode.
            TypeError: If x is of another type than the weights.
        """
        self._check(x)
        if inner(self._modules) != self._children:
            self._follow()
        with torch.no_grad(), told_of_types(self._net, x):
            out = self._run(x) if self._ended is None else self._ended.step(self._run, x)
        self._started = True
        return out

    @property
    def sure(self) -> Tensor | None:
        """The samples [B] that have ended; None before the first step, or without an ``Exit``."""
        return None if self._ended is None else self._ended.sure

    @property
    def scores(self) -> Tensor | None:
        """The readout's scores [B, K] after each sample's last step so far; None as ``sure``."""
        return None if self._ended is None else self._ended.scores

    @property
    def state(self) -> Any:
        """The state after the last step, as the network itself returns it; None before the first.

        Set it to continue from a state that the network or this property gave; scores start anew.
        """
        return self._layers.state() if self._started else None

    @state.setter
    def state(self, state: Any) -> None:
        self._layers.start(state)
        self._step, self._started = None, state is not None
        self._ended = self._new_end()

    @property
    def paths(self) -> dict[str, str]:
        """The path of each layer's last product, by the layer's name: by events or dense."""
        return {name: product.last for name, product in self._layers.products()}

    def reset(self) -> None:
        """Starts over: the next step is the first of a sequence."""
        self._started = False
        if inner(self._modules) != self._children:
            self._follow()
        self._whole = not all(map(runs_as_made, self._modules))
        self.state = None

    def _run(self, x: Tensor, going: Tensor | None = None) -> Tensor:
        """Runs one step of all layers; only samples that are ``going`` [B] count for a meter."""
        if self._whole or have_forward_hooks(self._modules) or watched():
            within = {} if going is None else {"lengths": going.unsqueeze(0)}
            out, state = self._net(x.unsqueeze(0), self.state, **within)
            self._layers.start(state)
            return out[0]
        return self._layers.step(x).clone()

    def _new_end(self) -> Exiting | None:
        return None if (found := exit_of(self._net)) is None else Exiting(found)

    def _follow(self) -> None:
        """Takes the layers that the network has now, and continues from the state so far."""
        layers = stream_layer(self._net, self._path)
        if self._started:
            layers.start(self.state)
        self._layers = layers
        self._modules = list(self._net.modules())
        self._children = inner(self._modules)
        self._whole = not all(map(runs_as_made, self._modules))
        if self._ended is None:
            self._ended = self._new_end()

    def _check(self, x: Tensor) -> None:
        if self._net.training:
            raise ValueError(
                "a stream runs a network as it is used, and this one is in training mode: call "
                "net.eval() first"
            )
        step = (x.shape, x.dtype, x.device)
        if step == self._step:
            return
        if x.dim() < 2:
            raise ValueError(
                f"expected one step x [B, ...] with at least one axis of features, got "
                f"{list(x.shape)}"
            )
        if self._step is not None:
            raise ValueError(
                f"expected a step like those before, {list(self._step[0])} {self._step[1]} on "
                f"{self._step[2]}, got {list(x.shape)} {x.dtype} on {x.device}: reset() starts over"
            )
        self._step = step


def stream(net: Sequential | Neuron, *, path: str | None = None) -> Stream:
    """Makes a stream of a network: it runs one step at a time and keeps its state.

    Args:
        net: A picojoule ``Sequential`` or ``Neuron``, in evaluation mode.
        path: ``"events"`` or ``"dense"`` for every product; None to choose by density.

    Returns:
        A ``Stream``: call it with x [B, ...].

    Raises:
        TypeError: If the network cannot run single steps, such as one with ``Repeat``.
        ValueError: If the path is unknown.

    Example:
        >>> from torch import nn
        >>> from picojoule.neurons import LI, LIF
        >>> net = Sequential(nn.Linear(4, 3), LIF(), nn.Linear(3, 2), LI()).eval()
        >>> run = stream(net)
        >>> for x in torch.rand(5, 1, 4):
        ...     out = run(x)
        >>> out.shape
        torch.Size([1, 2])
        >>> run.reset()
    """
    return Stream(net, path=path)

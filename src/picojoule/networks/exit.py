"""The exit of a network: the step at which it is sure of a sample, and needs no more of them."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from picojoule import readout as readouts
from picojoule._names import unknown
from picojoule.networks.sequential import Sequential

EXIT = "exit"  # the name of the layer that training adds


class Exit(nn.Module):
    """Last layer of a network, which says at which step the network is sure of a sample.

    It passes on what it is given. A sample has ended once the softmax probability of the class with
    the highest score is ``sure`` or more, where the scores are those of the readout over the steps
    so far: from then on it is a sequence of so many steps.

    Args:
        sure: Probability from which the network is sure, between 0 and 1.
        readout: Name of the readout: ``"mean"``, ``"max"``, ``"last"`` or ``"count"``.

    Attributes:
        odds: Logarithm of the odds of ``sure``, [].

    Shape:
        [T, B, K] to [T, B, K].

    Raises:
        ValueError: If ``sure`` is not between 0 and 1, or there is no such readout.

    Example:
        >>> Exit(0.9).steps(torch.tensor([[[0.0, 1.0]], [[0.0, 9.0]], [[0.0, 0.0]]]))
        tensor([2])

    Reference:
        Li et al. 2023, Unleashing the potential of spiking neural networks with dynamic confidence
        (softmax probability of the scores so far against a threshold).
    """

    passes_on = True

    def __init__(self, sure: float = 0.9, *, readout: str = "mean") -> None:
        super().__init__()
        if not 0 < sure < 1:
            raise ValueError(f"sure must be a probability between 0 and 1, got {sure}")
        if readout not in readouts.SO_FAR:
            raise ValueError(unknown("readout", readout, readouts.SO_FAR))
        self.readout = readout
        odds = torch.tensor(math.log(sure / (1 - sure)))
        self.odds = nn.Parameter(odds, requires_grad=False)

    @property
    def sure(self) -> float:
        """Probability from which the network is sure."""
        return float(self.odds.detach().sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        """Returns x as it is."""
        return x

    def scores(self, out: Tensor) -> Tensor:
        """Computes the scores [T, B, K] after each step from a network's output [T, B, K].

        Raises:
            ValueError: If there is one class alone.
        """
        if out.shape[-1] < 2:
            raise ValueError(
                "an exit compares the scores of classes, and this network has one output: it can "
                "be sure of nothing, so leave out the exit (the lever 'steps')"
            )
        return readouts.after_each_step(self.readout, out)

    def steps(self, scores: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Computes after how many steps each sample has ended.

        Args:
            scores: Scores after each step, [T, B, K].
            lengths: Steps of each sequence [B]; None if all have T.

        Returns:
            Steps [B], from 1 to those of the sequence.
        """
        sure = log_odds(scores) >= self.odds
        steps = torch.where(sure.any(0), sure.int().argmax(0) + 1, len(scores))
        return steps if lengths is None else steps.minimum(lengths.long())

    def ends(
        self, net: Callable[..., Any], x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Runs all steps of the network around this exit, to see how far each sample needs to run.

        Args:
            net: The network.
            x: Input [T, B, ...].
            lengths: Steps of each sequence [B]; None if all have T.

        Returns:
            Scores after each step [T, B, K], and the steps of each sample [B].

        Raises:
            ValueError: If there is one class alone.
        """
        out = net(x)[0] if lengths is None else net(x, lengths=lengths)[0]
        scores = self.scores(out)
        return scores, self.steps(scores, lengths)

    def extra_repr(self) -> str:
        """Returns when it is sure, for ``repr``."""
        return f"sure={self.sure:.4g}, readout='{self.readout}'"


class Exiting:
    """The samples of a batch that runs one step at a time, and which of them have ended.

    Args:
        exit: The exit of the network.

    Attributes:
        sure: Which samples have ended [B]; None before the first step.
        scores: Scores of each sample after its last step so far [B, K]; None before the first step.
    """

    def __init__(self, exit: Exit) -> None:
        self._exit = exit
        self._steps = 0
        self._sum: Tensor | None = None
        self.sure: Tensor | None = None
        self.scores: Tensor | None = None

    def step(self, run: Callable[[Tensor, Tensor], Tensor], x: Tensor) -> Tensor:
        """Runs one step of the samples that have not ended.

        Args:
            run: Runs x [B, ...], of which samples are going [B], to an output [B, K].
            x: One step [B, ...].

        Returns:
            The output [B, K], zero where a sample had ended.
        """
        if self.sure is None or self.scores is None:
            self.sure = torch.zeros(len(x), dtype=torch.bool, device=x.device)
            out = run(x, ~self.sure)
            self.scores = torch.zeros_like(out)
        elif bool(self.sure.all()):
            return torch.zeros_like(self.scores)
        else:
            out = run(_where(~self.sure, x), ~self.sure)
            out = _where(~self.sure, out)
        self._steps += 1
        self.scores = torch.where(self.sure.unsqueeze(-1), self.scores, self._so_far(out))
        self.sure = self.sure | (log_odds(self.scores) >= self._exit.odds)
        return out

    def _so_far(self, out: Tensor) -> Tensor:
        """Returns what the readout says of this step [B, K] and those before."""
        before, name = self._sum, self._exit.readout
        if name == "last":
            return out
        if name == "max":
            self._sum = out if before is None else before.maximum(out)
            return self._sum
        self._sum = out.double() if before is None else before + out
        return (self._sum / (self._steps if name == "mean" else 1)).to(out.dtype)


def _where(going: Tensor, x: Tensor) -> Tensor:
    """Returns x [B, ...] with zeros where a sample has ended."""
    return torch.where(going.view(-1, *[1] * (x.dim() - 1)), x, 0)


def log_odds(scores: Tensor) -> Tensor:
    """Computes the log odds [...] of the most probable class, from scores [..., K]."""
    top, index = scores.max(-1, keepdim=True)
    others = scores.scatter(-1, index, -torch.inf).logsumexp(-1)
    return top.squeeze(-1) - others


@torch.no_grad()
def steps_of(net: nn.Module, x: Tensor, lengths: Tensor | None = None) -> Tensor | None:
    """Computes how many steps of each sample a network needs: those to its exit.

    Args:
        net: The network, in evaluation mode.
        x: Input [T, B, ...].
        lengths: Steps of each sequence [B]; None if all have T.

    Returns:
        Steps [B], to be given to the network as ``lengths``; those given if it has no exit.
    """
    found = exit_of(net)
    return lengths if found is None else found.ends(net, x, lengths)[1]


def exit_of(net: nn.Module) -> Exit | None:
    """Returns the exit of a network, None if it runs all steps."""
    last = list(net.children())[-1:] if isinstance(net, Sequential) else []
    return last[0] if last and isinstance(last[0], Exit) else None

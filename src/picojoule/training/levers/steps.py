"""The lever on time: an exit once the network is sure."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from picojoule.networks import Exit, Sequential
from picojoule.networks.exit import EXIT, exit_of
from picojoule.neurons import Neuron
from picojoule.training.levers.base import Lever


class Steps(Lever):
    r"""Early exit: a sample ends at the step at which the network is sure of it.

    The network gets an ``Exit``, a last layer with one number: the confidence from which it is
    sure. Training learns that number, from what further steps cost and from what they add to the
    scores, and trains the scores at the exit. A sample that has ended is a sequence of fewer steps:
    what would come after costs nothing, and its scores are those of its own steps.

    Take it to go below the floor of the input and of neuron updates, for long inputs most of all.

    Args:
        lr: How fast the confidence moves, in log odds, see ``Lever``.

    Raises:
        ValueError: If ``lr`` is not above 0.
    """

    def attach(self, net: nn.Module) -> list[nn.Parameter]:
        """Puts an exit at the end of a network, if it has none; see ``Lever``.

        Raises:
            ValueError: If there is no place for one.
        """
        if not isinstance(net, Sequential):
            raise ValueError(
                f"steps need a picojoule Sequential, got a {type(net).__name__}: put its layers in "
                "one"
            )
        if not any(isinstance(layer, Neuron) for layer in net.modules()):
            raise ValueError(
                "steps have no place in this network: it has no layer of neurons, so that nothing "
                "in it goes from one step to the next"
            )
        if exit_of(net) is None:
            net.add_module(EXIT, Exit())
        odds = _of(net).odds
        odds.requires_grad_(True)
        return [odds]

    def decided(self, net: nn.Module) -> Callable[[], None]:
        """Leaves the exit in the network; see ``Lever``."""
        return lambda: _keep(_of(net))

    def fit(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Puts an exit at the end of a network whose weights have one; see ``Lever``."""
        if f"{EXIT}.odds" in weights and exit_of(net) is None:
            net.add_module(EXIT, Exit())


def _of(net: nn.Module) -> Exit:
    found = exit_of(net)
    assert found is not None
    return found


def _keep(found: Exit) -> None:
    """Keeps an exit as it is from now on."""
    found.odds.requires_grad_(False)

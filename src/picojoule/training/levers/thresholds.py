"""Thresholds and time constants that are learned, for every neuron its own."""

from collections.abc import Callable, Iterator, Mapping

import torch
from torch import Tensor, nn

from picojoule.networks.channels import sizes_of
from picojoule.neurons import Mixture, Neuron, Recurrent
from picojoule.training.levers.base import Lever


class Thresholds(Lever):
    r"""Constants of neurons that are learned: thresholds, time constants, frequencies, damping.

    Each neuron, or channel of a convolution, gets constants of its own, if it has not. They learn
    what the loss asks for, the price of spikes included: a threshold that rises saves spikes
    without a change of what the weights say. In the end they are constants again.

    Constants of neurons with levels, of resonators and of adaptations learn too; one that already
    learns by itself, as the leak of ``PLIF`` does, is left to the optimizer of the weights. Where
    the number of neurons is not known (outside of a picojoule ``Sequential``, and behind layers
    that are not torch's), neurons that share a constant go on sharing it.

    Take it if the limit is on spikes more than on synapses that are there anyway.

    Args:
        lr: How fast constants move in a step, as a share of their mean size at first.

    Raises:
        ValueError: If ``lr`` is not above 0.
    """

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__(lr)
        self._learned: list[nn.Parameter] = []

    def attach(self, net: nn.Module) -> list[nn.Parameter]:
        """Lets every constant learn; see ``Lever``.

        Raises:
            ValueError: If there is none.
        """
        sizes = _sizes(net)
        self._learned = []
        for neuron, name, constant in _constants(net):
            if not constant.requires_grad:
                own = _spread(constant, sizes.get(neuron))
                own.requires_grad_(True)
                setattr(neuron, name, own)
                self._learned.append(own)
        if not self._learned:
            raise ValueError(
                "thresholds have no place in this network: it has no constants of neurons, "
                "such as the threshold and the tau of LIF, that do not learn already"
            )
        return list(self._learned)

    def rate(self, parameter: nn.Parameter) -> float:
        """Returns ``lr`` in the unit of a constant; see ``Lever``."""
        size = float(parameter.detach().abs().mean())
        return self.lr * (size or 1.0)

    def decided(self, net: nn.Module) -> Callable[[], None]:
        """Leaves out nothing; what was learned is constant again; see ``Lever``."""
        del net

        def end() -> None:
            for constant in self._learned:
                constant.requires_grad_(False)

        return end

    def fit(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Gives every neuron constants of its own where it came to have them; see ``Lever``."""
        names = {module: name for name, module in net.named_modules()}
        for neuron, name, constant in _constants(net):
            saved = weights.get(f"{names[neuron]}.{name}".lstrip("."))
            if saved is not None and saved.dim() == 1 and not constant.dim():
                setattr(neuron, name, _spread(constant, len(saved)))


def _constants(net: nn.Module) -> Iterator[tuple[Neuron, str, nn.Parameter]]:
    """Yields the constants of neurons: what they have for all of them or for each."""
    for neuron in net.modules():
        if isinstance(neuron, Neuron):
            for name, value in list(neuron.named_parameters(recurse=False)):
                if value.dim() < 2:
                    yield neuron, name, value


def _sizes(net: nn.Module) -> dict[nn.Module, int]:
    """Finds the number of neurons of layers, those inside of others too."""
    sizes: dict[nn.Module, int] = {**sizes_of(net)}
    for layer in net.modules():
        if isinstance(layer, Recurrent):
            sizes[layer.neuron] = layer.size
        elif isinstance(layer, Mixture):
            learned = layer.gates is not None
            counts = layer.counts
            sizes |= {
                kind: layer.size if learned else counts[name] for name, kind in layer.kinds.items()
            }
    return sizes


def _spread(constant: Tensor, size: int | None) -> nn.Parameter:
    """Makes a constant of its own for each of ``size`` neurons; a copy if they have it."""
    if constant.dim() or size is None:
        return nn.Parameter(constant.detach().clone(), constant.requires_grad)
    return nn.Parameter(torch.clone(constant.detach().expand(size)), constant.requires_grad)

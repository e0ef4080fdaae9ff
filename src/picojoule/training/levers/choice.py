"""Kinds of neurons that training chooses, and that are settled in the end."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

from picojoule.networks.channels import Channels, mixtures_of
from picojoule.networks.narrow import keep_only
from picojoule.neurons import Mixture, Recurrent
from picojoule.training.levers.base import Lever, mask


class Kinds(Lever):
    r"""Choice of a kind of neuron for each neuron of a learned ``Mixture``, and its end.

    Without this lever the gates of a mixture learn as the weights do, to the last step, and the
    network is still a learned mixture then. With it they learn at a rate of their own, and only for
    the first part of the training: the weights have the rest for what was chosen. In the end each
    mixture is the plain one, as ``Mixture.compiled`` makes it. Neurons that chose no kind are cut
    out of the weights as ``Gates`` cuts, and are priced so, where gates could go.

    Take it for mixtures under a limit.

    Args:
        lr: How fast gates move, see ``Lever``.
        until: The share of the epochs in which they do.

    Raises:
        ValueError: If ``lr`` is not above 0, or ``until`` not above 0 and at most 1.
    """

    def __init__(self, lr: float = 0.005, *, until: float = 0.5) -> None:
        super().__init__(lr)
        if not 0 < until <= 1:
            raise ValueError(f"until must be above 0 and at most 1, got {until}")
        self.until = until

    def attach(self, net: nn.Module) -> list[nn.Parameter]:
        """Takes the gates of all learned mixtures from the optimizer of the weights; see ``Lever``.

        Raises:
            ValueError: If there is no learned mixture.
        """
        mixtures = _learned(net)
        if not mixtures:
            raise ValueError(
                "kinds have no place in this network: it has no learned mixture, "
                'pj.Mixture({"lif": 0.5, "brf": 0.5}, size, learned=True), in a recipe neuron = '
                "{ name = 'Mixture', learned = true, kinds = [...] }"
            )
        learned = []
        for _, mixture in mixtures:
            assert mixture.gates is not None
            for name, gate in list(mixture.gates.items()):
                mixture.gates[name] = own = nn.Parameter(gate.detach().clone())
                learned.append(own)
        for mixture, channels in _closable(net):
            _mask(channels, mixture.on)
        return learned

    def pace(self, done: float) -> float:
        """Returns 1 until the choice is made, then 0; see ``Lever``."""
        return float(done < self.until)

    def decided(self, net: nn.Module) -> Callable[[], None]:
        """Reads what every neuron is; see ``Lever``."""
        choices = {mixture: mixture.chosen for _, mixture in _learned(net)}
        return lambda: _settle(net, choices)

    def fit(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Makes mixtures the plain ones that they came to be; see ``Lever``."""
        choices = {}
        for name, mixture in _learned(net):
            choice = weights.get(f"{name}.choice".lstrip("."))
            if choice is not None and _fits(choice, mixture):
                choices[mixture] = choice
        _settle(net, choices)


def _learned(net: nn.Module) -> list[tuple[str, Mixture]]:
    """Finds the mixtures that learn what to take, and their names."""
    modules = net.named_modules()
    mixtures = ((name, layer) for name, layer in modules if isinstance(layer, Mixture))
    return [(name, mixture) for name, mixture in mixtures if mixture.gates is not None]


def _closable(net: nn.Module) -> list[tuple[Mixture, Channels]]:
    """Finds learned mixtures whose neurons can be left out of the network."""
    found = mixtures_of(net).items()
    return [(mixture, channels) for mixture, channels in found if mixture.gates is not None]


def _mask(channels: Channels, on: Callable[[], Tensor]) -> None:
    """Lets synapses go with the neurons that chose no kind."""
    assert channels.reader is not None
    assert channels.maker is not None
    mask(channels.reader, inputs=on, places=channels.places)
    mask(channels.maker, outputs=on)
    (neuron,) = channels.neurons
    if isinstance(neuron, Recurrent):
        mask(neuron, outputs=on, inputs=on)


def _settle(net: nn.Module, choices: dict[Mixture, Tensor]) -> None:
    """Makes learned mixtures plain, their kinds side by side, without neurons of no kind.

    Args:
        net: The network.
        choices: The number of each neuron's kind, that of none behind the last; fewer than there
            are neurons if some were cut out already.
    """
    for mixture, channels in _closable(net):
        if (choice := choices.get(mixture)) is None:
            continue
        # Kinds side by side run in one loop.
        stay = choice.argsort(stable=True)[: int((choice < len(mixture.kinds)).sum())]
        if len(choice) == mixture.size and len(stay):
            keep_only(net, [(channels, stay)])
            choices[mixture] = choice[stay]
        else:
            keep_only(net, [(channels, torch.arange(len(choice), device=choice.device))])
    for mixture, choice in choices.items():
        if len(choice) == mixture.size:
            mixture.settle(choice)


def _fits(choice: Tensor, mixture: Mixture) -> bool:
    """Returns whether a choice could be one of a mixture; what is damaged is not."""
    if choice.dtype != torch.int64 or choice.dim() != 1 or not 0 < len(choice) <= mixture.size:
        return False
    return bool(((choice >= 0) & (choice <= len(mixture.kinds))).all())

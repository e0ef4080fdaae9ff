"""Gates on single weights: pruning."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from picojoule._torch import parameters
from picojoule.neurons import Recurrent
from picojoule.training.levers.base import Gate, Lever, make_plain, mask


class Weights(Lever):
    r"""Gates on every weight of linear layers, convolutions and recurrent layers: pruning.

    A weight whose gate is closed is zero in every step, however its optimizer moves it, and no
    synapse. After training it is exactly zero, and ``Convention(skip_zero_weights=True)`` counts it
    as absent. A weight that was zero before, in a layer that has others, stays zero, so weights
    that an earlier training pruned stay absent. Layers that share a weight share its gates.
    Weights that were initialised to zero (``eye_``, ``dirac_``, ``sparse_``) are taken for pruned
    too, and never learn.

    Take it for chips that store and visit only the synapses that there are.

    Args:
        lr: How fast gates move, see ``Lever``.

    Raises:
        ValueError: If ``lr`` is not above 0.
    """

    def attach(self, net: nn.Module) -> list[nn.Parameter]:
        """Puts a gate on each weight; see ``Lever``.

        Raises:
            ValueError: If there is no layer with weights that can be left out, or one sets its
                weights again at each call, as pruning and the older weight norm do.
        """
        kinds = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, Recurrent)
        layers = [layer for layer in net.modules() if isinstance(layer, kinds)]
        for name, layer in net.named_modules():
            learned = "weight" in parameters(layer) or parametrize.is_parametrized(layer, "weight")
            if layer in layers and not learned:
                raise ValueError(
                    f"'{name}' sets its weight again at each call, so that nothing of it can be "
                    "left out: make it a parameter first, as torch.nn.utils.prune.remove and "
                    "remove_weight_norm do"
                )
        if not layers:
            raise ValueError(
                "weights have no place in this network: it has no linear layer, convolution or "
                "recurrent layer"
            )
        gates: dict[nn.Module | Tensor, Gate] = {}
        for layer in layers:
            weight = parameters(layer).get("weight", layer)
            if weight not in gates:
                gates[weight] = _gated(layer.weight)
            mask(layer, each=gates[weight])
        return [gate.lean for gate in gates.values()]

    def decided(self, net: nn.Module) -> Callable[[], None]:
        """Leaves out nothing: a weight of zero is absent; see ``Lever``."""
        del net
        return lambda: None

    def fit(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Makes weights plain that were made of others, as by weight norm; see ``Lever``."""
        for name, layer in list(net.named_modules()):
            if parametrize.is_parametrized(layer, "weight") and f"{name}.weight" in weights:
                make_plain(layer)


@torch.no_grad()
def _gated(weight: Tensor) -> Gate:
    """Makes gates of weights: closed where one is zero, unless all are, as before any training."""
    gate, absent = Gate(weight.shape, weight), (weight == 0).flatten()
    if not absent.all():
        gate.lean[absent] *= -1
    return gate

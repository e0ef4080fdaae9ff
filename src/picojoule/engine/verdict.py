"""The engine that ran each layer, and the reason if it was not the fused one."""

from torch import nn

from picojoule.contract import Verdict as Verdict


def engines(net: nn.Module) -> dict[str, Verdict]:
    """Returns the engine of the last run of each neuron layer, by the layer's name.

    Layers that have not run yet are left out. Neurons inside another layer run with that layer.

    Args:
        net: A network with neurons.

    Example:
        >>> import torch
        >>> from picojoule.networks import Sequential
        >>> from picojoule.neurons import LIF
        >>> neuron = LIF()
        >>> neuron.engine = "eager"
        >>> net = Sequential(nn.Linear(3, 2), neuron)
        >>> out, state = net(torch.rand(4, 1, 3))
        >>> engines(net)
        {'1': Verdict(engine='eager', why='it was asked for')}
    """
    verdicts = ((name, getattr(one, "ran", None)) for name, one in net.named_modules())
    return {name: verdict for name, verdict in verdicts if isinstance(verdict, Verdict)}

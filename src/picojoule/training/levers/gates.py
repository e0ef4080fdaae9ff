"""Gates on inputs, neurons and channels, which leave a smaller network."""

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from picojoule.networks import Sequential
from picojoule.networks.channels import INPUTS, Channels, channels_of
from picojoule.networks.narrow import keep_only, narrow
from picojoule.training.levers.base import Gate, Lever, mask, masks


class Gates(Lever):
    r"""Gates on input channels, hidden neurons and channels of convolutions.

    Each input, neuron and channel of a convolution gets a gate that is open or closed. A closed
    gate saves all synapses to and from what it closes, the updates and the static power of neurons,
    and the events that would be read. After training what is closed is cut out of the weights,
    which gives the same output.

    Take it to go below the floor, and for a smaller network.

    Args:
        lr: How fast gates move, see ``Lever``.

    Raises:
        ValueError: If ``lr`` is not above 0.
    """

    def attach(self, net: nn.Module) -> list[nn.Parameter]:
        """Puts a gate on each channel that can be left out; see ``Lever``.

        Raises:
            ValueError: If there is none, or some were left out before.
        """
        if getattr(net, "narrowed", False):
            raise ValueError(
                "gates have closed parts of this network before, and these are gone: build the "
                "network anew, or train without gates"
            )
        if not (found := channels_of(net)):
            raise ValueError(_no_place(net))
        return [_gated(channels).lean for channels in found]

    def decided(self, net: nn.Module) -> Callable[[], None]:
        """Reads which gates are open; see ``Lever``."""
        gates: dict[nn.Module | None, Gate] = {
            layer: one.inputs for layer, one in masks(net) if isinstance(one.inputs, Gate)
        }
        kept = [
            (channels, gates[channels.reader]().nonzero().flatten())
            for channels in channels_of(net)
            if channels.reader in gates
        ]
        return lambda: keep_only(net, kept)

    def fit(self, net: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Leaves out as many channels as were closed; see ``Lever``."""
        narrow(net, weights)


def _gated(channels: Channels) -> Gate:
    """Puts gates on channels: their synapses, and the neurons themselves."""
    reader = channels.reader
    assert reader is not None
    gate = Gate([channels.size], reader.weight)
    mask(reader, inputs=gate, places=channels.places)
    if channels.maker is not None:
        mask(channels.maker, outputs=gate)
    for neuron in channels.neurons:
        neuron.present = gate.forward
        if hasattr(neuron, "weight"):  # a recurrent layer's
            mask(neuron, outputs=gate, inputs=gate)
    return gate


def _no_place(net: nn.Module) -> str:
    """Says why a network has no place for gates."""
    if not isinstance(net, Sequential):
        return (
            f"gates need a picojoule Sequential, got a {type(net).__name__}: put its layers in one"
        )
    return (
        "gates have no place in this network: they close what one linear layer or convolution "
        f"reads, of '{INPUTS}' or of neurons behind another such layer, outside of shortcuts. "
        'Weights can go without such a place: levers = ["weights"]'
    )

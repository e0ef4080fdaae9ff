"""The weights of a finished run, read and checked."""

from collections.abc import Sequence

import safetensors.torch
from safetensors import SafetensorError
from torch import Tensor, nn

from picojoule.run.folder import WEIGHTS, Folder
from picojoule.training import Lever


def read_weights(folder: Folder, net: nn.Module, levers: Sequence[Lever]) -> dict[str, Tensor]:
    """Reads the weights of a run.

    Args:
        folder: The run.
        net: Its network before training, which gets the shapes that the levers left.
        levers: Those that it was trained with.

    Raises:
        ValueError: If they are missing, damaged, or could not be those of this network.
    """
    try:
        found = safetensors.torch.load(folder.read(WEIGHTS))
    except FileNotFoundError:
        raise folder.damaged(WEIGHTS, "it was removed") from None
    except SafetensorError as error:
        raise folder.damaged(WEIGHTS, str(error)) from None
    for lever in levers:
        lever.fit(net, found)
    fresh = net.state_dict()
    if strange := sorted(found.keys() - fresh.keys()):
        raise folder.damaged(WEIGHTS, f"or of another recipe: it has '{strange[0]}'")
    if lacking := sorted(fresh.keys() - found.keys()):
        raise folder.damaged(WEIGHTS, f"or of another recipe: it lacks '{lacking[0]}'")
    for name, one in found.items():
        expected = fresh[name]
        if one.shape != expected.shape:
            why = f"of shape {list(one.shape)}, expected {list(expected.shape)}"
        elif one.is_floating_point() != expected.is_floating_point():
            why = f"of {one.dtype}, expected {expected.dtype}"
        elif bool((expected.isfinite() & ~one.isfinite()).any()):
            why = "infinite or not a number"
        else:
            continue
        raise folder.damaged(WEIGHTS, f"'{name}' is {why}")
    return found

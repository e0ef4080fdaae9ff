"""Pictures of spikes: of one input, and by layer and step."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from picojoule.report.colours import colour
from picojoule.report.plots.axes import axis_or_new, line
from picojoule.training import Activity

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def raster(
    spikes: Tensor | Mapping[str, Tensor], *, dt: float | None = None, axis: "Axes | None" = None
) -> "Axes":
    """Draws a mark for each spike.

    Args:
        spikes: Spikes [T, ...] of one input, or those of several layers by name, which are drawn
            one above the other, the first on top.
        dt: Seconds per step, to have seconds on the axis of time; None for steps.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Raises:
        ValueError: If there are no neurons.

    Example:
        >>> axis = raster(torch.eye(5), dt=1e-3)
        >>> axis.get_xlabel()
        'time (s)'
    """
    layers = spikes if isinstance(spikes, Mapping) else {"": spikes}
    axis = axis_or_new(axis)
    begin, places = 0, []
    for at, (_, values) in enumerate(layers.items()):
        if values.dim() < 2:
            raise ValueError(
                f"expected spikes [T, neurons] of one input, got {list(values.shape)}: take one "
                "of a batch, such as out[:, 0]"
            )
        flat = values.detach().cpu().flatten(1)
        step, neuron = flat.nonzero(as_tuple=True)
        time = step * (1 if dt is None else dt)
        axis.scatter(time, begin + neuron, s=2, marker="|", color=colour(at))
        places.append(begin + flat.shape[1] / 2)
        begin += flat.shape[1] + max(1, flat.shape[1] // 20)
    axis.set_xlabel("step" if dt is None else "time (s)")
    axis.set_ylabel("neuron" if len(layers) == 1 else "layer")
    if len(layers) > 1:
        axis.set_yticks(places, list(layers))
    axis.yaxis.set_inverted(True)
    return axis


def activity(
    rates: Activity | Mapping[str, Sequence[float]], *, axis: "Axes | None" = None
) -> "Axes":
    """Draws the spikes per neuron in each step, a curve for each layer.

    Args:
        rates: The activity of a network, or spikes per neuron and step [T] by layer.
        axis: Where to draw; None for a new figure.

    Returns:
        The axis.

    Example:
        >>> len(activity({"2": [0.1, 0.2], "4": [0.0, 0.3]}).lines)
        2
    """
    axis = axis_or_new(axis)
    by_layer = rates.rate if isinstance(rates, Activity) else rates
    for at, (layer, values) in enumerate(by_layer.items()):
        axis.plot(torch.arange(len(values)), values, label=layer, **line(at))
    axis.set(xlabel="step", ylabel="spikes per neuron")
    axis.legend(title="layer")
    return axis

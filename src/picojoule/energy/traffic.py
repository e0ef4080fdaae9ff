"""Traffic: the values that arrived at a layer in one call, and the sizes of the layer."""

from dataclasses import dataclass
from math import prod

from torch import Tensor

from picojoule._torch import version_of
from picojoule.energy.counts import Sizes
from picojoule.energy.events import events_of, inside
from picojoule.energy.kinds import Kind
from picojoule.energy.rules.outcome import Synapses


@dataclass(frozen=True, eq=False)
class Traffic:
    """Record of the values that arrived at one layer in one call, or that neurons put out.

    Attributes:
        layer: Dotted name of the layer that consumed them, or that fired.
        values: The values, with their graph.
        kind: Kind of the values.
        fanout: Synapses of each element: one number, or a map over the last axes of ``values``.
        synapses: Call as its rule describes it; None for outputs of neurons.
        events: Events at each place of the last axes of ``values``, summed over all others; as
            few axes as the fan-out map has, or as were known. None for analog values. Reduced
            while the network runs, because it may change its tensors in place later.
        multiplied: Whether a level is one multiply-accumulate (see ``Convention``).
        within: Mask [T, B] of the steps that lie within their sequences; None for all.
        valid: Share of the rows of a call that lie within their sequences (1 for neurons' outputs).
        steps: Steps of the network's input.
        part: Share of the steps of the whole input that run now, less than 1 in a chunk.
        batch: Samples of one call; None if that is not known.
        lag: Number of steps that are missing, because the values arrive later.
        leading: Number of first axes of ``values`` that are no part of a neuron's place: 2 for
            [T, B, ...], 1 for [B, ...].
        samples: Samples that ran in the whole block, by which sums are divided.
        version: Number of changes in place of ``values`` so far; None if that is not known.
        dtype: Type of the numbers that the synapses multiplied or added, see ``Sizes``.
    """

    layer: str
    values: Tensor
    kind: Kind
    fanout: int | Tensor
    synapses: Synapses | None
    events: Tensor | None
    multiplied: bool = False
    within: Tensor | None = None
    valid: float | Tensor = 1.0
    steps: int = 1
    part: float = 1.0
    batch: int | None = None
    lag: int = 0
    leading: int = 1
    samples: int = 1
    version: int | None = None
    dtype: str = ""

    @property
    def scale(self) -> float | Tensor:
        """Value of one event in ``values``."""
        return self.kind.scale

    @property
    def fired(self) -> bool:
        """True if the values are the outputs of a layer of neurons."""
        return self.synapses is None

    def number(self, power: float = 1.0) -> Tensor:
        """Computes the events at each element of ``values``, to a power, with their graph.

        Raises:
            RuntimeError: If the network changed the values in place after they were counted.
        """
        if self.version is not None and version_of(self.values) != self.version:
            raise RuntimeError(
                f"what arrived at or left '{self.layer}' was changed in place later: write "
                "x = x + y in the network, not x += y, or take a penalty that needs sums alone "
                "(EnergyBudget, FixedPrice, p=1)"
            )
        number = events_of(inside(self.values, self.within), self.kind, self.multiplied)
        return number if power == 1 else number.to(self.values.dtype) ** power

    @property
    def sizes(self) -> Sizes:
        """Constant sizes of a layer of synapses, for one step and one sample."""
        call = self.synapses
        if call is None:
            return Sizes()
        # If steps and samples are known, all other axes are places that share the weights.
        rows = call.values.numel() // max(1, inputs_of(call))
        runs = (self.kind.steps or 0) * (self.batch or 0)
        places = rows // runs if runs and rows % runs == 0 else 1
        return Sizes(
            weights=0 if call.weight is None else call.weight.numel(),
            bias=0 if call.bias is None else call.bias.numel(),
            inputs=(inputs_of(call) + call.beside) * places,
            potentials=outputs_of(call) * places,
            events=self.kind.sparse,
            given=self.kind.given and not self.kind.sparse,
            dtype=self.dtype,
        )


def kernel_positions(call: Synapses) -> int:
    """Returns the kernel positions of a convolution, 1 for other synapses."""
    return prod(call.weight.shape[2:]) if call.located and call.weight is not None else 1


def dense_pairs(call: Synapses) -> float | Tensor:
    """Returns the pairs of an element and a synapse in a dense ANN."""
    if call.dense is not None:
        return call.dense
    if isinstance(call.fanout, Tensor):
        return call.fanout.sum() * (call.values.numel() // max(1, call.fanout.numel()))
    return call.values.numel() * call.fanout


def _axes(call: Synapses) -> int:
    """Returns the number of last axes that are one sample and step of the input."""
    if not call.located:
        return 1
    if call.weight is not None:
        return call.weight.dim() - 1
    return call.fanout.dim() + 1 if isinstance(call.fanout, Tensor) else 1


def inputs_of(call: Synapses) -> int:
    """Returns the input elements of one sample and step."""
    return prod(call.values.shape[-_axes(call) :])


def outputs_of(call: Synapses) -> int:
    """Returns the output elements of one sample and step."""
    return call.output // max(1, call.values.numel() // max(1, inputs_of(call)))

"""The energy of a data set on one chip, beside that of dense networks to compare with."""

from collections.abc import Mapping
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict
from torch import Tensor

from picojoule.energy import Chip, OpCounts


class Cost(BaseModel):
    """The energy of one sample on one chip, in pJ.

    The break-even rates follow from the energy being linear in the spikes of hidden neurons. They
    are None if no ANN is priced, if no hidden spike was seen, and if the floor alone costs more
    than the ANN, so that the spiking network costs more at any rate.

    Attributes:
        total_pj: All that the chip prices.
        floor_pj: The part that no hidden spike can change.
        low_pj: Total at the low ends of the prices' published ranges.
        high_pj: Total at their high ends.
        by_layer: Total split by layer.
        by_kind: Total split by count.
        by_layer_and_kind: Total split by both; empty in old reports.
        excluded: Counts per sample that the chip file says it leaves out.
        unpriced: Counts per sample that the chip has no price for; not in the total.
        ann_pj: The same architecture as a dense ANN, in the chip's own precision; None if the
            chip has no price for a MAC.
        quantised_ann_pj: The same with activations of ``quantised_ann_bits`` bits.
        quantised_ann_bits: ceil(log2(N T + 1)), the bits of what T steps of up to N spikes can tell
            apart; after Yan et al., arXiv:2409.08290, in which N is 1.
        break_even_rate: Spikes per neuron and step at which the network would cost ``ann_pj``.
        quantised_break_even_rate: The same for ``quantised_ann_pj``.
        saved_by_multiplying: Energy in pJ that is saved if each level that arrives is one
            multiplication (``Convention(levels="multiply")``) instead of as many accumulates, by
            layer at which it saves any.
        spread: Standard error of ``total_pj`` over batches, as a share of it; 0 for one batch.
        scope: Scope of the prices, as the chip file says.
        precision: Precision of the prices, as the chip file says.
        network_precision: The type of the network's weights, such as ``"float32"``; empty in old
            reports.
    """

    model_config = ConfigDict(frozen=True)
    total_pj: float
    floor_pj: float
    low_pj: float
    high_pj: float
    by_layer: dict[str, float]
    by_kind: dict[str, float]
    excluded: dict[str, float]
    unpriced: dict[str, float]
    ann_pj: float | None
    quantised_ann_pj: float | None = None
    quantised_ann_bits: int | None = None
    break_even_rate: float | None = None
    quantised_break_even_rate: float | None = None
    by_layer_and_kind: dict[str, dict[str, float]] = {}
    saved_by_multiplying: dict[str, float] = {}
    spread: float = 0.0
    scope: str = ""
    precision: str = ""
    network_precision: str = ""


def cost_on(
    chip: Chip,
    counts: dict[str, OpCounts],
    dense: dict[str, OpCounts],
    *,
    steps: int,
    spread: float,
    levels: int = 1,
    multiplied: Mapping[str, OpCounts] = MappingProxyType({}),
) -> Cost:
    """Prices a network on a chip.

    Args:
        chip: Prices it.
        counts: Counts per sample, by layer.
        dense: Counts of the same architecture as a dense ANN.
        steps: T of the output.
        spread: Standard error over batches, as a share of the total.
        levels: N, the most spikes of a neuron in one step.
        multiplied: Counts of the layers at which levels arrived, if each is one multiplication.
    """
    energy = chip.price(counts)
    total, floor = float(energy.total), float(energy.floor)
    rate = spike_rate({layer: _floats(dict(one.items())) for layer, one in counts.items()})
    bits = (levels * steps).bit_length()  # that is ceil(log2(levels * steps + 1))
    # What the network is given has as many bits for the quantised ANN as for every other.
    given = {layer: done for layer, done in dense.items() if done.sizes.given}
    inner = {layer: done for layer, done in dense.items() if not done.sizes.given}
    ann, first = _dense_pj(chip, dense), _dense_pj(chip, given)
    quantised = _dense_pj(chip.quantised(bits), inner)
    quantised = None if quantised is None or first is None else first + quantised
    return Cost(
        total_pj=total,
        floor_pj=floor,
        low_pj=float(energy.low),
        high_pj=float(energy.high),
        by_layer=_floats(energy.by_layer),
        by_kind=_floats(energy.by_kind),
        by_layer_and_kind={
            layer: _floats(chip.price({layer: one}).by_kind) for layer, one in counts.items()
        },
        excluded=_floats(energy.excluded),
        unpriced=_floats(energy.unpriced),
        ann_pj=ann,
        quantised_ann_pj=quantised,
        quantised_ann_bits=None if quantised is None else bits,
        break_even_rate=break_even(rate, total, floor, ann),
        quantised_break_even_rate=break_even(rate, total, floor, quantised),
        saved_by_multiplying=_saved(chip, counts, multiplied),
        spread=spread,
        scope=chip.scope,
        precision=chip.precision,
        network_precision=energy.network_precision,
    )


def break_even(rate: float, total_pj: float, floor_pj: float, ann_pj: float | None) -> float | None:
    """Returns the spike rate at which a network costs as much as an ANN.

    Args:
        rate: Spikes per neuron and step of the network as it is.
        total_pj: Energy of the network at that rate.
        floor_pj: Its energy without any hidden spike.
        ann_pj: Energy of the ANN, None if it is not known.

    Returns:
        The rate; None if there is none, or if it cannot be told.

    Example:
        >>> break_even(0.1, total_pj=50.0, floor_pj=10.0, ann_pj=30.0)
        0.05
    """
    if ann_pj is None or ann_pj < floor_pj or total_pj <= floor_pj or not rate:
        return None
    return rate * (ann_pj - floor_pj) / (total_pj - floor_pj)


def spike_rate(counts: Mapping[str, Mapping[str, float]]) -> float:
    """Returns the mean spikes per neuron and step of all layers that spike; 0 if none does.

    Args:
        counts: Counts by layer and name, per sample or in total.
    """
    spiking = [layer for layer in counts.values() if "spike" in layer]
    updates = sum(layer.get("update", 0) for layer in spiking)
    return sum(layer["spike"] for layer in spiking) / updates if updates else 0.0


def rates(counts: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """Returns the mean spikes per neuron and step of each layer of neurons.

    Args:
        counts: Counts by layer and name, per sample or in total.
    """
    spiking = {layer: done for layer, done in counts.items() if done.get("update")}
    return {layer: one["spike"] / one["update"] for layer, one in spiking.items() if "spike" in one}


def silent_layers(counts: Mapping[str, Mapping[str, float]]) -> tuple[str, ...]:
    """Returns the layers of neurons that put out no spike.

    Args:
        counts: Counts by layer and name, per sample or in total.
    """
    return tuple(layer for layer, done in counts.items() if done.get("spike") == 0)


def _saved(
    chip: Chip, counts: Mapping[str, OpCounts], multiplied: Mapping[str, OpCounts]
) -> dict[str, float]:
    """Returns the energy that multiplications save, by layer at which they save any."""
    prices = {
        layer: (chip.price({layer: counts[layer]}), chip.price({layer: one}))
        for layer, one in multiplied.items()
    }
    saved = {
        layer: float(plain.total - once.total)
        for layer, (plain, once) in prices.items()
        if not {"mac", "ac"} & (once.unpriced.keys() | once.excluded.keys())
    }
    return {layer: pj for layer, pj in saved.items() if pj > 0}


def _dense_pj(chip: Chip | None, dense: dict[str, OpCounts]) -> float | None:
    """Returns the energy of a dense ANN, None on a chip that cannot run one."""
    if chip is None:
        return None
    energy = chip.price(dense)
    unknown = "mac" in energy.unpriced or "mac" in energy.excluded
    return None if unknown else float(energy.total)


def _floats(values: Mapping[str, Tensor]) -> dict[str, float]:
    return {name: float(value) for name, value in values.items()}

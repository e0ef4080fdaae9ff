"""Helpers of the tests with other libraries: the same network in theirs and in ours."""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import picojoule as pj
from energy.metering import totals

DT = 1e-3
CHIPS = [pj.load_chip(name) for name in ("45nm", "45nm-sram")]


def tau(alpha: float) -> float:
    """The time constant of ours at which a step leaves the share ``alpha`` of the membrane."""
    return -DT / math.log(alpha)


def meters(
    theirs: nn.Module, ours: nn.Module, x: Tensor, run: Callable[[nn.Module, Tensor], Tensor]
) -> tuple[pj.Meter, pj.Meter]:
    """Both networks on the same events [T, B, ...]; their outputs must be the same."""
    with pj.Meter(theirs, samples=x.shape[1], inputs="events", dt=DT) as first:
        out = run(theirs, x)
    with pj.Meter(ours, inputs="events") as second:
        expected = ours(x)
    expected = expected[0] if isinstance(expected, tuple) else expected
    assert out.any()
    torch.testing.assert_close(out, expected)  # products of unlike batches may round otherwise
    return first, second


def same(
    theirs: pj.Meter, ours: pj.Meter, layers: dict[str, str], only: Sequence[str] = pj.COUNTS
) -> None:
    """Asserts that layers, by their names and by ours, count and cost the same."""
    assert set(theirs.counts) == set(layers)
    assert set(ours.counts) == set(layers.values())
    for name, own in layers.items():
        found, expected = (
            {count: n.item() for count, n in meter.counts[layer].items() if count in only}
            for meter, layer in ((theirs, name), (ours, own))
        )
        assert found == pytest.approx(expected), name
        hidden = [meter.counts[layer].hidden for meter, layer in ((theirs, name), (ours, own))]
        found, expected = (None if h is None else totals({"": h}) for h in hidden)
        assert found == pytest.approx(expected), name
    assert theirs.uncounted == ours.uncounted == {}
    assert theirs.unreached == ours.unreached == []
    if only is pj.COUNTS:
        prices(theirs, ours, layers)


def prices(theirs: pj.Meter, ours: pj.Meter, layers: dict[str, str]) -> None:
    """Asserts that every layer costs the same, on a chip that looks at sizes too."""
    for chip in CHIPS:
        found, expected = chip.price(theirs.counts), chip.price(ours.counts)
        assert found.floor.item() == pytest.approx(expected.floor.item())
        priced = {layers[name]: pj.item() for name, pj in found.by_layer.items()}
        assert priced
        assert priced == pytest.approx({n: pj.item() for n, pj in expected.by_layer.items()})
    for name, own in layers.items():
        size = replace(theirs.counts[name].sizes, neuron=ours.counts[own].sizes.neuron)
        assert size == ours.counts[own].sizes, name


def lively(net: nn.Module) -> nn.Module:
    """The network with weights above zero, so that all of it spikes."""
    for parameter in net.parameters():
        if parameter.dim() > 1:
            parameter.data.abs_()
    return net


def inputs(*shape: int, rate: float = 0.5) -> Tensor:
    """Events."""
    return (torch.rand(shape) < rate).float()


def recorded(net: nn.Module, *layers: str) -> dict[str, list[Tensor]]:
    """Lists that fill with the first tensor of what each layer gives back."""
    found: dict[str, list[Tensor]] = {}
    for name in layers:
        outs = found[name] = []

        def keep(module: nn.Module, args: Any, result: Any, outs: list[Tensor] = outs) -> None:
            outs.append(result if isinstance(result, Tensor) else result[0])

        net.get_submodule(name).register_forward_hook(keep)
    return found


def fired(outs: list[Tensor]) -> float:
    """Events in all that was recorded."""
    return sum(out.abs().sum().item() for out in outs)

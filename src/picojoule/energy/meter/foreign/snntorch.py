"""Neurons of snnTorch 1.0.0.

One call is one step, ``spk, mem = lif(x, mem)``, or ``spk = lif(x)`` if the state is hidden;
``StateLeaky``, ``LinearLeaky`` and ``LeakyParallel`` take all steps at once. A reset in the step
after the spike costs what any reset costs.
"""

from collections.abc import Iterable
from math import isfinite, prod
from typing import Any

import torch
from torch import Tensor, nn

from picojoule.contract import NeuronCost
from picojoule.energy.meter.foreign.describe import (
    Arrived,
    Foreign,
    Inner,
    Table,
    absent,
    argument,
    convolved,
    first,
)
from picojoule.energy.rules.outcome import Synapses
from picojoule.energy.rules.synapses import projection

_LEAKY = NeuronCost(adds=1, multiplies=1, states=1)
_SYNAPTIC = NeuronCost(adds=2, multiplies=2, states=2)
# The decaying sum of two synapses is the membrane, which is kept for the reset.
_ALPHA = NeuronCost(adds=3, multiplies=2, states=3)
# A change of the membrane is what fires.
_DELTA = NeuronCost(adds=2, multiplies=1, states=1)
# c' = f c + i g, h = o c; the gates themselves are not counted.
_GATED = NeuronCost(adds=1, multiplies=3, states=2)


def _firing(cost: NeuronCost, worth: Tensor, **more: Any) -> Foreign:
    """Describes neurons whose spikes are worth a factor, or one for each neuron.

    Raises:
        ValueError: If spikes are worth nothing.
    """
    if worth.numel() > 1:
        return Foreign(cost, "graded", **more)
    if not (factor := worth.item()) or not isfinite(factor):
        raise ValueError(
            "graded_spikes_factor is what a spike is worth, a number other than zero, got "
            f"{factor}: of such neurons nothing arrives anywhere, so leave it out or give another"
        )
    return Foreign(cost, scale=factor, **more)


def _worth(module: Any) -> Tensor:
    """Returns the value of a spike; if only one neuron may fire, the factor is not applied."""
    return torch.ones(()) if module.inhibition else module.graded_spikes_factor


def _one_step(cost: NeuronCost, arrivals: Any = None) -> Any:
    return lambda module: _firing(cost, _worth(module), arrivals=arrivals)


def _feedback(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Arrived:
    """Describes the last spikes at one weight each, or at a layer of weights."""
    x, given = first(args, kwargs), argument(1, "spk", args, kwargs)
    last = module.spk if given is None else given
    last = last if last.shape == x.shape else torch.zeros_like(x)

    def inner(result: Any) -> Iterable[Inner]:
        del result
        layer = module.recurrent
        if isinstance(layer, nn.Linear):
            call = projection(last, layer.weight, layer.bias, skip)
        elif isinstance(layer, nn.Conv2d):
            weight, padding = layer.weight, module.padding
            call = convolved(last, last, weight, layer.bias, padding=padding, skip=skip)
        else:
            met = (layer.V != 0).expand(last.shape[1:]).double() if skip else 1
            call = Synapses(last, met, layer.V, None, last.numel())
        yield Inner("recurrent", call, "output")

    return inner


def _lstm(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Arrived:
    x, cell = first(args, kwargs), module.lstm_cell

    def inner(result: Any) -> Iterable[Inner]:
        del result
        bias_x, bias_h = (cell.bias_ih, cell.bias_hh) if cell.bias else (None, None)
        hidden = absent(x, len(x), cell.hidden_size)
        call = projection(x, cell.weight_ih, bias_x, skip)
        yield Inner("lstm_cell.weight_ih", call, "input")
        call = projection(hidden, cell.weight_hh, bias_h, skip)
        yield Inner("lstm_cell.weight_hh", call, "analog")

    return inner


def _conv_lstm(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Arrived:
    """Describes one convolution of the input (events) beside the state (analog values)."""
    x = first(args, kwargs)

    def inner(result: Any) -> Iterable[Inner]:
        del result
        weight, bias, n = module.conv.weight, module.conv.bias, module.in_channels
        gates = absent(x, len(x), 4 * module.out_channels, *x.shape[2:])
        hidden = absent(x, len(x), module.out_channels, *x.shape[2:])
        padding = module.padding
        call = convolved(gates, x, weight[:, :n], bias, padding=padding, skip=skip)
        yield Inner("conv", call._replace(weight=weight), "input")
        call = convolved(gates, hidden, weight[:, n:], None, padding=padding, skip=skip)
        yield Inner("conv", call._replace(weight=weight), "analog")

    return inner


def _sconv2dlstm(module: Any) -> Foreign:
    # Membranes are pooled before they fire: several updates for each output.
    window = module.max_pool or module.avg_pool or 1
    times = prod(window) if isinstance(window, (tuple, list)) else window**2
    cost = NeuronCost(_GATED.adds * times, _GATED.multiplies * times, _GATED.states * times)
    return _firing(cost, _worth(module), arrivals=_conv_lstm)


def _projected(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Arrived:
    call = projection(first(args, kwargs), module.linear.weight, module.linear.bias, skip)
    return lambda result: [Inner("linear", call, "input")]


def _state_leaky(arrivals: Any = None) -> Any:
    def known(module: Any) -> Foreign:
        if not module.output:
            return Foreign(_LEAKY, "analog", leading=2, arrivals=arrivals)
        # the factor is applied twice
        return _firing(_LEAKY, _worth(module) ** 2, leading=2, arrivals=arrivals)

    return known


def _rnn(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False) -> Arrived:
    """Describes all steps of an RNN whose hidden weights are a leak, zero elsewhere by default."""
    x, rnn = first(args, kwargs), module.rnn

    def inner(result: Any) -> Iterable[Inner]:
        bias_x, bias_h = (rnn.bias_ih_l0, rnn.bias_hh_l0) if rnn.bias else (None, None)
        call = projection(x, rnn.weight_ih_l0, bias_x, skip)
        yield Inner("rnn.weight_ih", call, "input")
        last = absent(result, len(result) - 1, *result.shape[1:])
        met = (rnn.weight_hh_l0 != 0).sum(0).double()
        call = Synapses(last, met, rnn.weight_hh_l0, bias_h, result.numel())
        yield Inner("rnn.weight_hh", call, "analog")

    return inner


SNNTORCH: Table = {
    "Leaky": _one_step(_LEAKY),
    "Lapicque": _one_step(_LEAKY),
    "Synaptic": _one_step(_SYNAPTIC),
    "Alpha": _one_step(_ALPHA),
    "DeltaLeaky": Foreign(_DELTA),
    "RLeaky": _one_step(_LEAKY, _feedback),
    "RSynaptic": _one_step(_SYNAPTIC, _feedback),
    "SLSTM": lambda module: _firing(_GATED, module.graded_spikes_factor, arrivals=_lstm),
    "SConv2dLSTM": _sconv2dlstm,
    "StateLeaky": _state_leaky(),
    "LinearLeaky": _state_leaky(_projected),
    "LeakyParallel": lambda module: _firing(
        NeuronCost(states=1), module.graded_spikes_factor, leading=2, arrivals=_rnn
    ),
}

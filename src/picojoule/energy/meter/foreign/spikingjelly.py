"""Neurons of SpikingJelly 2.0.0, one step a call (``step_mode="s"``) or all of them (``"m"``).

Readouts that give back membranes alone (``NonSpikingIFNode``, ``NonSpikingLIFNode``) are not here:
what runs inside them is seen and counted as it stands.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from picojoule.contract import NeuronCost
from picojoule.energy.meter.foreign.describe import (
    Arrived,
    Foreign,
    Inner,
    Table,
    absent,
    convolved,
    first,
)
from picojoule.energy.rules.outcome import Synapses

_IF = NeuronCost(adds=1, states=1)
_LIF = NeuronCost(adds=1, multiplies=1, states=1)


def _node(
    adds: int, multiplies: int, states: int, output: str = "events", signed: bool = False
) -> Any:
    cost = NeuronCost(adds, multiplies, states)
    return lambda module: Foreign(cost, output, _leading(module), signed)


def _leading(module: Any) -> int:
    # what has only one mode does not name it
    return 2 if getattr(module, "step_mode", "m") == "m" else 1


def _psn(module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False) -> Arrived:
    """Describes inputs that meet a weight for each step that looks at them."""
    x, weight = first(args, kwargs), module.weight
    if _leading(module) == 2:
        shown = _shown(module, len(x))
        met = (shown * weight != 0 if skip and weight.dim() > 1 else shown != 0).sum(0).double()
        call = Synapses(x.movedim(0, -1), met, weight, module.bias, x.numel())
    else:
        # the steps that are looked at now
        kept = torch.stack([*module.queue, x.flatten()])[-module.k :]
        call = Synapses(kept, 1, weight, module.bias, x.numel())
    return lambda result: [Inner("weight", call, "input")]


def _shown(module: Any, steps: int) -> Tensor:
    """Returns which steps [out, in] look at which, as weights above zero."""
    all_steps = torch.ones(steps, steps, device=module.weight.device)
    if not hasattr(module, "k"):
        return all_steps
    if hasattr(module, "mask0"):
        return module.lambda_ * module.mask0 + (1 - module.lambda_) * module.mask1
    return all_steps.tril().triu(1 - module.k)


def _inter_layer(
    module: Any, args: tuple[Any, ...], kwargs: dict[str, Any], skip: bool = False
) -> Arrived:
    """Describes the last spikes at the synapses within their own population."""
    del args, kwargs

    def inner(out: Any) -> Iterable[Inner]:
        last = out[:-1].reshape(-1, module.act_dim, module.dec_pop_dim)
        currents = absent(out, len(last), module.out_pop_dim, 1)
        weight, bias = module.conn.weight, module.conn.bias
        call = convolved(currents, last, weight, bias, groups=module.act_dim, skip=skip)
        yield Inner("conn", call, "output")

    return inner


def _dsr(cost: NeuronCost, per_step: bool) -> Any:
    def known(module: Any) -> Foreign:
        worth = max(module.v_threshold.item(), module.v_threshold_lower_bound)
        return Foreign(cost, leading=2, scale=worth / module.delta_t if per_step else worth)

    return known


SPIKINGJELLY: Table = {
    "IFNode": _node(1, 0, 1),
    "SimpleIFNode": _node(1, 0, 1),
    "HalfThresholdIFNode": _node(1, 0, 1),
    "ActivationAwareIFNode": _node(1, 0, 1),
    # v' = a v + x, with or without a decayed input; for training, a trace of spikes as well
    "LIFNode": _node(1, 1, 1),
    "SimpleLIFNode": _node(1, 1, 1),
    "ParametricLIFNode": _node(1, 1, 1),
    "KLIFNode": _node(1, 1, 1),
    "OTTTLIFNode": _node(1, 1, 1),
    "SLTTLIFNode": _node(1, 1, 1),
    "CUBALIFNode": _node(2, 2, 2),
    # m' = m sigmoid(v) beside the membrane
    "ComplementaryLIFNode": _node(1, 2, 2),
    # v' = a v - d + c_t x
    "GatedLIFNode": lambda module: Foreign(
        NeuronCost(adds=2, multiplies=2, states=1), leading=2, covers=("conduct",)
    ),
    "LIAFNode": _node(1, 1, 1, "analog"),
    # v' = v (c v + d) + x
    "QIFNode": _node(2, 2, 1),
    # v' = a v + c exp(v) + x
    "EIFNode": _node(2, 2, 1),
    # as QIF, less w; w' = a w + b v
    "IzhikevichNode": _node(4, 4, 2),
    # a turn by four factors, and the input
    "RAFNode": _node(3, 4, 2),
    "ILIFNode": lambda module: Foreign(
        _LIF,
        "levels",
        leading=_leading(module),
        levels=module.surrogate_function.max_spike_count,
    ),
    "TernaryIFNode": _node(1, 0, 1, signed=True),
    "TernaryLIFNode": _node(1, 1, 1, signed=True),
    "STBIFNode": lambda module: Foreign(
        NeuronCost(adds=1, states=2),
        leading=_leading(module),
        signed=True,
        scale=module.q_threshold.item(),
    ),
    "DSRIFNode": _dsr(_IF, per_step=False),
    "DSRLIFNode": _dsr(_LIF, per_step=True),
    # the membrane is what the synapses through time give
    "PSN": Foreign(NeuronCost(), leading=2, arrivals=_psn),
    "MaskedPSN": lambda m: Foreign(NeuronCost(), leading=_leading(m), arrivals=_psn),
    "SlidingPSN": lambda m: Foreign(NeuronCost(), leading=_leading(m), arrivals=_psn),
    "ILCIFNode": Foreign(_IF, leading=2, arrivals=_inter_layer),
    "ILCLIFNode": Foreign(_LIF, leading=2, arrivals=_inter_layer),
    "ILCCUBALIFNode": Foreign(
        NeuronCost(adds=2, multiplies=2, states=2), leading=2, arrivals=_inter_layer
    ),
}

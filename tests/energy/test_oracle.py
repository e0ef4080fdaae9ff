"""The meter against the oracle, which counts one event, one synapse and one neuron at a time."""

import pytest
import torch
from hypothesis import assume, given

from energy.oracle import build, simulate
from energy.oracle import layers as spec
from energy.strategies import Case, cases
from picojoule.energy import Convention, Meter
from picojoule.neurons import Neuron


def whole(counts, samples, part=lambda done: done):
    """Totals over the batch, by layer and count, as integers; without zeros."""
    found = {}
    for layer, done in counts.items():
        for name, value in part(done).items() if part(done) is not None else ():
            number = value.item() * samples / (spec.DT if name == "second" else 1)
            assert abs(number - round(number)) < 1e-6, f"{layer}: {name} is {number}"
            if round(number):
                found[layer, name] = round(number)
    return found


def some(counts):
    return {key: number for key, number in counts.items() if number}


def metered(case: Case, **convention):
    """The meter after a run of the torch network, what it put out, and what its neurons did."""
    net = build(case.layers)
    fired = {}
    for name, module in net.named_modules():
        if isinstance(module, Neuron):
            keep = lambda m, args, out, name=name: fired.__setitem__(name, out[0])  # noqa: E731
            module.register_forward_hook(keep)
    x = torch.from_numpy(case.x).float()
    lengths = {} if case.lengths is None else {"lengths": torch.tensor(case.lengths)}
    with torch.no_grad(), Meter(net, inputs=case.inputs, convention=Convention(**convention)) as m:
        out = net(x, **lengths)
    return m, out[0] if isinstance(out, tuple) else out, fired


def agree(case: Case, levels="accumulate", skip_zero_weights=False, fold_batch_norm=True):
    """Every count of every layer, and the part that hidden spikes caused, are the oracle's."""
    truth = simulate(
        *(case.layers, case.x, case.inputs),
        lengths=case.lengths,
        multiply_levels=levels == "multiply",
        skip_zero_weights=skip_zero_weights,
        fold_batch_norm=fold_batch_norm,
    )
    assume(truth.margin > 1e-4)  # nearer, float32 and float64 may differ
    meter, out, fired = metered(
        case, levels=levels, skip_zero_weights=skip_zero_weights, fold_batch_norm=fold_batch_norm
    )
    torch.testing.assert_close(out.double(), torch.from_numpy(truth.output), rtol=1e-4, atol=1e-4)
    for name, values in truth.fired.items():
        module = fired[name].double()
        lengths = case.lengths or [len(module)] * module.shape[1]
        for sample, length in enumerate(lengths):
            expected = torch.from_numpy(values[:length, sample])
            torch.testing.assert_close(module[:length, sample], expected, rtol=1e-4, atol=1e-4)
    samples = case.x.shape[1]
    assert meter.samples == samples
    found = whole(meter.counts, samples)
    assert found == some(truth.counts)
    hidden = whole(meter.counts, samples, lambda done: done.hidden)
    if truth.mixed:
        # Hidden spikes among other events: the meter may take all of them for hidden.
        assert all(some(truth.hidden)[key] <= hidden[key] for key in some(truth.hidden))
        assert all(number <= found[key] for key, number in hidden.items())
    else:
        assert hidden == some(truth.hidden)
    macs = {key: n for key, n in whole(meter.dense(), samples).items() if key[1] == "mac"}
    assert macs == some(truth.dense)


@given(cases())
def test_every_count_of_every_layer(case):
    agree(case)

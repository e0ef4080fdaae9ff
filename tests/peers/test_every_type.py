"""Every type of neuron in the tables runs under a meter, and nothing of it is left out."""

import norse.torch as norse
import pytest
import snntorch as snn
import torch
from norse.torch.functional.izhikevich import tonic_spiking
from norse.torch.module import coba_lif, lif_adex_refrac, lif_mc, lif_mc_refrac
from spikingjelly.activation_based import neuron

import picojoule as pj
from peers.compare import lively, recorded
from picojoule.energy.meter.foreign import FOREIGN, known

N, T, B = 6, 12, 4
LEAKY = {"beta": 0.9, "init_hidden": True}
SNNTORCH = {
    "Leaky": lambda: snn.Leaky(**LEAKY, inhibition=True),
    "Lapicque": lambda: snn.Lapicque(**LEAKY),
    "Synaptic": lambda: snn.Synaptic(alpha=0.8, **LEAKY),
    "Alpha": lambda: snn.Alpha(alpha=0.9, beta=0.8, init_hidden=True),
    "DeltaLeaky": lambda: snn.DeltaLeaky(beta=0.5, init_hidden=True, delta_threshold=0.1),
    "RLeaky": lambda: snn.RLeaky(**LEAKY, linear_features=N, reset_mechanism="zero"),
    "RSynaptic": lambda: snn.RSynaptic(alpha=0.8, **LEAKY, linear_features=N),
    "SLSTM": lambda: snn.SLSTM(N, N, init_hidden=True, threshold=0.05),
    "SConv2dLSTM": lambda: snn.SConv2dLSTM(N, N, 1, init_hidden=True, threshold=0.05),
    "StateLeaky": lambda: snn.StateLeaky(beta=0.9, channels=N),
    "LinearLeaky": lambda: snn.LinearLeaky(beta=0.9, in_features=N, out_features=N),
    "LeakyParallel": lambda: snn.LeakyParallel(N, N, beta=0.9),
}
WHOLE = {"StateLeaky", "LinearLeaky", "LeakyParallel"}
SPIKINGJELLY = {
    "PSN": lambda: neuron.PSN(T),
    "MaskedPSN": lambda: neuron.MaskedPSN(2, T, 1.0, step_mode="m"),
    "SlidingPSN": lambda: neuron.SlidingPSN(2, step_mode="m"),
    "GatedLIFNode": lambda: neuron.GatedLIFNode(T, inplane=N),
    "ILCIFNode": lambda: neuron.ILCIFNode(3, 2),
    "ILCLIFNode": lambda: neuron.ILCLIFNode(3, 2),
    "ILCCUBALIFNode": lambda: neuron.ILCCUBALIFNode(3, 2),
    "DSRIFNode": lambda: neuron.DSRIFNode(T),
    "DSRLIFNode": lambda: neuron.DSRLIFNode(T),
    "STBIFNode": lambda: neuron.STBIFNode(0.7, 16, sym=True, step_mode="m"),
    "SimpleLIFNode": lambda: neuron.SimpleLIFNode(2.0, False, step_mode="m"),
    "LIAFNode": lambda: neuron.LIAFNode(torch.relu, True, step_mode="m"),
}
MODULES = (norse, coba_lif, lif_adex_refrac, lif_mc, lif_mc_refrac)


def currents(*shape):
    return 3 * torch.rand(T, B, *shape)


def count(node, call):
    """Spikes by hand and by the meter, and updates."""
    outs = recorded(node, "")[""]
    with torch.no_grad(), pj.Meter(node, samples=B) as meter:
        call()
    counts = meter.counts["network"]
    assert meter.uncounted == {}
    assert counts.update.item() == T * N
    about, out = known(node), torch.stack(outs)
    if about.output == "analog":
        assert "spike" not in dict(counts.items())
        return
    spikes = out / about.scale
    assert torch.equal(spikes, spikes.round())
    assert spikes.any()
    assert counts.spike.item() * B == pytest.approx(spikes.abs().sum().item())


@pytest.mark.filterwarnings("ignore:Inhibition")
@pytest.mark.parametrize("name", SNNTORCH)
def test_snntorch(name):
    node = lively(SNNTORCH[name]())
    x = currents(N, 1, 1) if name == "SConv2dLSTM" else currents(N)
    count(node, lambda: node(x) if name in WHOLE else [node(step) for step in x])


@pytest.mark.parametrize("name", FOREIGN["spikingjelly"])
@pytest.mark.parametrize("training", [True, False])
def test_spikingjelly(name, training):
    node = SPIKINGJELLY.get(name, getattr(neuron, name))().train(training)
    x = currents(N, 1, 1) if name == "GatedLIFNode" else currents(N)
    x = {"DSRIFNode": 5, "DSRLIFNode": 30}.get(name, 1) * x
    whole = known(node).leading == 2
    count(node, lambda: node(x) if whole else [node(step) for step in x])


@pytest.mark.parametrize("name", FOREIGN["norse"])
def test_norse(name):
    kind = next(getattr(module, name) for module in MODULES if hasattr(module, name))
    inner = "Recurrent" in name or name in ("LILinearCell", "CobaLIFCell")
    sizes = (N, N) if inner else ()
    behaviour = (tonic_spiking,) if "Izhikevich" in name else ()
    node = lively(kind(*sizes, *behaviour))
    x = (100 if behaviour else 10) * currents(N)

    def loop():
        state = None
        for step in x:
            _, state = node(step, state)

    count(node, loop if name.endswith("Cell") else lambda: node(x))


def test_every_type_is_here():
    assert set(SNNTORCH) == set(FOREIGN["snntorch"])

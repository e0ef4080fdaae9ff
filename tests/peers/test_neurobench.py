"""NeuroBench, run beside the meter: the same effective and dense operations on events."""

import pytest
import snntorch as snn
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from neurobench.metrics.workload import SynapticOperations
from neurobench.models import SNNTorchModel, TorchModel
from torch import nn

import picojoule as pj
from energy.metering import Two, total
from energy.test_golden import CASES, FIVE, ONES, SPARSE_ANALOG, half_pruned
from peers.compare import inputs, lively

pytestmark = pytest.mark.filterwarnings("ignore:no neuron is known")


def neurobench(model, x):
    """Effective accumulates, effective multiply-accumulates and dense operations per sample."""
    model.register_hooks()
    metric = SynapticOperations()
    found = metric(model, model(x), (x, None))
    return found["Effective_ACs"], found["Effective_MACs"], found["Dense"]


def ours(net, run, samples, inputs="events", **convention):
    """The same three numbers of the meter."""
    convention = pj.energy.Convention(**convention)
    with pj.Meter(net, samples=samples, inputs=inputs, convention=convention) as meter:
        run()
    dense = sum(layer.mac.item() for layer in meter.dense().values())
    return total(meter, "ac"), total(meter, "mac"), dense


def both(layer, x, inputs="events", **convention):
    net = nn.Sequential(layer)
    mine = ours(net, lambda: net(x), len(x), inputs, **convention)
    return mine, neurobench(TorchModel(net), x)


@pytest.mark.parametrize("case", [c for c in CASES if c[3] == "events"], ids=lambda case: case[0])
def test_golden_cases_on_events(case):
    """All but the transposed convolutions, which NeuroBench does not hook."""
    name, layer, x, *_ = case
    if isinstance(layer, nn.modules.conv._ConvTransposeNd):
        assert neurobench(TorchModel(nn.Sequential(layer)), x) == (0, 0, 0)
        assert ours(layer, lambda: layer(x), len(x))[0] > 0
        return
    mine, theirs = both(layer, x, skip_zero_weights=True)
    assert mine[:2] == pytest.approx(theirs[:2])
    assert theirs[0] > 0 or "zeros" in name
    assert both(layer, x)[0][2] == pytest.approx(theirs[2])


def test_pruned_weights_are_no_synapses_where_asked():
    mine, theirs = both(half_pruned(), FIVE, skip_zero_weights=True)
    assert mine[0] * 2 == theirs[0] * 2 == 10
    assert both(half_pruned(), FIVE)[0][0] * 2 == 20


settings = {
    "kernel": st.integers(1, 3),
    "stride": st.integers(1, 2),
    "padding": st.integers(0, 2),
    "dilation": st.integers(1, 2),
    "groups": st.sampled_from([1, 2]),
    "bias": st.booleans(),
    "pruned": st.booleans(),
    "seed": st.integers(0, 100),
    "steps": st.integers(1, 4),
    "batch": st.integers(2, 3),
}


@given(st.fixed_dictionaries(settings))
def test_networks_of_snntorch(how):
    """Spikes of the network itself as well, over time; a step in which nothing arrives too."""
    torch.manual_seed(how["seed"])
    options = {n: how[n] for n in ("stride", "padding", "dilation", "groups", "bias")}
    conv = nn.Conv2d(2, 4, how["kernel"], **options)
    x = inputs(how["batch"], how["steps"], 2, 6, 6, rate=0.4)
    features = conv(x[:, 0]).flatten(1).shape[1]
    net = nn.Sequential(
        conv,
        snn.Leaky(beta=0.9, init_hidden=True),
        nn.Flatten(),
        nn.Linear(features, 5, bias=how["bias"]),
        snn.Leaky(beta=0.9, init_hidden=True),
        nn.Linear(5, 3),
        snn.Leaky(beta=0.9, init_hidden=True, output=True),
    )
    lively(net)
    if how["pruned"]:
        for parameter in net.parameters():
            parameter.data *= torch.rand_like(parameter) < 0.5

    def run():
        snn.utils.reset(net)
        for step in x.unbind(1):
            net(step)

    mine = ours(net, run, len(x), skip_zero_weights=True)
    dense = ours(net, run, len(x))[2]
    effective, multiplied, all_ones = neurobench(SNNTorchModel(net), x)
    assert mine[:2] == pytest.approx((effective, multiplied))
    assert multiplied == 0
    assert dense == pytest.approx(all_ones)


def test_functions_have_no_hooks():
    """NeuroBench looks at modules; a product that is called as a function is none."""

    def forward(net, x):
        return F.linear(net.first(x), net.weight)

    net = Two(forward, first=nn.Linear(8, 4), weight=nn.Parameter(torch.rand(3, 4)))
    assert neurobench(TorchModel(net), FIVE)[0] * 2 == 20
    accumulates, multiplied, _ = ours(net, lambda: net(FIVE), 1)
    assert (accumulates, multiplied) == (20, 2 * 12)


def test_what_is_analog_stays_analog():
    """NeuroBench reads kinds off values, call by call, and passes over zeros; ours says."""
    for x, theirs in (
        (torch.zeros(2, 8), (0, 0)),
        (torch.ones(2, 8), (64, 0)),
        (SPARSE_ANALOG, (0, 20)),
    ):
        mine, found = both(nn.Linear(8, 4), x, inputs="analog")
        assert (found[0] * 2, found[1] * 2) == theirs
        assert (mine[0] * 2, mine[1] * 2) == (0, 64)


def test_a_recurrent_cell_without_a_state():
    """NeuroBench counts the first sample of the two; the hidden values are zero in both."""
    cell = nn.RNNCell(8, 4)
    mine, theirs = both(cell, FIVE)
    assert theirs[0] * 2 == 12
    assert mine[0] * 2 == 20


def test_half_precision_does_not_overflow():
    layer, x = nn.Linear(512, 512, bias=False).half(), torch.ones(1, 512).half()
    with pytest.raises(OverflowError):
        neurobench(TorchModel(nn.Sequential(layer)), x)
    assert ours(layer, lambda: layer(x), 1)[0] == 512 * 512


def test_large_sums_are_exact():
    """NeuroBench sums in the type of the input."""
    layer, x = nn.Conv1d(1, 4097, 1), torch.ones(1, 1, 4097)
    mine, theirs = both(layer, x)
    assert mine[0] == 4097**2
    assert theirs[0] != 4097**2


def test_dense_convolutions_leave_padding_out():
    mine, theirs = both(nn.Conv2d(2, 3, 3, padding=1), ONES)
    assert mine[2] == theirs[2] == 1014

"""Pictures: each takes an axis, gives it back, and shows the numbers that it was given."""

import itertools
import math

import pytest
import torch
from matplotlib import pyplot
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule import plots
from picojoule.report.page import charts
from picojoule.report.plots.axes import area, line
from picojoule.training import Activity


@pytest.fixture(autouse=True)
def closed():
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def report():
    torch.manual_seed(0)
    net = pj.Sequential(nn.Linear(6, 8), pj.LIF(), nn.Linear(8, 8), pj.LIF(), nn.Linear(8, 3))
    items = [((torch.rand(5, 4, 6) < 0.6).float() * 2, torch.arange(4) % 3, None)]
    loader = DataLoader(items, batch_size=None)  # pyright: ignore[reportArgumentType]
    chips = [pj.load_chip("45nm"), pj.load_chip("45nm-sram")]
    return pj.measure(net, loader, readout=pj.readout.mean, chips=chips, inputs="levels")


RESONATORS = pj.Sequential(nn.Linear(2, 9), pj.BRF(9), nn.Linear(9, 4), pj.RF(4, omega=(5.0, 9.0)))
RATES = {"2": (0.1, 0.3), "4": (0.0, 0.2)}
ACTIVITY = Activity(samples=4, rate=RATES, kept={}, examples=())
ALL = {
    "raster": lambda _, **on: plots.raster({"2": torch.eye(9), "4": torch.eye(9)}, **on),
    "activity": lambda _, **on: plots.activity(ACTIVITY, **on),
    "energy": lambda report, **on: plots.energy(report, "45nm-sram", **on),
    "depth": lambda report, **on: plots.depth(report, label="ours", **on),
    "confusion": lambda report, **on: plots.confusion(report, **on),
    "front": lambda _, **on: plots.front([3.0, 1.0], [0.9, 0.8], label="ours", **on),
    "membranes": lambda _, **on: plots.membranes(pj.LIF(), torch.ones(9), **on),
    "chirp": lambda _, **on: plots.chirp(pj.RF(), **on),
    "polynomials": lambda _, **on: plots.polynomials(pj.LNM(degree=3), **on),
    "frequencies": lambda _, **on: plots.frequencies(RESONATORS, **on),
}


def test_all_pictures_are_here():
    assert set(ALL) | {"style"} == set(plots.__all__)


@pytest.mark.parametrize("name", ALL)
def test_it_draws_on_the_axis_that_it_is_given(name, report):
    axis = pyplot.subplots()[1]
    assert ALL[name](report, axis=axis) is axis
    assert axis.has_data()
    assert axis.get_xlabel()
    assert axis.get_ylabel()


@pytest.mark.parametrize("name", ALL)
def test_without_one_it_makes_a_figure_that_a_paper_takes(name, report, tmp_path):
    with plots.style():
        axis = ALL[name](report)
        axis.figure.savefig(tmp_path / "picture.pdf")
    assert axis.figure.get_size_inches()[0] == 3.5
    assert b"/Type3" not in (tmp_path / "picture.pdf").read_bytes()  # text stays text


def apart(boxes) -> bool:
    """Whether boxes from left to right leave a gap."""
    ordered = sorted((one for one in boxes if one.width), key=lambda one: one.x0)
    return all(after.x0 > before.x1 for before, after in itertools.pairwise(ordered))


@pytest.mark.parametrize("name", ALL)
def test_labels_are_apart(name, report):
    with plots.style():
        check_labels(ALL[name](report))


@pytest.mark.parametrize(
    "energies_pj",
    [[7.0], [200.0, 260.0], [999.0, 1001.0], [120.0, 900.0], [300.0, 30_000.0], [1e3, 1e9]],
)
def test_labels_of_energies_are_apart_whatever_their_range(energies_pj):
    with plots.style():
        axis = plots.front(energies_pj, [0.5] * len(energies_pj))
        check_labels(axis)
        labels = [one.get_text() for one in axis.get_xticklabels()]
        low, high = axis.get_xlim()
        inside = [low <= at <= high for at in axis.get_xticks()]
        assert sum(inside) >= 2
        assert all(label.endswith("J") for label in labels)
        assert len(set(labels)) == len(labels)


def check_labels(axis):
    axis.figure.canvas.draw()
    low, high = sorted(axis.get_xlim())
    labels = [one for one in axis.get_xticklabels() if low <= one.get_position()[0] <= high]
    assert apart([one.get_window_extent() for one in labels if one.get_text()])


def test_the_legend_of_energy_is_on_no_bar(report):
    with plots.style():
        axis = plots.energy(report, "45nm-sram")
    axis.figure.canvas.draw()
    box = axis.get_legend().get_window_extent()
    assert not any(box.overlaps(bar.get_window_extent()) for bar in axis.patches)
    assert box.x1 <= axis.figure.bbox.x1


def test_many_kinds_and_layers_can_be_told_apart():
    for look in (area, line):
        assert len({tuple(look(place).items()) for place in range(32)}) == 32
    bars = charts.stacked({"1": {f"kind {at}": 1.0 for at in range(20)}})["data"]
    assert len({(bar["marker"]["color"], bar["marker"]["pattern"]["shape"]) for bar in bars}) == 20
    curves = charts.lines({f"{at}": [1.0] for at in range(20)}, x="step", y="spikes")["data"]
    assert len({(one["line"]["color"], one["line"]["dash"]) for one in curves}) == 20


def test_the_style_ends_with_its_block():
    before = pyplot.rcParams["font.size"]
    with plots.style():
        assert pyplot.rcParams["font.size"] == 8
    assert pyplot.rcParams["font.size"] == before


def test_a_raster_has_a_mark_for_each_spike():
    axis = plots.raster({"2": torch.eye(4), "4": torch.zeros(4, 7)}, dt=0.5)
    first, second = axis.collections
    assert first.get_offsets().tolist() == [[0.5 * k, k] for k in range(4)]
    assert len(second.get_offsets()) == 0


@pytest.mark.parametrize("chip", ["45nm", "45nm-sram"])
def test_bars_of_energy_sum_to_the_total(report, chip):
    axis = plots.energy(report, chip)
    assert sum(bar.get_width() for bar in axis.patches) == pytest.approx(
        report.chips[chip].total_pj
    )


def test_pictures_that_share_their_axes_show_all_of_each(report):
    axes = pyplot.subplots(1, 2, sharex=True, sharey=True)[1]
    plots.energy(report, "45nm-sram", axis=axes[0])
    plots.energy(report, "45nm", axis=axes[1])
    longest = max(bar.get_x() + bar.get_width() for bar in axes[0].patches)
    assert axes[0].get_xlim()[0] == 0
    assert axes[0].get_xlim()[1] > longest
    axes[0].figure.canvas.draw()
    ends = [one.get_window_extent().y0 for one in axes[0].get_yticklabels()]
    assert ends == sorted(ends, reverse=True)  # the first layer on top
    for axis in pyplot.subplots(1, 2, sharey=True)[1]:
        plots.raster({"2": torch.eye(4), "4": torch.eye(4)}, axis=axis)
        assert axis.yaxis.get_inverted()


def test_depth_is_spikes_per_neuron_and_step(report):
    (curve,) = plots.depth(report).lines
    spiking = [one for one in report.counts.values() if "spike" in one]
    assert list(curve.get_ydata()) == [one["spike"] / one["update"] for one in spiking]


def test_confusions_are_those_of_the_report(report):
    axis = plots.confusion(report, labels=["a", "b", "c"])
    assert [one.get_text() for one in axis.get_yticklabels()] == ["a", "b", "c"]
    drawn = {one.get_position()[::-1]: int(one.get_text()) for one in axis.texts}
    known = {
        (row, column): number
        for row, line in enumerate(report.confusion)
        for column, number in enumerate(line)
        if number
    }
    assert drawn == known
    many = report.model_copy(update={"confusion": tuple((1,) * 50 for _ in range(50))})
    assert not plots.confusion(many).texts


def test_a_front_is_drawn_in_the_order_of_energy():
    axis = plots.front([3.0, 1.0, 2.0], [0.9, 0.7, 0.8], value_errors=[0.1, 0.2, 0.3])
    line = axis.lines[0]
    assert list(line.get_xdata()) == [1.0, 2.0, 3.0]
    assert list(line.get_ydata()) == [0.7, 0.8, 0.9]
    lengths = [segment[1][1] - segment[0][1] for segment in axis.collections[0].get_segments()]
    assert lengths == pytest.approx([0.4, 0.6, 0.2])


def test_membranes_are_those_of_the_neuron():
    neuron, current = pj.LIF(), torch.full((20,), 0.3)
    axis = plots.membranes(neuron, current)
    state, expected = neuron.init_state(torch.zeros(1, 1)), []
    for one in current:
        _, state = neuron.step(one.view(1, 1), state)
        expected.append(state.membrane.item())
    assert list(axis.lines[0].get_ydata()) == expected


def test_a_chirp_excites_a_resonator_at_its_own_frequency():
    neuron = pj.RF(omega=2 * math.pi * 20, b=-5.0, threshold=1e6)
    line = plots.chirp(neuron, seconds=20.0).lines[0]
    amplitudes = torch.tensor(line.get_ydata()).abs()
    assert line.get_xdata()[int(amplitudes.argmax())] == pytest.approx(20, rel=0.1)


def test_polynomials_are_what_the_neuron_computes():
    neuron = pj.LNM(degree=2, threshold=1e3)
    neuron.theta[2].data.fill_(0.25)
    line = plots.polynomials(neuron).lines[0]
    v = torch.as_tensor(line.get_xdata())
    _, state = neuron.step(torch.zeros(len(v), 1), type(neuron.init_state(v))(v.view(-1, 1)))
    assert state.membrane.flatten().tolist() == pytest.approx(list(line.get_ydata()))


def test_each_resonator_has_its_frequency_counted_once():
    axis = plots.frequencies(RESONATORS)
    heights = [sum(bar.get_height() for bar in group) for group in axis.containers]
    assert heights == [9, 4]


@pytest.mark.parametrize(
    ("draw", "told"),
    [
        (lambda report: plots.energy(report, "45nm-sam"), "45nm-sram"),
        (lambda _: plots.raster(torch.ones(5)), r"out\[:, 0\]"),
        (lambda _: plots.membranes(pj.LIF(), torch.ones(5, 1, 1)), r"expected a current \[T\]"),
        (lambda _: plots.chirp(pj.RF(), highest_hz=900), "at most 500"),
        (lambda _: plots.polynomials(pj.LIF()), "a layer of LNM"),
        (lambda _: plots.frequencies(pj.LIF()), "resonators"),
        (lambda _: plots.front([1.0], [0.1, 0.2]), "as many energies"),
        (lambda _: plots.front([1.0], [0.1], measure="macrof1"), "did you mean 'macro_f1'"),
        (lambda report: plots.confusion(report, labels=["a"]), "expected 3 labels"),
        (
            lambda report: plots.confusion(report.model_copy(update={"confusion": None})),
            "a report with confusions",
        ),
    ],
)
def test_what_cannot_be_drawn_is_an_error(report, draw, told):
    with pytest.raises(ValueError, match=told):
        draw(report)

"""What ``print`` and a notebook show of an energy, a meter and a report."""

import io

import pytest
import torch
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule._plain_table import PlainTable


def network(layers=1, threshold=0.1):
    torch.manual_seed(0)
    parts = []
    for _ in range(layers):
        parts += [nn.Linear(6, 6), pj.LIF(threshold=threshold)]
    return pj.Sequential(*parts, nn.Linear(6, 4), pj.LI())


def metered(net, **options):
    with pj.Meter(net, **options) as meter:
        net(torch.rand(5, 8, 6))
    return meter


@pytest.fixture(scope="module")
def report():
    items = [(torch.rand(5, 8, 6), torch.arange(8) % 4, None)]
    loader = DataLoader(items, batch_size=None)  # pyright: ignore[reportArgumentType]
    chips = [pj.load_chip(name) for name in pj.chip_names()]
    return pj.measure(network(), loader, readout=pj.readout.mean, chips=chips)


def fits(text: str) -> bool:
    return all(len(line) <= 80 for line in text.splitlines()) and len(text.splitlines()) < 60


@pytest.mark.parametrize("layers", [1, 8, 40])
@pytest.mark.parametrize("chip", ["45nm", "45nm-int8", "45nm-sram", "analog-65nm", "loihi"])
def test_an_energy_is_a_short_table(layers, chip):
    energy = pj.load_chip(chip).price(metered(network(layers)).counts)
    assert energy.total.requires_grad
    text = str(energy)
    assert fits(text)
    lines = text.splitlines()
    names = [line.split()[0] for line in lines[2 : lines.index(next(filter(dashes, lines)))]]
    numbered = [int(name) for name in names if "others" not in text or name.isdigit()][:20]
    assert numbered == sorted(numbered)
    assert lines[0].startswith(f"energy per sample on {chip} (")
    assert ("network float32" in lines[0]) == (chip != "45nm")
    shown = pj.units.format_energy(energy.total.item())
    assert any(line.split()[:3] == ["total", *shown.split()] for line in lines)
    for one in energy.unpriced:
        assert one in text.partition("without a price: ")[2].replace("\n  ", " ")
    assert repr(energy) == f"Energy({shown} on {chip}, {len(energy.by_layer)} layers)"


def dashes(line: str) -> bool:
    return set(line) == {"-"}


def test_an_energy_of_no_layer_and_one_made_by_hand_are_shown():
    nothing = pj.load_chip("45nm").price({})
    assert "total     0 J" in str(nothing)
    one = torch.tensor(1.0)
    assert str(pj.Energy(one, one, one, one)).startswith("energy per sample\n")
    assert repr(pj.Energy(one, one, one, one)) == "Energy(1 pJ, 0 layers)"


@pytest.mark.parametrize("layers", [1, 40])
def test_a_meter_is_a_short_table_of_its_counts(layers):
    meter = metered(network(layers))
    text = str(meter)
    assert fits(text)
    lines = text.splitlines()
    assert lines[:2] == [
        "counts per sample (samples: 8)",
        lines[1],
    ]
    assert lines[1].split() == ["layer", "mac", "ac", "spike", "update"]
    assert lines[2].split() == ["0", "180"]
    total = sum(one.ac.item() for one in meter.counts.values())
    (row,) = [line for line in lines if line.startswith("total")]
    assert float(row.split()[2].replace(",", "")) == pytest.approx(total, rel=1e-3)
    assert "other counts: " in text
    assert ("more" in text) == (layers == 40)


def test_a_meter_is_shown_before_in_and_after_its_block():
    net = network()
    meter = pj.Meter(net)
    none = "no counts: call the network inside the block"
    assert str(meter) == none
    with meter:
        assert str(meter) == none
        net(torch.rand(5, 8, 6))
        assert "(samples: 8)" in str(meter)
        net(torch.rand(5, 8, 6))
    assert "(samples: 16)" in str(meter)


def test_a_meter_says_what_it_did_not_count_and_what_it_cannot_tell():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc, self.unused = nn.Linear(6, 4), nn.Linear(6, 4)

        def forward(self, x):
            return self.fc(torch.special.bessel_j0(x))

    with pytest.warns(UserWarning, match="no neuron is known"):
        meter = metered(Odd(), samples=8)
    assert "not counted: network: special_bessel_j0" in str(meter)
    assert "did not run: unused" in str(meter)
    wrong = metered(network(), inputs="events")
    assert str(wrong).startswith("no counts: '0' counts inputs that were said to be events")


def test_printing_a_meter_in_its_block_does_not_end_its_checks():
    net = network()
    with pj.Meter(net, inputs="events") as meter:
        net(torch.ones(5, 8, 6))
        assert "(samples: 8)" in str(meter)
        net(torch.full((5, 8, 6), 0.5))
    with pytest.raises(ValueError, match="no whole numbers"):
        _ = meter.counts


def test_a_report_is_a_short_table(report):
    text = str(report)
    assert all(len(line) <= 80 for line in text.splitlines())
    right = round(report.accuracy.test * 8)
    assert text.startswith(f"test accuracy {report.accuracy.test:.3f} ({right} of 8), 5 steps, ")
    for name, one in report.chips.items():
        (row,) = [line for line in text.splitlines() if line.startswith(f"{name} ")]
        assert pj.units.format_energy(one.total_pj) in row
    assert "45nm-int8: prices int8, network float32" in text
    assert "loihi: prices up to 9-bit weights, network float32; no price for mac" in text
    for note in report.notes:
        assert note in text.replace("\n  ", " ")
    assert pj.Report.from_json(report.to_json()) == report


def test_the_long_tables_of_a_report_go_to_rich(report):
    console = Console(file=io.StringIO(), width=200)
    few = report.model_copy(update={"chips": {"45nm": report.chips["45nm"]}})
    console.print(few.table())
    text = console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]
    assert "energy per inference by layer" in text
    assert "energy per inference by kind" in text


def test_notebooks_show_html_tables(report):
    meter = metered(network())
    energy = pj.load_chip("45nm-sram").price(meter.counts)
    for one in (report, meter, energy, pj.Meter(network())):
        shown = one._repr_html_()
        assert shown.count("<table>") == shown.count("</table>") == 1
        title = str(one).splitlines()[0]
        assert title in shown or title.split(",")[0] in shown


def test_a_table_escapes_what_html_would_read_and_shortens_long_names():
    table = PlainTable("a < b", ("layer", "n"), [("<script>", "1")], ["c & d"])
    assert "<script>" not in table.html()
    assert "a &lt; b" in table.html()
    long = PlainTable("", ("layer", "energy"), [("backbone." * 20 + "conv1", "12.4 nJ")])
    assert fits(str(long))
    assert "ckbone.conv1  12.4 nJ" in str(long)

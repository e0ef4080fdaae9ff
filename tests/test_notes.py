"""What puts a result in doubt is said: in the report, on the screen and in the last line."""

import io
import json
import re
from pathlib import Path

import pytest
import snntorch
import torch
from rich.console import Console
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.cli import show
from picojoule.recipe import load_recipe
from picojoule.report import notes
from picojoule.run import start
from tiny import SETTINGS


def measured(net, label=None, chips=("45nm",)):
    torch.manual_seed(1)
    label = torch.arange(8) % 4 if label is None else label
    items = [((torch.rand(5, 8, 6) < 0.5).float(), label, None)]
    loader = DataLoader(items, batch_size=None)  # pyright: ignore[reportArgumentType]
    loaded = [pj.load_chip(name) for name in chips]
    return pj.measure(net, loader, readout=pj.readout.mean, chips=loaded, inputs="events")


def network(*thresholds):
    torch.manual_seed(0)
    layers = []
    for threshold in thresholds:
        layers += [nn.Linear(6, 6), pj.LIF(threshold=threshold)]
        layers[-2].weight.data.abs_()
        layers[-2].bias.data.fill_(0.5)
    return pj.Sequential(*layers, nn.Linear(6, 4), pj.LI())


def shown(thing, width=200) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(thing)
    return console.file.getvalue()  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("net", "silent"),
    [
        (lambda: network(0.1, 0.1), ()),
        (lambda: network(0.1, 1e6), ("3",)),
        (lambda: network(1e6, 0.1), ("1",)),
        (lambda: network(1e6, 1e6, 1e6), ("1", "3", "5")),
        (lambda: pj.Sequential(nn.Linear(6, 4), pj.Recurrent(pj.LIF(threshold=1e6), 4)), ("1",)),
        (lambda: pj.Sequential(nn.Linear(6, 4), pj.MultiLevelIF(threshold=1e6)), ("1",)),
        (lambda: pj.Sequential(nn.Linear(6, 4), pj.LI()), ()),  # which never spikes by nature
    ],
)
def test_layers_without_a_spike_are_named(net, silent):
    report = measured(net())
    assert report.silent == silent
    text = f"silent layers: {', '.join(silent)} put out no spike on the test set"
    last = show.summary(report, Path("runs/x"))
    for place in (report.notes, shown(show.energies(report)), shown(show.compared(report))):
        assert (text in place) == bool(silent)
    assert (f" · silent {', '.join(silent)} · " in last) == bool(silent)
    assert json.loads(report.to_json())["silent"] == list(silent)
    rows = [line for line in shown(report.table()).splitlines() if "│ silent layers " in line]
    named = ", ".join(silent) or "none"
    assert [row.split("│")[2].strip() for row in rows] == [named] * bool(
        report.spike_rate or silent
    )


def test_many_silent_layers_are_a_number_in_the_table():
    report = measured(network(*[1e6] * 6))
    assert re.search(r"│ silent layers +│ +6 layers │", shown(report.table()))
    assert "1, 3, 5, 7, 9, 11" in report.notes[0]


def test_layers_of_another_library_without_a_spike_are_named():
    class Foreign(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc = nn.Linear(6, 4)
            self.lif = snntorch.Leaky(beta=0.9, threshold=1e6, init_hidden=True)

        def forward(self, x):
            return torch.stack([self.lif(self.fc(step)) for step in x])

    assert measured(Foreign()).silent == ("lif",)


@pytest.mark.parametrize(
    ("right", "majority", "samples", "said"),
    [
        (36, 37, 360, "36 of 360 correct.*class gives 37 \\(up to 48 by chance\\)"),
        (48, 37, 360, "48 of 360 correct"),
        (49, 37, 360, None),
        (360, 37, 360, None),
        (50, 50, 50, "50 of 50 correct"),  # one class alone
        (90, 89, 100, "90 of 100"),
        (100, 89, 100, None),
    ],
)
def test_an_accuracy_that_always_naming_one_class_reaches_is_at_chance(
    right, majority, samples, said
):
    found = list(notes.of_chance(right / samples, majority / samples, samples, samples))
    assert len(found) == (said is not None)
    if said is not None:
        assert found[0].startswith("accuracy at chance: ")
        assert re.search(said, found[0])


def test_the_most_frequent_class_is_that_of_the_labels():
    report = measured(network(0.1), torch.tensor([0, 1, 1, 2, 1, 3, 1, 1]))
    assert report.majority == 5 / 8
    assert any(note.startswith("accuracy at chance: ") for note in report.notes)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ((2.303, 2.302, 2.301), "2.303 in the first epoch, 2.301 at best after it"),
        ((2.3, 5.0), "2.3 in the first epoch, 5 at best"),
        ((2.3, 2.4, 1.0, 2.4), None),
        ((2.3,), None),
        ((), None),
        ((-1.0, -2.0), None),
        ((-1.0, -1.0), "-1 in"),
    ],
)
def test_a_loss_that_never_fell_is_said(loss, said):
    found = "".join(notes.of_loss(loss))
    assert found.startswith("loss never fell: ") == (said is not None)
    assert (said or "") in found


@pytest.mark.parametrize(
    ("limit_pj", "highest_pj", "multiplier", "bound"),
    [
        (1e10, 8_700.0, (0.0, 0.0), False),
        (1e10, 8_700.0, (0.0, 0.1, 0.0), True),
        (8_000.0, 8_700.0, (0.0, 0.0), True),
        (1e10, None, (0.0, 0.0), True),
    ],
)
def test_a_budget_that_never_bound_is_said(limit_pj, highest_pj, multiplier, bound):
    found = list(notes.of_budget(limit_pj, highest_pj, multiplier))
    text = "budget never bound: no epoch spent more than 8.7 nJ of 10 mJ"
    assert [one.startswith(text) for one in found] == ([] if bound else [True])


@pytest.fixture(scope="module")
def idle(tmp_path_factory):
    """A run whose neurons never fire, whose weights do not move and whose limit is far away."""
    settings = [*SETTINGS[:-1], "budget.limit=10 mJ", "train.lr=1e-9"]
    settings.append('network.neuron={ name = "LIF", threshold = 1e6 }')
    run = start(load_recipe("digits", settings), out=tmp_path_factory.mktemp("runs") / "idle")
    for _ in run.train():
        pass
    return run.folder


def test_a_run_that_came_to_nothing_says_why(idle):
    report = idle.report
    starts = ("silent layers: ", "accuracy at chance: ", "loss never fell: ", "budget never bound")
    for note, start_of in zip(report.notes, starts, strict=True):
        assert note.startswith(start_of)
    assert report.silent == ("2", "4")
    assert json.loads((idle.path / "report.json").read_text())["notes"] == list(report.notes)
    assert all(tuple(one["validation"]["silent"]) == report.silent for one in idle.log())
    assert pj.Report.from_json(report.to_json()) == report
    again = pj.load(idle.path).measure([pj.load_chip("loihi")])
    assert again.notes == report.notes


def test_a_report_from_before_there_were_notes_names_silent_layers(idle):
    content = json.loads(idle.report.to_json())
    for key in ("silent", "notes", "majority", "loss"):
        del content[key]
    del content["budget"]["highest_pj"]
    old = pj.Report.from_json(json.dumps(content))
    assert old.silent == idle.report.silent
    assert old.notes == idle.report.notes[:1]


def test_a_report_from_before_there_were_tasks_is_one_of_classes(idle):
    content = json.loads(idle.report.to_json())
    for key in ("task", "macro_f1", "mse", "chosen_by", "labels", "variance", "confusion"):
        del content[key]
    old = pj.Report.from_json(json.dumps(content))
    assert old.accuracy == idle.report.accuracy
    assert (old.task, old.measured) == ("classification", idle.report.measured)
    assert old.notes == idle.report.notes
    assert str(old) == str(idle.report)


def test_the_chip_with_memory_stands_beside_the_run_s_own(idle):
    assert list(idle.report.chips) == ["45nm", "45nm-sram"]
    last = show.summary(idle.report, idle.path)
    assert "per inference on 45nm (" in last
    assert "per inference on 45nm-sram (prices int32, network float32" in last


def test_two_floors_have_two_names(idle):
    text = shown(show.energies(idle.report)) + show.floor(idle.report)
    assert "floor (test set)" in text
    assert "floor (training set)" in text
    assert text.count("floor") == 2


def test_a_limit_far_away_is_said_beside_the_floor_and_what_was_met(idle):
    assert show.floor(idle.report).endswith(" on 45nm, less than 0.01 of the budget")
    assert "budget 10 mJ on 45nm: met (never bound)" in show.summary(idle.report, idle.path)


@pytest.mark.parametrize(
    ("precision", "dtype", "marked"),
    [
        ("fp32", torch.float32, ""),
        ("FP32", torch.float32, ""),
        ("float64", torch.float64, ""),
        ("int8", torch.float32, "prices int8, network float32"),
        ("3-bit weights", torch.float32, "prices 3-bit weights, network float32"),
        ("fp32", torch.float64, "prices fp32, network float64"),
        ("not said", torch.float32, "precision not said, network float32"),
    ],
)
def test_prices_of_a_precision_that_the_network_has_not_are_marked(precision, dtype, marked):
    net = network(0.1).to(dtype)
    chip = pj.load_chip("45nm").model_copy(update={"precision": precision})
    items = [(torch.ones(5, 8, 6, dtype=dtype), torch.arange(8) % 4, None)]
    loader = DataLoader(items, batch_size=None)  # pyright: ignore[reportArgumentType]
    report = pj.measure(net, loader, readout=pj.readout.mean, chips=[chip], inputs="events")
    content = json.loads(report.to_json())["chips"]["45nm"]
    assert (content["precision"], content["network_precision"]) == (
        precision,
        str(dtype).removeprefix("torch."),
    )
    for text in (
        shown(report.table()),
        shown(show.compared(report)),
        show.summary(report, Path("runs/x")),
    ):
        words = " ".join(text.replace("┃", " ").replace("│", " ").split())
        network_said = "network float" in words
        assert network_said == bool(marked)
        for word in marked.split():
            assert word in words
    assert marked in show.summary(report, Path("runs/x"))
    beside = show.chip_beside("45nm", report.chips["45nm"])
    assert beside == (f"45nm ({marked})" if marked else "45nm")

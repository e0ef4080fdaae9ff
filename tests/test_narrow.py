"""Every table of the command line is readable at any width: no word of it is broken."""

import io
import re

import pytest
from rich.console import Console

from picojoule.cli import chip_texts, console, show
from picojoule.energy import chip_names, load_chip
from picojoule.recipe import recipe_names
from picojoule.report.energy_tables import by_layer_and_kind, comparison
from picojoule.report.fitted_table import FittedTable, Head
from picojoule.training import Cost

COUNTS = ("ac", "bias", "multiply", "weight_read", "state_read", "state_write")
SWEEP = ("threshold", "limit", "levers", "width", "seeds", "accuracy", "energy", "met", "")
ROW = ("0.25", "50%", "['gates']", "128", "3", "0.961 ± 0.004", "6.71 ± 0.32 nJ", "3/3", "front")


def cost(name: str) -> Cost:
    chip = load_chip(name)
    return Cost(
        total_pj=6440.0,
        low_pj=6000.0,
        high_pj=7000.0,
        floor_pj=3090.0,
        by_layer={str(layer): 1288.0 for layer in range(5)},
        by_kind={count: 6440.0 / len(COUNTS) for count in COUNTS},
        excluded={},
        unpriced={"second.LIF": 1.0},
        ann_pj=119e3,
        quantised_ann_pj=32.5e3,
        quantised_ann_bits=4,
        break_even_rate=1.95,
        quantised_break_even_rate=0.495,
        precision=chip.precision,
        network_precision="float32",
        scope=chip.scope,
    )


def report_tables(*names: str):
    return by_layer_and_kind({name: cost(name) for name in names}, 0.0564, ())


TABLES = {
    "data sets": show.data_sets,
    "penalties": show.penalties,
    "networks": show.networks,
    "chips": lambda: chip_texts.listed(chip_names()),
    "energies on one chip": lambda: report_tables("45nm"),
    "energies on two chips": lambda: report_tables("45nm", "45nm-sram"),
    "energies on four chips": lambda: report_tables("45nm", "45nm-sram", "loihi", "odin"),
    "all chips": lambda: comparison({name: cost(name) for name in chip_names()}, 0.0564),
    "a sweep": lambda: show.listing("test set", SWEEP, [ROW, ROW]),
}


def shown(renderable, width: int) -> str:
    out = io.StringIO()
    Console(file=out, width=width).print(renderable)
    return out.getvalue()


def words(text: str) -> set[str]:
    return set(re.sub("[─-╿]", " ", text).replace(":", " ").replace(",", " ").split())


@pytest.mark.parametrize("width", [40, 60, 80])
@pytest.mark.parametrize("name", TABLES)
def test_no_word_of_a_table_is_broken_or_lost(name, width):
    text = shown(TABLES[name](), width)
    assert max(map(len, text.splitlines())) <= width
    whole = shown(TABLES[name](), 1000).splitlines()
    rows = words("\n".join(line for line in whole if line.startswith("│")))
    assert {word for word in rows if len(word) <= width - 4} <= words(text)


def test_a_table_that_does_not_fit_is_blocks_of_names_and_values():
    heads = (Head("chip", whole=True), Head("dense\n4-bit"), Head("as dear\nat"), Head("kind"))
    rows = [
        ("45nm\nfp32", "119 nJ\n32 nJ", "1.95\n0.4\n0.1", "ac 100%"),
        (),
        ("loihi", "", "", "ac"),
    ]
    table = FittedTable("energies", heads, rows, below="that is all")
    assert shown(table, 80).count("│ 45nm ") == 1
    assert [line.rstrip() for line in shown(table, 30).splitlines()] == [
        "energies",
        "45nm",
        "    fp32",
        "    dense: 119 nJ",
        "    4-bit: 32 nJ",
        "    as dear at: 1.95, 0.4, 0.1",
        "    kind: ac 100%",
        "loihi",
        "    kind: ac",
        "that is all",
    ]


def test_recipes_keep_to_the_width_that_a_pipe_is_given(pj, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    assert pj("recipes")[1].splitlines()[0].endswith("  what it is")
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setattr(console.OUT, "_width", 40)  # which a console reads when it is made
    text = pj("recipes")[1]
    assert max(map(len, text.splitlines())) <= 40
    assert set(recipe_names()) <= set(text.splitlines())
    assert "    network: mlp" in text.splitlines()

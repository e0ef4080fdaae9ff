"""The chips that come with picojoule: their numbers, what they leave out, and their pages."""

import re
import tomllib
from importlib import resources

import pytest
import torch
from making import chips

from picojoule.energy import COUNTS, OpCounts, Sizes, chip_names, load_chip

every_chip = pytest.mark.parametrize("name", chip_names())

# pJ of one accumulate and of one neuron update, as published; None where no price is known.
PUBLISHED = {
    "45nm": (0.9, None),
    "45nm-int8": (0.03, None),
    "45nm-sram": (0.1, None),
    "analog-28nm": (None, None),
    "analog-65nm": (20, None),
    "analog-65nm-neurons": (None, None),
    "analog-65nm-cell": (20, None),
    "darwin3": (5.47, None),
    "loihi": (23.6, 81),
    "neuronflow": (20, None),
    "odin": (12.7, None),
    "odin-marginal": (8.43, None),
    "reckon": (5.3, None),
    "seneca": (2.8, None),
    "spinnaker": (13.3e3, 26e3),
    "spinnaker2": (10, None),
    "spinnaker2-prototype": (450, 2.19e3),
    "tianjic": (1.54, None),
    "truenorth": (26, None),
    "truenorth-marginal": (2.3, None),
    "ubrain": (26, None),
}
ALL_IN = {
    *("darwin3", "neuronflow", "odin", "reckon", "seneca", "spinnaker2", "tianjic", "truenorth"),
    "ubrain",
}


def number(value):
    return torch.tensor(float(value), dtype=torch.float64)


def everything(neuron=""):
    """One of each count."""
    return {"x": OpCounts.of(dict.fromkeys(COUNTS, number(1)), sizes=Sizes(neuron=neuron))}


def test_there_are_these_and_no_others():
    assert chip_names() == sorted(PUBLISHED)
    assert [load_chip(name).name for name in chip_names()] == chip_names()


@every_chip
def test_accumulates_and_updates_cost_what_is_published(name):
    ac, update = PUBLISHED[name]
    by_kind = load_chip(name).price(everything()).by_kind
    assert {kind: by_kind[kind].item() for kind in ("ac", "update") if kind in by_kind} == {
        kind: pj for kind, pj in (("ac", ac), ("update", update)) if pj is not None
    }


@pytest.mark.parametrize(("name", "mac"), [("45nm", 4.6), ("45nm-int8", 0.23), ("45nm-sram", 3.2)])
def test_multiply_accumulates_are_horowitz(name, mac):
    counts = {"x": OpCounts(mac=number(10), ac=number(1000))}
    energy = load_chip(name).price(counts)
    assert energy.by_kind["mac"].item() == pytest.approx(10 * mac)
    assert energy.total.item() == pytest.approx(10 * mac + 1000 * PUBLISHED[name][0])


def test_only_the_models_of_arithmetic_have_a_multiply_accumulate():
    assert {name for name in chip_names() if "mac" not in load_chip(name).unpriced} == {
        *("45nm", "45nm-int8", "45nm-sram")
    }


@every_chip
def test_every_count_is_priced_left_out_or_listed(name):
    chip = load_chip(name)
    energy = chip.price(everything())
    by_type = {count for count, neuron, _ in chip.each_price() if neuron}
    assert set(energy.by_kind) == set(chip.prices) - by_type
    assert set(energy.excluded) == set(chip.excluded)
    assert set(energy.unpriced) == set(chip.unpriced) | by_type
    assert set(chip.prices) | set(chip.excluded) | set(chip.unpriced) == set(COUNTS)


def test_the_all_in_figures_are_alone():
    for name in chip_names():
        chip = load_chip(name)
        assert (chip.scope == "all-in") == (name in ALL_IN)
        if name in ALL_IN:
            assert list(chip.prices) == ["ac"]
            assert set(chip.unpriced) == {"mac", "pool"}


@every_chip
def test_every_number_has_a_source_that_can_be_found(name):
    for _, _, price in load_chip(name).each_price():
        assert re.search(r"doi 10\.\d{4}|arXiv:\d{4}\.\d{5}", price.source)


@every_chip
def test_every_chip_says_what_it_is(name):
    chip = load_chip(name)
    assert "not covered" in chip.description.lower() or "is in it" in chip.description
    assert len(chip.description) > 100
    if chip.evidence != "measured":
        assert "Measured" not in chip.description


@every_chip
def test_file_and_name_agree(name):
    text = (resources.files("picojoule.energy") / "chips" / f"{name}.toml").read_text("utf-8")
    assert tomllib.loads(text)["name"] == name


class TestAnalog:
    def test_a_resonator_costs_forty_nine_times_an_integrator(self):
        chip = load_chip("analog-65nm")
        spikes = {name: chip.price(everything(name)).by_kind["spike"] for name in ("LIF", "RF")}
        assert spikes["LIF"].item() == 0.004
        assert (spikes["RF"] / spikes["LIF"]).item() == pytest.approx(49)

    @pytest.mark.parametrize("neuron", ["RF", "BRF", "HRF"])
    def test_a_resonator_has_static_power(self, neuron):
        # 571 pW of one neuron over 20 ms is 571e-12 W x 20e-3 s = 11.42e-12 J.
        counts = {"x": OpCounts(second=number(20e-3), sizes=Sizes(neuron=neuron))}
        assert load_chip("analog-65nm").price(counts).total.item() == pytest.approx(11.42)

    @pytest.mark.parametrize(("rate_hz", "on_s"), [(20, 50e-3), (40, 25e-3), (1000, 20e-3)])
    def test_at_a_rate_static_power_is_spent_until_the_next_sample(self, rate_hz, on_s):
        """Or for a sample's own 20 ms, if samples come faster than that."""
        counts = {
            "x": OpCounts(ac=number(3), second=number(20e-3), sizes=Sizes(neuron="RF")),
            "y": OpCounts(second=number(20e-3), sizes=Sizes(neuron="LIF")),  # which has no price
        }
        energy = load_chip("analog-65nm").at_rate(rate_hz, sample_s=20e-3).price(counts)
        assert energy.total.item() == pytest.approx(60 + 571 * on_s)
        assert energy.floor.item() == energy.low.item() == energy.total.item()

    def test_a_chip_without_static_power_gives_no_power(self):
        with pytest.raises(ValueError, match="'45nm' has no static power"):
            load_chip("45nm").at_rate(20, sample_s=1.0)

    def test_what_is_not_known_of_a_type_is_named(self):
        energy = load_chip("analog-65nm").price(everything("LIF"))
        assert set(energy.unpriced) == {"mac", "pool", "bias", "second.LIF"}
        energy = load_chip("analog-65nm").price(everything("AdLIF"))
        assert {"spike.AdLIF", "second.AdLIF"} <= set(energy.unpriced)

    def test_where_sources_disagree_there_is_a_range(self):
        energy = load_chip("analog-65nm").price(everything("LIF"))
        assert energy.low.item() == energy.total.item() == pytest.approx(20 + 0.004)
        assert energy.high.item() == pytest.approx(20 + 7.73)


def test_a_loihi_has_a_band():
    counts = {"x": OpCounts(ac=number(10), update=number(4), spike=number(2))}
    energy = load_chip("loihi").price(counts)
    assert energy.total.item() == pytest.approx(236 + 324 + 3.4)
    assert energy.low.item() == pytest.approx(236 + 4 * 52 + 3.4)
    assert energy.high.item() == pytest.approx(271 + 324 + 2 * 5.7)


@every_chip
def test_a_page_shows_every_price_with_its_source(name):
    chip = load_chip(name)
    text = chips.page(chip)
    for count, neuron, price in chip.each_price():
        (row,) = [
            line
            for line in text.splitlines()
            if line.startswith(f"| `{count}`" + (f" of {neuron} |" if neuron else " |"))
        ]
        assert f"| {price.pj:g}" in row
        assert row.endswith(f"| {price.source} |")
    for count in COUNTS:
        assert f"`{count}`" in text

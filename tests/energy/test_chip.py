"""Chips: published numbers, a user's own file, and messages for files that are wrong."""

import tomllib
from importlib import resources

import pytest
import torch

from picojoule.energy import COUNTS, Chip, OpCounts, Sizes, chip_names, load_chip

HEAD = 'name = "mine"\ndescription = "a test"\n'
PRICE = 'source = "a paper"\n'


def chip(tmp_path, text, head=HEAD):
    file = tmp_path / "mine.toml"
    file.write_text(head + text, "utf-8")
    return load_chip(file)


def number(value):
    return torch.tensor(float(value), dtype=torch.float64)


def done(sizes=Sizes(), hidden=None, **counts):  # noqa: B008
    return OpCounts.of(
        {name: number(value) for name, value in counts.items()},
        {name: number(value) for name, value in (hidden or {}).items()},
        sizes,
    )


class TestShipped:
    def test_names(self):
        assert chip_names() == ["45nm", "45nm-int8", "45nm-sram"]
        assert [load_chip(name).name for name in chip_names()] == chip_names()

    @pytest.mark.parametrize(
        ("name", "mac", "ac"),
        [("45nm", 4.6, 0.9), ("45nm-int8", 0.23, 0.03), ("45nm-sram", 3.2, 0.1)],
    )
    def test_arithmetic_is_horowitz(self, name, mac, ac):
        energy = load_chip(name).price({"x": done(mac=10, ac=1000)})
        assert energy.total.item() == pytest.approx(10 * mac + 1000 * ac)
        assert energy.by_kind["mac"].item() == pytest.approx(10 * mac)

    @pytest.mark.parametrize("name", chip_names())
    def test_every_count_is_priced_or_left_out_on_purpose(self, name):
        loaded = load_chip(name)
        assert set(loaded.prices) | set(loaded.excluded) == set(COUNTS)
        energy = loaded.price({"x": done(**dict.fromkeys(COUNTS, 1))})
        assert energy.unpriced == {}
        assert set(energy.excluded) == set(loaded.excluded)

    @pytest.mark.parametrize("name", chip_names())
    def test_every_number_has_a_source_with_a_doi(self, name):
        for price in load_chip(name).prices.values():
            assert "doi 10." in price.source

    @pytest.mark.parametrize("name", chip_names())
    def test_file_and_name_agree(self, name):
        text = (resources.files("picojoule.energy") / "chips" / f"{name}.toml").read_text("utf-8")
        assert tomllib.loads(text)["name"] == name


class TestPricing:
    def test_memory_prices_grow_with_the_array(self, tmp_path):
        mine = chip(
            tmp_path,
            'word_bits = 8\n[price.weight_read]\npj = 2\npj_per_bit = 0.01\narray = "weights"\n'
            + PRICE,
        )
        assert mine.price({"x": done(Sizes(weights=100), weight_read=3)}).total.item() == 3 * 10
        assert mine.price({"x": done(Sizes(weights=0), weight_read=3)}).total.item() == 3 * 2

    def test_a_queue_takes_the_place_of_the_array_of_events(self, tmp_path):
        mine = chip(
            tmp_path,
            'word_bits = 10\n[price.event_read]\npj = 0\npj_per_bit = 1\narray = "inputs"\n'
            "fifo = 5\n" + PRICE,
        )
        assert mine.price({"x": done(Sizes(inputs=7, events=True), event_read=1)}).total == 50
        assert mine.price({"x": done(Sizes(inputs=7, events=False), event_read=1)}).total == 70

    def test_prices_by_type_of_neuron(self, tmp_path):
        mine = chip(
            tmp_path,
            f"[price.spike.LIF]\npj = 2\n{PRICE}[price.spike.BRF]\npj = 5\n{PRICE}"
            f"[price.second.LIF]\npj = 300\nnote = 'pW'\n{PRICE}",
        )
        energy = mine.price(
            {
                "a": done(Sizes(neuron="LIF"), spike=10, second=0.02),
                "b": done(Sizes(neuron="BRF"), spike=10),
                "c": done(Sizes(neuron="RF"), spike=7),
            }
        )
        found = {layer: value.item() for layer, value in energy.by_layer.items()}
        assert found == {"a": 20 + 300 * 0.02, "b": 50}
        assert {name: value.item() for name, value in energy.unpriced.items()} == {"spike": 7}

    def test_low_and_high(self, tmp_path):
        mine = chip(
            tmp_path,
            f"[price.ac]\npj = 2\nlow = 1\nhigh = 4\n{PRICE}[price.mac]\npj = 3\n{PRICE}"
            '[price.weight_read]\npj = 1\nlow = 0.5\npj_per_bit = 1\narray = "weights"\n' + PRICE,
        )
        energy = mine.price({"x": done(Sizes(weights=1), ac=10, mac=10, weight_read=1)})
        assert energy.low.item() == 10 + 30 + 32.5
        assert energy.total.item() == 20 + 30 + 33
        assert energy.high.item() == 40 + 30 + 33

    def test_an_all_in_figure(self, tmp_path):
        mine = chip(tmp_path, f'scope = "all-in"\n[price.ac]\npj = 23.6\n{PRICE}')
        energy = mine.price({"x": done(ac=2, mac=1, update=9)})
        assert energy.total.item() == 2 * 23.6
        assert set(energy.unpriced) == {"mac", "update"}

    def test_unpriced_and_excluded_are_never_taken_as_zero(self, tmp_path):
        mine = chip(tmp_path, f'excluded = ["pool"]\n[price.ac]\npj = 1\n{PRICE}')
        energy = mine.price({"a": done(ac=1, mac=5, pool=2), "b": done(mac=6, pool=3, bias=0)})
        assert energy.total.item() == 1
        assert {name: value.item() for name, value in energy.unpriced.items()} == {
            "mac": 11,
            "bias": 0,
        }
        assert {name: value.item() for name, value in energy.excluded.items()} == {"pool": 5}

    def test_the_floor_is_what_hidden_spikes_did_not_cause(self, tmp_path):
        mine = chip(tmp_path, f"[price.ac]\npj = 2\n{PRICE}[price.bias]\npj = 1\n{PRICE}")
        energy = mine.price({"a": done(ac=10, bias=3), "b": done(hidden={"ac": 4}, ac=5, bias=1)})
        assert energy.total.item() == 34
        assert energy.floor.item() == 34 - 2 * 4

    def test_nothing_costs_nothing(self):
        energy = load_chip("45nm").price({})
        assert energy.total.item() == energy.floor.item() == 0
        assert energy.by_layer == energy.by_kind == {}

    def test_parts_add_up(self):
        counts = {"a": done(ac=3, mac=2, update=1), "b": done(ac=5, spike=4)}
        energy = load_chip("45nm-sram").price(counts)
        for parts in (energy.by_layer, energy.by_kind):
            assert sum(part.item() for part in parts.values()) == pytest.approx(energy.total.item())

    def test_an_energy_may_be_mapped(self):
        energy = load_chip("45nm").price({"a": done(ac=3)})
        double = energy.map(lambda value: value * 2)
        assert double.total.item() == 2 * energy.total.item()
        assert double.floor.item() == 2 * energy.floor.item()
        assert double.by_layer is energy.by_layer

    def test_gradient_passes_the_price(self):
        ac = number(3).requires_grad_()
        load_chip("45nm").price({"a": OpCounts(ac=ac)}).total.backward()
        assert ac.grad.item() == 0.9


class TestFiles:
    def test_a_users_own_file_is_found_by_path(self, tmp_path):
        mine = chip(tmp_path, f"[price.ac]\npj = 1\n{PRICE}")
        assert isinstance(mine, Chip)
        assert (mine.name, mine.scope, mine.word_bits, mine.excluded) == (
            "mine",
            "per-operation",
            32,
            (),
        )
        assert load_chip(str(tmp_path / "mine.toml")) == mine

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("[price.ac]\npj = 1\n", ["ac", "source", "is missing"]),
            ("[price.ac]\npj = 1\nsource = ''\n", ["ac", "source"]),
            ("[price.ac]\npj = 1\nsource = '  '\n", ["ac", "source"]),
            (f"[price.ac]\npj = -1\n{PRICE}", ["ac", "pj", "greater than or equal to 0"]),
            (f"[price.ac]\npj = nan\n{PRICE}", ["ac", "pj", "finite"]),
            (f"[price.ac]\npj = 'much'\n{PRICE}", ["ac", "pj", "number"]),
            (f"[price.ac]\n{PRICE}", ["ac", "pj", "is missing"]),
            (f"[price.acc]\npj = 1\n{PRICE}", ["'acc'", "did you mean 'ac'"]),
            (f"[price.spikes.LIF]\npj = 1\n{PRICE}", ["'spikes'", "did you mean 'spike'"]),
            ("[price.spike.LIF]\npj = 1\n", ["spike", "LIF", "source"]),
            (f"[price.spike.LIF]\npj = -1\n{PRICE}", ["spike", "LIF", "pj"]),
            (f"[price.ac]\npj = 1\npjj = 2\n{PRICE}", ["ac", "pjj"]),
            (f"[price.ac]\npj = 1\nlow = 2\n{PRICE}", ["ac", "low must not be above pj"]),
            (f"[price.ac]\npj = 2\nhigh = 1\n{PRICE}", ["ac", "high must not be below pj"]),
            (f"[price.ac]\npj = 2\npj_per_bit = 1\n{PRICE}", ["ac", "needs an array"]),
            (f"[price.ac]\npj = 2\narray = 'weight'\n{PRICE}", ["ac", "array", "'weights'"]),
            ("price.ac = 1\n", ["ac"]),
            (f"excluded = ['ac']\n[price.ac]\npj = 1\n{PRICE}", ["ac: both priced and excluded"]),
            (f"excluded = ['bais']\n[price.ac]\npj = 1\n{PRICE}", ["did you mean 'bias'"]),
            (f"scoop = 'all-in'\n[price.ac]\npj = 1\n{PRICE}", ["scoop"]),
            (f"scope = 'all'\n[price.ac]\npj = 1\n{PRICE}", ["scope", "'all-in'"]),
            (f"word_bits = 0\n[price.ac]\npj = 1\n{PRICE}", ["word_bits"]),
            (
                f"scope = 'all-in'\n[price.ac]\npj = 1\n{PRICE}[price.mac]\npj = 1\n{PRICE}",
                ["all-in", "only price", "ac, mac"],
            ),
            ("", ["price", "is missing"]),
            ("[price]\n", ["price"]),
            ("= 3\n", ["not valid TOML", "line 3"]),
        ],
    )
    def test_files_that_are_wrong_say_where_and_what(self, tmp_path, text, words):
        with pytest.raises(ValueError, match=r"mine\.toml") as error:
            chip(tmp_path, text)
        for word in words:
            assert word in str(error.value)

    def test_two_mistakes_are_both_named(self, tmp_path):
        with pytest.raises(ValueError, match="mine") as error:
            chip(tmp_path, "scop = 1\n[price.ac]\npj = -1\n")
        assert all(word in str(error.value) for word in ("scop", "pj", "source"))

    @pytest.mark.parametrize(("name", "nearest"), [("45mn", "45nm"), ("45nm-srm", "45nm-sram")])
    def test_an_unknown_name_names_the_nearest(self, name, nearest):
        with pytest.raises(ValueError, match=f"unknown chip '{name}': did you mean '{nearest}'"):
            load_chip(name)

    def test_a_path_without_a_file(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"nothing\.toml"):
            load_chip(tmp_path / "nothing.toml")

    def test_a_file_that_is_not_text(self, tmp_path):
        (tmp_path / "mine.toml").write_bytes(b"\xff\xfe\x00\x01")
        with pytest.raises(ValueError, match=r"mine\.toml"):
            load_chip(tmp_path / "mine.toml")

    def test_chips_do_not_change(self):
        with pytest.raises(ValueError, match="frozen"):
            load_chip("45nm").name = "mine"

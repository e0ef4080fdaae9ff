"""Chips: what a price list makes of counts, and messages for files that are wrong."""

import re

import pytest
import torch

from picojoule._toml import key_lines, line_of
from picojoule.energy import Chip, Meter, OpCounts, Sizes, load_chip
from picojoule.networks import Sequential
from picojoule.neurons import LIF, Recurrent
from tiny import CHIP_HEAD

PRICE = 'source = "a paper"\n'


def chip(tmp_path, text):
    file = tmp_path / "mine.toml"
    file.write_text(CHIP_HEAD + text, "utf-8")
    return load_chip(file)


def number(value):
    return torch.tensor(float(value), dtype=torch.float64)


def done(sizes=Sizes(), hidden=None, **counts):  # noqa: B008
    return OpCounts.of(
        {name: number(value) for name, value in counts.items()},
        {name: number(value) for name, value in (hidden or {}).items()},
        sizes,
    )


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
        assert {name: value.item() for name, value in energy.unpriced.items()} == {"spike.RF": 7}

    def test_a_count_by_type_in_a_layer_without_neurons(self, tmp_path):
        mine = chip(tmp_path, f"[price.add.LIF]\npj = 2\n{PRICE}")
        energy = mine.price({"residual": done(add=4), "a": done(Sizes(neuron="LIF"), add=3)})
        assert energy.total.item() == 6
        assert {name: value.item() for name, value in energy.unpriced.items()} == {"add": 4}

    def test_the_neurons_of_a_recurrent_layer_are_those_inside(self, tmp_path):
        mine = chip(tmp_path, f"[price.spike.LIF]\npj = 2\n{PRICE}")
        net = Sequential(Recurrent(LIF(threshold=0.1), 3))
        with Meter(net) as meter:
            out, _ = net(torch.ones(2, 1, 3))
        energy = mine.price(meter.counts)
        assert energy.by_kind["spike"].item() == 2 * out.sum().item() > 0
        assert not [name for name in energy.unpriced if name.startswith("spike")]

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

    def test_low_and_high_by_type_of_neuron(self, tmp_path):
        mine = chip(
            tmp_path,
            f"[price.spike.LIF]\npj = 2\nlow = 1\nhigh = 4\n{PRICE}"
            f"[price.spike.BRF]\npj = 5\nhigh = 6\n{PRICE}",
        )
        layers = {name: done(Sizes(neuron=name), spike=10) for name in ("LIF", "BRF", "RF")}
        energy = mine.price(layers)
        assert (energy.low.item(), energy.total.item(), energy.high.item()) == (60, 70, 100)

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


class TestQuantised:
    """Activations of b bits: mac = ac + (mac - ac) (b - 1) / (word - 1), accesses of b bits."""

    def test_a_multiply_accumulate_of_fewer_bits(self):
        one = load_chip("45nm-int8").quantised(3)
        assert one is not None
        assert one.price({"x": done(mac=10)}).total.item() == pytest.approx(
            10 * (0.03 + (0.23 - 0.03) * 2 / 7)
        )
        assert one.price({"x": done(ac=10)}).total.item() == pytest.approx(10 * 0.03)

    def test_a_product_of_one_bit_is_an_accumulate(self):
        one = load_chip("45nm").quantised(1)
        assert one.price({"x": done(mac=10)}).total.item() == pytest.approx(10 * 0.9)

    def test_more_bits_than_a_word_change_nothing(self):
        chip = load_chip("45nm-int8")
        counts = {"x": done(mac=10, ac=3)}
        for bits in (8, 9):
            assert chip.quantised(bits).price(counts).total == chip.price(counts).total

    def test_memory_of_activations_is_smaller_and_that_of_weights_is_not(self):
        sizes = Sizes(inputs=1000, potentials=500, weights=4000, events=False)
        counts = {"x": done(sizes, event_read=7, output_write=5, weight_read=3)}
        found = load_chip("45nm-sram").quantised(4).price(counts).by_kind
        assert found["event_read"].item() == pytest.approx(7 * (13.2 + 1.09e-5 * 1000 * 4))
        assert found["output_write"].item() == pytest.approx(5 * (13.2 + 1.09e-5 * 500 * 4))
        assert found["weight_read"].item() == pytest.approx(3 * (13.2 + 1.09e-5 * 4000 * 32))

    def test_ranges_pass_through(self, tmp_path):
        mine = chip(
            tmp_path,
            f"word_bits = 8\n[price.mac]\npj = 10\nlow = 6\nhigh = 18\n{PRICE}"
            f"[price.ac]\npj = 2\nhigh = 4\n{PRICE}",
        )
        energy = mine.quantised(4).price({"x": done(mac=1)})
        ends = [2 + 4 * 3 / 7, 2 + 8 * 3 / 7, 4 + 14 * 3 / 7]
        assert [energy.low.item(), energy.total.item(), energy.high.item()] == pytest.approx(ends)

    @pytest.mark.parametrize("missing", ["mac", "ac"])
    def test_there_is_none_without_both_prices(self, tmp_path, missing):
        other = {"mac": "ac", "ac": "mac"}[missing]
        assert chip(tmp_path, f"[price.{other}]\npj = 1\n{PRICE}").quantised(4) is None


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
            (f"[price.ac]\npj = -1\n{PRICE}", ["ac", "pj", "must be at least 0, got -1"]),
            (f"[price.ac]\npj = nan\n{PRICE}", ["ac", "pj", "finite"]),
            (f"[price.ac]\npj = 'much'\n{PRICE}", ["ac", "pj", "a number in pJ, got 'much'"]),
            (f"[price.ac]\npj = '0.1 pJ'\n{PRICE}", ["a number in pJ, got '0.1 pJ': write 0.1"]),
            (f"[price.ac]\npj = 1\nhigh = '2 nJ'\n{PRICE}", ["ac.high", "write 2000"]),
            (f"[price.ac]\npj = true\n{PRICE}", ["a number in pJ, got True"]),
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
            ("price.ac = 1\n", ["price.ac: expected a table with pj and source, got 1"]),
            (
                f"[price.spike]\npj = 1\n{PRICE}[price.spike.LIF]\npj = 2\n{PRICE}",
                ["price.spike has a price of its own and one for LIF"],
            ),
            ("node = ''\n", ["node"]),
            ("evidence = 'guessed'\n", ["unknown evidence 'guessed'. Known: estimated, measured"]),
            (
                f"excluded = 'pool'\n[price.ac]\npj = 1\n{PRICE}",
                ['list of counts, such as ["pool"]'],
            ),
            (f"excluded = ['ac']\n[price.ac]\npj = 1\n{PRICE}", ["ac is both priced and excluded"]),
            (f"excluded = ['bais']\n[price.ac]\npj = 1\n{PRICE}", ["did you mean 'bias'"]),
            (f"scoop = 'all-in'\n[price.ac]\npj = 1\n{PRICE}", ["scoop"]),
            (f"scope = 'all'\n[price.ac]\npj = 1\n{PRICE}", ["scope", "'all-in'"]),
            (f"word_bits = 0\n[price.ac]\npj = 1\n{PRICE}", ["word_bits"]),
            (
                f"scope = 'all-in'\n[price.ac]\npj = 1\n{PRICE}[price.mac]\npj = 1\n{PRICE}",
                ["price.mac: an all-in figure already holds everything", "only price, got mac"],
            ),
            (
                f"scope = 'all-in'\n[price.ac.LIF]\npj = 1\n{PRICE}",
                ["price.ac: an all-in figure", "got ac by type of neuron"],
            ),
            (
                f"scope = 'all-in'\n[price.spike]\npj = 1\n{PRICE}",
                ["price.spike: an all-in figure"],
            ),
            ("", ["price", "is missing"]),
            ("[price]\n", ["price"]),
            ("= 3\n", ["not valid TOML", "line 6"]),
        ],
    )
    def test_files_that_are_wrong_say_where_and_what(self, tmp_path, text, words):
        repeated = re.findall(r"^(node|evidence) = ", text)
        head = (
            re.sub(rf"(?m)^({'|'.join(repeated)}) = .*\n", "", CHIP_HEAD) if repeated else CHIP_HEAD
        )
        file = tmp_path / "mine.toml"
        file.write_text(head + text, "utf-8")
        with pytest.raises(ValueError, match=r"mine\.toml") as error:
            load_chip(file)
        for word in words:
            assert word in str(error.value)

    def test_all_mistakes_are_named_at_once_each_with_its_line(self, tmp_path):
        lines = [
            'name = "mine"',
            'descripton = "misspelt"',
            'node = "28 nm"',
            'evidence = "guessed"',
            'scope = "all-in"',
            "excluded = [",
            '    "ac",  # and priced',
            '    "bais",',
            "]",
            "[price.acc]",
            'pj = "0.1 nJ"',
            "",
            "# the right one",
            "[price.ac]",
            "pj = 2.0",
            "low = 3.0",
            "pj_per_bit = 1",
            'source = """a',
            '[price.mac]"""',
            "[price.spike.LIF]",
            "pj = -1",
            'source = "a paper"',
        ]
        file = tmp_path / "mine.toml"
        file.write_text("\n".join(lines), "utf-8")
        with pytest.raises(ValueError, match=r"mine\.toml") as error:
            load_chip(file)
        found = [line.removeprefix(str(file)) for line in str(error.value).splitlines()]
        expected = [
            ": description is missing",
            ": precision is missing",
            ":2: unknown key 'descripton'",
            ":4: unknown evidence 'guessed'",
            ":6: excluded: ac is both",
            ":6: excluded: unknown count 'bais'",
            ":10: price.acc.source is missing",
            ":10: price.acc: unknown count 'acc'",
            ":10: price.acc: an all-in figure",
            ":11: price.acc.pj: expected a number in pJ, got '0.1 nJ': write 100",
            ":16: price.ac.low: low must not be above pj",
            ":17: price.ac.pj_per_bit",
            ":20: price.spike: an all-in figure",
            ":21: price.spike.LIF.pj",
        ]
        assert len(found) == len(expected)
        for start in expected:
            assert any(line.startswith(start) for line in found), (start, found)

    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("[price.ac]\npj = 1", 2),
            ("\n\nprice.ac.pj = 1", 3),
            ('a = """\n[price.ac]\npj = 2\n"""\n[price.ac]\r\n"pj" = 1', 6),
            ("[price]\nac = {pj = 1, source = 'x'}", 2),
            ("[price]\n[price.mac]\npj = 2\n[price.ac]\nsource = 'x'", 4),
            ("[price.mac]\npj = 2", 1),
            ('a = """[x"""""\nprice.ac.pj = 1', 2),
            ("a = '''[x'''\nb = [ # ]\n]\n['price'.\"ac\"]\npj = 1", 5),
            ("[[price]]\nac = 1\n[[price.ac]]\npj = 1", 1),
            ("name = 'x'", None),
        ],
    )
    def test_the_line_of_a_key_is_found_however_it_is_written(self, text, line):
        assert line_of(key_lines(text), ("price", "ac", "pj")) == line

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

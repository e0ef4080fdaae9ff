"""The examples run as they stand, stay short, and say what they should."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[1] / "examples"
UNITS = {"J": 1e12, "µJ": 1e6, "nJ": 1e3, "pJ": 1.0}


def picojoule(text: str) -> float:
    """An energy as the examples print it, in pJ."""
    number, unit = text.split()
    return float(number) * UNITS[unit]


def energies(line: str) -> list[float]:
    return [picojoule(text) for text in re.findall(r"[\d.]+ (?:µJ|nJ|pJ|J)\b", line)]


def number(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found, f"{pattern!r} is not in:\n{text}"
    return float(found[1])


def neuron(out: str) -> None:
    assert [int(n) for n in re.findall(r"(\d+) spikes", out)] == [0, 3, 7]
    assert "two halves equal the whole: True" in out
    # 0.04 (1 - a^60) / (1 - a), a = exp(-1 / 20)
    assert number(r"membrane is at ([\d.]+)", out) == pytest.approx(0.78, abs=0.005)
    assert all(float(slope) > 0 for slope in re.findall(r"gradient (\S+)", out))


def meter(out: str) -> None:
    spikes = number(r"layer 1: .*'spike': '([\d.]+)'", out)
    pairs = number(r"layer 4: .*'ac': '([\d.]+)'", out)
    # the linear layer has ten synapses for each spike that pooling sums up
    assert pairs == pytest.approx(10 * spikes, abs=1)
    assert number(r"layer 1: .*'update': '([\d.]+)'", out) == 8 * 8 * 64
    prices = {line.split()[0]: energies(line) for line in out.splitlines() if "floor" in line}
    assert set(prices) == {"45nm", "45nm-int8", "45nm-sram"}
    for total, floor, _ in prices.values():
        assert 0 < floor < total
    assert prices["45nm-int8"][0] < prices["45nm"][0] < prices["45nm-sram"][0]
    assert prices["45nm-sram"][0] > prices["45nm-sram"][2], "the documentation says so"
    # 8 maps of 22 x 22 kernel positions inside the image, and the linear layer
    assert prices["45nm"][2] == pytest.approx(4.6 * (8 * 22 * 22 + 128 * 10), rel=0.01)
    # 64 -> 32 -> 10: more than its input's events cause, less than all could
    assert 32 * 20 < number(r"anyone's: ([\d.]+)", out) < 8 * (64 * 32 + 32 * 10)
    assert "not counted: {}" in out


def train(out: str) -> None:
    losses = [float(loss) for loss in re.findall(r"loss ([\d.]+)", out)]
    assert len(losses) == 8
    assert losses[-1] < losses[0] / 5
    assert number(r"test accuracy ([\d.]+)", out) > 0.85
    chosen = int(number(r"epoch (\d+) chosen", out))
    validations = [float(accuracy) for accuracy in re.findall(r"validation ([\d.]+)", out)]
    assert validations[chosen - 1] == max(validations)
    arithmetic, memory = (energies(line) for line in out.splitlines()[-2:])
    assert arithmetic[0] < arithmetic[1]
    assert arithmetic[0] < memory[0]


def budget(out: str) -> None:
    free, kept = (energies(line) for line in out.splitlines() if "test accuracy" in line)
    (limit,) = energies(next(line for line in out.splitlines() if "with a budget" in line))
    assert limit == pytest.approx(free[0] / 2, rel=0.1)
    assert free[1] == kept[1] < kept[0] <= limit, "the floor is the same, the budget is kept"
    assert "met: " in out
    assert "missed" not in out
    first, second = (float(a) for a in re.findall(r"test accuracy ([\d.]+)", out))
    assert first > 0.85
    assert second > first - 0.05
    multipliers = next(line for line in out.splitlines() if line.startswith("multiplier")).split()
    assert len(multipliers) == 11
    assert max(map(float, multipliers[1:])) > 0


def priced(out: str) -> None:
    """A network of another library, without and with a penalty."""
    free, kept = (line for line in out.splitlines() if "test accuracy" in line)
    first, second = (number(r"test accuracy ([\d.]+)", line) for line in (free, kept))
    assert first > 0.8
    assert second > first - 0.05
    # the input's events cost what they cost
    assert energies(kept)[1] == energies(free)[1]
    assert energies(kept)[1] < energies(kept)[0] < 0.8 * energies(free)[0]


def foreign_budget(out: str) -> None:
    priced(out)
    (limit,) = energies(next(line for line in out.splitlines() if "with a budget" in line))
    (_, kept) = (energies(line)[0] for line in out.splitlines() if "test accuracy" in line)
    assert kept == pytest.approx(limit, rel=0.1)


CHECKS = {
    "01_neuron": neuron,
    "02_meter": meter,
    "03_train": train,
    "04_budget": budget,
    "05_snntorch": priced,
    "06_spikingjelly": foreign_budget,
    "07_norse": priced,
}


def test_every_example_is_checked():
    assert {path.stem for path in EXAMPLES.glob("*.py")} == set(CHECKS)


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("name", CHECKS)
def test_an_example_runs_and_says_what_it_should(name, capsys):
    runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
    CHECKS[name](capsys.readouterr().out)


@pytest.mark.parametrize("name", CHECKS)
def test_an_example_is_short(name):
    assert len((EXAMPLES / f"{name}.py").read_text("utf-8").splitlines()) < 60

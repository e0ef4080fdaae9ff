"""The page and the pictures of the neurons say what the code says."""

import importlib.util
import inspect
import re
import xml.etree.ElementTree as ElementTree

import pytest
import torch
from torch import nn

from pages import PAGES, ROOT
from picojoule import neurons
from picojoule.energy import Meter, load_chip
from picojoule.networks import Sequential
from picojoule.neurons import Neuron, NeuronCost

PAGE = PAGES["docs/neurons.md"]
SECTIONS = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", PAGE, flags=re.M | re.S))
LAYERS = {"Mixture", "Recurrent"}  # of other neurons
KINDS = {
    name: kind
    for name, kind in vars(neurons).items()
    if inspect.isclass(kind) and issubclass(kind, Neuron) and not inspect.isabstract(kind)
}
every = pytest.mark.parametrize("name", sorted(set(KINDS) - LAYERS))


@pytest.fixture(scope="module")
def script():
    path = ROOT / "docs" / "make_pictures.py"
    spec = importlib.util.spec_from_file_location("make_pictures", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@every
def test_has_a_section_with_its_equation_and_its_picture(name):
    section = SECTIONS[name]
    assert "```text\n" in section
    assert f"(pictures/{name.lower()}.svg)" in section


@every
def test_the_equation_of_the_page_is_that_of_the_docstring(name):
    equation = re.search(r"```text\n(.*?)```", SECTIONS[name], flags=re.S)[1]
    said = " ".join(inspect.getdoc(KINDS[name]).split())
    for line in equation.splitlines():
        if " and a reset as LIF" in line:
            line = line.split(",")[0]
        line = " ".join(re.sub(r'integration=(?="\w+"$)', "", line).split())
        line = re.sub(r' "(exact|euler|symplectic)"$', "", line)
        assert line in said, line


@pytest.mark.parametrize("name", sorted({*KINDS} - {"Recurrent"}))
def test_its_picture_is_drawn_and_small(name, script):
    kept = (ROOT / "docs" / "pictures" / f"{name.lower()}.svg").read_text("utf-8")
    assert len(kept) < 20_000
    ElementTree.fromstring(kept)
    drawn = script.drawn(name, script.PICTURES[name])
    texts = (re.findall(r"<text[^>]*>([^<]*)<", svg) for svg in (kept, drawn))
    assert next(texts) == next(texts), "python docs/make_pictures.py"


def test_the_costs_of_the_table_are_those_of_the_code():
    rows = re.findall(
        r"^\| \[`(\w+)`\].*?\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE, flags=re.M
    )
    assert len(rows) >= 10
    for name, *numbers in rows:
        assert KINDS[name].cost == NeuronCost(*map(int, numbers)), name


@pytest.mark.parametrize(
    ("make", "spike_pj", "static_pw"),
    [
        (neurons.LIF, 0.004, None),
        (neurons.PLIF, 0.004, None),
        (neurons.RF, 0.196, 571),
        (neurons.BRF, 0.196, 571),
        (neurons.HRF, 0.196, 571),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_analog_chips_price_a_neuron_by_its_type(make, spike_pj, static_pw):
    net = Sequential(nn.Linear(3, 4), make(4), nn.Linear(4, 2))
    nn.init.constant_(net[0].weight, 40.0)
    with Meter(net, inputs="events") as meter:
        net(torch.ones(30, 2, 3))
    energy = load_chip("analog-65nm").price(meter.counts)
    fired = meter.counts["1"].spike.item()
    assert fired > 0
    assert energy.by_kind["spike"].item() == pytest.approx(spike_pj * fired)
    if static_pw is None:
        assert "second" in str(energy.unpriced)
    else:
        seconds = 30 * net[1].dt
        assert energy.by_kind["second"].item() == pytest.approx(4 * seconds * static_pw)

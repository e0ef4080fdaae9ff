"""Energies and times as text: every way to write one that leaves no doubt, and no other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from picojoule.units import format_energy, hertz, picojoule, seconds, watts


@pytest.mark.parametrize(
    ("text", "pj"),
    [
        ("12 nJ", 12_000),
        ("12nj", 12_000),
        ("12 NJ", 12_000),
        (" 12 Nj ", 12_000),
        ("1e3 pJ", 1000),
        ("1_000 pj", 1000),
        (".5 UJ", 500_000),
        ("1.5 µj", 1_500_000),
        ("1.5 μJ", 1_500_000),
        ("10 FJ", 0.01),
        ("12 mJ", 12e9),
        ("12 j", 12e12),
        ("12 KJ", 12e15),
        ("-3 nJ", -3000),
    ],
)
def test_an_energy_is_read_in_any_case(text, pj):
    assert picojoule(text) == pj


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("12 mj", "write '12 mJ' for milli, '12000 kJ' for mega"),
        ("12 Mj", "'12 mJ'"),
        ("12 MJ", "'12 mJ'"),
        ("12 PJ", "write '12 pJ' for pico, '12000 TJ' for peta"),
        ("12 Pj", "'12 pJ'"),
    ],
)
def test_a_case_that_leaves_a_doubt_is_refused(text, mend):
    with pytest.raises(ValueError, match="may be") as caught:
        picojoule(text)
    assert mend in str(caught.value)


NO_ENERGY = "12|12 n|12 xJ|12 kg|12 ms|abc|1,5 nJ|x = 12 nJ|12 nJ each|inf J|1e999 J|1__0 nJ|nJ|"


@pytest.mark.parametrize("text", NO_ENERGY.split("|"))
def test_what_is_no_energy_is_refused(text):
    with pytest.raises(ValueError, match="such as '12 nJ', got"):
        picojoule(text)


@given(st.just(0.0) | st.floats(1e-3, 1e15))
def test_what_is_shown_can_be_read(pj):
    assert picojoule(format_energy(pj)) == pytest.approx(pj, rel=0.006)


def test_times_are_read_in_the_same_way():
    assert [seconds(text) for text in ("20 ms", "20ms", "500 US", "1 S")] == [0.02, 0.02, 5e-4, 1.0]
    with pytest.raises(ValueError, match="write '20 ms' for milli"):
        seconds("20 MS")
    with pytest.raises(ValueError, match="such as '20 ms'"):
        seconds("12 nJ")


def test_powers_and_rates_are_read_as_energies_are():
    assert [watts(text) for text in ("1 mW", "3 µw", "0.5 W", "7 nw")] == [1e-3, 3e-6, 0.5, 7e-9]
    for text, rate in (("20 / s", 20), ("20/s", 20), ("20 Hz", 20), (20, 20), ("0.5hz", 0.5)):
        assert hertz(text) == rate
    for text in ("1 MW", "1 mw", "1 mJ", "1"):
        with pytest.raises(ValueError, match=r"expected a text|may be milli"):
            watts(text)
    for text in ("20 / min", "20", "20 s", True):
        with pytest.raises(ValueError, match="expected a number per second"):
            hertz(text)

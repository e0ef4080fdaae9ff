"""Fronts, what they cover, and when a run of a search is hopeless."""

import itertools
import random

import pytest

from picojoule.sweep.fronts import front, hypervolume, is_hopeless


def by_definition(points):
    """Every point that no other one beats, looked at pair by pair."""
    return {
        number
        for number, (accuracy, pj) in enumerate(points)
        if not any(a >= accuracy and e <= pj and (a, e) != (accuracy, pj) for a, e in points)
    }


def by_counting(points, reference, size):
    """The covered cells of a grid of whole numbers."""
    cells = itertools.product(range(size), repeat=2)
    return sum(
        any(x + 1 <= a and e <= y for a, e in points)
        for x, y in cells
        if x >= reference[0] and y + 1 <= reference[1]
    )


@pytest.mark.parametrize("seed", range(20))
def test_fronts_and_what_they_cover_agree_with_their_definitions(seed):
    chance = random.Random(seed)
    points = [
        (float(chance.randrange(12)), float(chance.randrange(12)))
        for _ in range(chance.randrange(12))
    ]
    found = front(points)
    assert set(found) == by_definition(points)
    assert len(found) == len(set(found))
    energies = [points[number][1] for number in found]
    assert energies == sorted(energies, reverse=True)
    for reference in ((0.0, 12.0), (3.0, 7.0)):
        assert hypervolume(points, reference) == by_counting(points, reference, 12)


def test_a_run_is_hopeless_if_a_finished_one_was_clearly_better_at_the_same_share():
    other = [[0.5, 0.8, 100.0], [1.0, 0.9, 90.0]]
    assert is_hopeless([[0.5, 0.7, 120.0]], [other])
    assert is_hopeless([[0.25, 0.9, 1.0], [0.75, 0.7, 120.0]], [other])
    assert not is_hopeless([[0.25, 0.1, 500.0]], [other])  # too early
    assert not is_hopeless([[0.5, 0.7, 100.0]], [other])  # spends as much
    assert not is_hopeless([[0.5, 0.79, 120.0]], [other])  # about as accurate
    assert not is_hopeless([[0.5, 0.85, 900.0]], [other])  # more accurate
    assert not is_hopeless([[0.5, 0.7, 120.0]], [])
    assert not is_hopeless([[0.5, 0.7, 120.0]], [[[0.9, 0.9, 1.0]]])  # nothing known of then
    assert not is_hopeless([], [other])


def test_of_errors_a_tenth_less_is_clearly_better():
    other = [[0.5, 0.9, 80.0]]
    assert is_hopeless([[0.5, 1.0, 100.0]], [other], "mse")
    assert not is_hopeless([[0.5, 0.99, 100.0]], [other], "mse")
    assert not is_hopeless([[0.5, 0.8, 100.0]], [other], "mse")
    assert not is_hopeless([[0.5, 1.0, 100.0]], [other], "macro_f1")

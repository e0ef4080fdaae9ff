"""Fronts of merit and energy: what no other one beats in both, and how much it covers."""

from collections.abc import Sequence

from picojoule.targets import is_share

# Merit, a number of which more is better (see ``picojoule.targets.better``), and energy in pJ.
Point = tuple[float, float]

# A run of a search is hopeless from the middle of its epochs on, if a finished one was better by
# this much at the same share of its own epochs, both in its measure and in energy.
_FROM, _SHARE, _ERROR, _ENERGY = 0.5, 0.02, 0.1, 0.1


def front(points: Sequence[Point]) -> list[int]:
    """Returns the numbers of the points that no other one dominates, by falling energy.

    One point dominates another if it has as much merit, spends as little, and is not equal to it.

    Example:
        >>> front([(0.9, 10.0), (0.8, 12.0), (0.7, 4.0)])
        [0, 2]
    """
    order = sorted(range(len(points)), key=lambda one: (points[one][1], -points[one][0]))
    best, found = float("-inf"), []
    for number in order:
        merit = points[number][0]
        if merit > best or (found and points[found[-1]] == points[number]):
            best = merit
            found.append(number)
    return found[::-1]


def hypervolume(points: Sequence[Point], reference: Point) -> float:
    """Returns the area that points dominate, down to a reference point, in merit times pJ.

    Args:
        points: Any points; those beyond the reference cover nothing.
        reference: The least merit and the highest energy that count.

    Example:
        >>> hypervolume([(0.9, 10.0), (0.7, 4.0)], (0.0, 20.0))
        13.2
    """
    area, upper_pj = 0.0, reference[1]
    for number in front(points):
        merit, energy_pj = points[number]
        if energy_pj < upper_pj and merit > reference[0]:
            area += (merit - reference[0]) * (upper_pj - energy_pj)
            upper_pj = energy_pj
    return area


def is_hopeless(
    curve: Sequence[Sequence[float]],
    others: Sequence[Sequence[Sequence[float]]],
    measure: str = "accuracy",
) -> bool:
    """Tells whether a run of a search may be stopped, since a finished one dominates it clearly.

    Args:
        curve: Of each validation so far the share of all epochs, the measure and the energy in pJ.
        others: The same of each finished run.
        measure: Name of the measure.
    """
    if not curve or curve[-1][0] < _FROM:
        return False
    share, value, energy_pj = curve[-1]
    then = ([one for one in other if one[0] <= share] for other in others)
    return any(
        _clearly_better(measure, one[-1][1], value) and one[-1][2] <= (1 - _ENERGY) * energy_pj
        for one in then
        if one
    )


def _clearly_better(measure: str, value: float, than: float) -> bool:
    if is_share(measure):
        return value >= than + _SHARE
    return value <= (1 - _ERROR) * than

"""Energy to expect of samples that were not measured."""

import math

from picojoule.energy import Energy
from picojoule.training.measurement import Evaluation
from picojoule.training.records import Spent

# By how many standard errors two floors may differ that are of samples of one kind.
_ALIKE = 3


def expected(found: Evaluation, energy: Energy, floor_pj: float, samples: int) -> Spent | None:
    """Estimates the energy of samples like those measured, of which more are known by their floor.

    Close to the floor most of what differs from sample to sample is the floor itself, which does
    not depend on the network. So the part above the floor is as measured, and the floor a mean over
    the samples measured and the others.

    Args:
        found: What was measured.
        energy: Its energy on a chip.
        floor_pj: Floor of the others on that chip, in pJ.
        samples: Number of the others.

    Returns:
        Energy, floor and standard error; None if the floors are so different that the others cannot
        be of the same kind.
    """
    measured_pj, above_pj = float(energy.floor), float(energy.total - energy.floor)
    floor_error_pj = found.floor[energy.chip] * measured_pj
    if abs(floor_pj - measured_pj) > _ALIKE * floor_error_pj:
        return None
    own = found.samples / (found.samples + samples)
    floor_pj = own * measured_pj + (1 - own) * floor_pj
    # The standard error of a mean falls with the root of the number of samples.
    error_pj = math.hypot(found.above[energy.chip] * above_pj, math.sqrt(own) * floor_error_pj)
    total_pj = floor_pj + above_pj
    return Spent(total_pj, floor_pj, error_pj / total_pj if total_pj else 0.0)

"""Products of two tensors, walked through one combination of indices after the other."""

from collections import Counter
from itertools import product

import numpy as np

_WORK = ("weight_read", "state_read", "state_write", "address")


def contraction(
    equation: str,
    arrays: tuple[np.ndarray, np.ndarray],
    kinds: tuple[str | None, str | None],
    *,
    multiply_levels: bool = False,
) -> Counter[str]:
    """What a product in Einstein's notation costs; a kind of None is a learned or constant factor.

    Two tensors of events: each event of the first is read, and meets the events of the second. One
    of events: each of them is read and meets all of the other. None: all meet all.
    """
    terms, result = equation.split("->")
    names = terms.split(",")
    sizes: dict[str, int] = {}
    for term, x in zip(names, arrays, strict=True):
        sizes |= zip(term, x.shape, strict=True)
    sparse = [kind not in (None, "analog") for kind in kinds]
    first = 0 if sparse[0] or (not sparse[1] and kinds[0] is not None) else 1
    numbers = [_numbers(x, kind, multiply_levels) for x, kind in zip(arrays, kinds, strict=True)]
    graded = "graded" in kinds or (multiply_levels and "levels" in [k for k in kinds if k])
    counts: Counter[str] = Counter()
    for place in np.ndindex(arrays[first].shape):
        counts["event_read"] += int(numbers[first][place])
    for combination in product(*(range(n) for n in sizes.values())):
        index = dict(zip(sizes, combination, strict=True))
        at = [tuple(index[a] for a in term) for term in names]
        times = int(numbers[0][at[0]] * numbers[1][at[1]])
        for _ in range(times):
            if any(sparse):
                counts["mac" if graded else "ac"] += 1
                for name in _WORK:
                    counts[name] += 1
            else:
                for name in ("mac", "weight_read", "address"):
                    counts[name] += 1
    if not any(sparse):
        for _ in product(*(range(sizes[a]) for a in result)):
            counts["output_write"] += 1
    return +counts


def bilinear(
    first: np.ndarray, second: np.ndarray, outputs: int, kinds: tuple[str, str]
) -> Counter[str]:
    """Each pair of elements makes a product, and each product meets one weight per output."""
    counts: Counter[str] = Counter()
    sparse = [kind != "analog" for kind in kinds]
    for row in np.ndindex(first.shape[:-1]):
        for i, j in product(range(first.shape[-1]), range(second.shape[-1])):
            values = (first[(*row, i)], second[(*row, j)])
            if all(sparse):
                times, name = int(values[0] * values[1]), "ac"
            else:
                met = all(v != 0 or not s for v, s in zip(values, sparse, strict=True))
                counts["multiply"] += int(met)
                # Of a graded product that is zero nothing goes on.
                times, name = int(met and (not any(sparse) or values[0] * values[1] != 0)), "mac"
            for _ in range(times):
                counts["event_read"] += 1
                for _ in range(outputs):
                    for each in (name, *(_WORK if any(sparse) else ("weight_read", "address"))):
                        counts[each] += 1
        for _ in range(0 if any(sparse) else outputs):
            counts["output_write"] += 1
    return +counts


def _numbers(x: np.ndarray, kind: str | None, multiply_levels: bool) -> np.ndarray:
    if kind in (None, "analog"):
        return np.ones_like(x)
    return np.minimum(x, 1) if kind == "graded" or multiply_levels else x

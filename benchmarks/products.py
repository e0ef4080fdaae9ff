"""Products of spikes by events, against torch's own dense and sparse ones.

    PICOJOULE_KERNELS=numba python benchmarks/products.py [--repeats 9]

Shapes and densities are those at which the tier that runs goes by events; printed are medians in
milliseconds, the contenders alternating, and the time of the better one of torch's over ours.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from picojoule.kernels import events_torch as sparse
from picojoule.kernels import limit_for, tier
from picojoule.kernels.paths import SAMPLE, kernels

SHAPES = [  # rows, inputs, outputs, and whether it is the gradient of the weights
    *((1, 700, 512, False), (1, 4096, 4096, False)),
    *((128, 512, 512, False), (12_800, 700, 512, False), (128, 2048, 2048, False)),
    *((12_800, 512, 512, True), (12_800, 700, 512, True)),
]
DENSITIES = (0.01, 0.02, 0.05, 0.1)


def contenders(
    rows: int, inputs: int, outputs: int, gradient: bool, density: float
) -> list[Callable[[], object]]:
    """Ours with its look at the density, torch's dense and torch's sparse product."""
    torch.manual_seed(0)
    x, base = (torch.rand(rows, inputs) < density).float(), torch.randn(outputs)
    weight, grads = torch.randn(inputs, outputs), torch.randn(rows, outputs)
    ours, step = kernels(), max(1, rows // SAMPLE)
    if gradient:
        return [
            lambda: (ours.count(x, step), ours.outer(x, grads)),
            lambda: grads.t() @ x,
            lambda: sparse.outer(x, grads),
        ]
    if rows == 1:
        return [
            lambda: ours.row(x, weight, base, inputs),
            lambda: torch.addmm(base, x, weight),
            lambda: sparse.row(x, weight, base, inputs),
        ]
    return [
        lambda: (ours.count(x, step), ours.rows(x, weight, base, None)),
        lambda: torch.addmm(base, x, weight),
        lambda: sparse.rows(x, weight, base, None),
    ]


def timed(calls: list[Callable[[], object]], repeats: int) -> list[float]:
    """The median of each, in milliseconds."""
    found: list[list[float]] = [[] for _ in calls]
    counts = []
    for call in calls:
        call()
        start = time.perf_counter()
        call()
        counts.append(max(1, int(0.01 / (time.perf_counter() - start))))
    for _ in range(repeats):
        for times, call, count in zip(found, calls, counts, strict=True):
            start = time.perf_counter()
            for _ in range(count):
                call()
            times.append((time.perf_counter() - start) / count * 1e3)
    return [statistics.median(times) for times in found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=9)
    repeats = parser.parse_args().repeats
    print(f"tier {tier()}, torch {torch.__version__}, {torch.get_num_threads()} threads")
    for *shape, gradient in SHAPES:
        for density in DENSITIES:
            if density > limit_for(*shape, gradient=gradient):
                continue
            ours, dense, by_sparse = timed(contenders(*shape, gradient, density), repeats)
            what = f"{'gradient' if gradient else 'product':8} {' x '.join(map(str, shape)):18}"
            ratio = min(dense, by_sparse) / ours
            print(
                f"{what} {density:4.0%}   ours {ours:8.3f}   dense {dense:8.3f}   "
                f"sparse {by_sparse:8.3f}   {ratio:5.2f}"
            )


if __name__ == "__main__":
    main()

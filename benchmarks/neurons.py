"""A training step of neurons: ours against the best that others have.

    python benchmarks/neurons.py [--only lif brf ...] [--repeats 7] [--pool] [--json FILE]

Each workload builds every contender in one process and runs one step of each in turn, so that a
busy machine disturbs all alike; printed is the median of a forward and backward pass and a step of
an optimiser whose rate is near zero, which holds the spikes as they are. Recurrent networks are
scaled to the same density before, and density is traced at every step. Memory is the peak of a
process of its own that takes three steps, the median of three such. Peers come with the extra
``peers``.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import torch
from contenders import Contender, pointwise, recurrent
from torch import Tensor, nn

from picojoule._memory import keep_freed_memory
from picojoule.kernels import tier

DENSITY = 0.065  # of hidden spikes in recurrent networks
PACKAGES = ("picojoule", "torch", "numba", "snntorch", "norse", "spikingjelly")


class Workload(NamedTuple):
    """What is run.

    Attributes:
        says: What it is.
        contenders: Names, and what makes each.
        shape: Of the input.
        input: ``"events"`` (2 %), or the most that a current or pixel is.
    """

    says: str
    contenders: Callable[[], Any]
    shape: tuple[int, ...]
    input: str | float


SPIKES = (100, 128, recurrent.INPUTS)
WORKLOADS = {
    "lif": Workload("recurrent LIF 700-512-20, T=100, B=128", recurrent.lif, SPIKES, "events"),
    "brf": Workload("recurrent BRF 700-512-20, T=100, B=128", recurrent.brf, SPIKES, "events"),
    "adlif": Workload(
        "recurrent AdLIF 700-512-20, T=100, B=128", recurrent.adlif, SPIKES, "events"
    ),
    "long": Workload("LIF alone, T=100, N=1e6", pointwise.lif, (100, 1, 1_000_000), 0.3),
    "short": Workload("LIF alone, T=4, N=1e6", pointwise.lif, (4, 1, 1_000_000), 1.0),
    "cnn7": Workload("CNN7 1x28x28, T=4, B=64", pointwise.cnn7, (4, 64, 1, 28, 28), 1.0),
    "options": Workload(
        "our CNN7 in other layouts and precisions", pointwise.options, (4, 64, 1, 28, 28), 1.0
    ),
    "chunks": Workload(
        "keyword 40-512-512-20, T=1000, B=64", recurrent.chunks, (1000, 64, 40), "events"
    ),
    "kinds": Workload("our neurons, T=20, N=1e6", pointwise.kinds, (20, 1000, 1000), 0.3),
}


class Step:
    """Training steps of one contender on one batch."""

    def __init__(self, contender: Contender, x: Tensor) -> None:
        self._contender, self.densities = contender, []
        self._x = x.clone().requires_grad_(contender.net is None)
        self._label = torch.arange(x.shape[1]) % 10
        self._optimizer = None
        if contender.net is not None:
            if contender.scale is not None:
                self._hold()
            self._optimizer = torch.optim.SGD(contender.net.parameters(), lr=1e-9)

    def __call__(self) -> float:
        """Seconds of one step."""
        started = time.perf_counter()
        out, spikes = self._contender.run(self._x)
        if self._optimizer is None:
            self._x.grad = None
            out.sum().backward()
        else:
            loss = nn.functional.cross_entropy(out, self._label)
            self._optimizer.zero_grad()
            loss.backward()
            self._optimizer.step()
        seconds = time.perf_counter() - started
        self.densities.append(float(spikes.detach().mean()))
        return seconds

    def _hold(self) -> None:
        """Scales the weights of the input until the neurons fire as often as they are to."""
        scale, low, high = self._contender.scale, 0.1, 1000.0
        assert scale is not None
        start = scale.detach().clone()
        with torch.no_grad():
            for _ in range(12):
                middle = (low * high) ** 0.5
                scale.copy_(start * middle)
                above = float(self._contender.run(self._x)[1].mean()) > DENSITY
                low, high = (low, middle) if above else (middle, high)


def batch(workload: Workload) -> Tensor:
    """The input."""
    torch.manual_seed(0)
    x = torch.rand(workload.shape)
    return (x < 0.02).float() if isinstance(workload.input, str) else x * workload.input


def measured(name: str, repeats: int, pool: bool) -> list[dict[str, Any]]:
    """One row of results for each contender."""
    workload, rows = WORKLOADS[name], []
    steps = {}
    for who, make in workload.contenders():
        torch.manual_seed(0)
        steps[who] = Step(make(), batch(workload))
    first = {who: step() for who, step in steps.items()}
    for step in steps.values():
        step()
    times = {who: [] for who in steps}
    for _ in range(repeats):
        for who, step in steps.items():
            times[who].append(step())
    for who, step in steps.items():
        rows.append(
            {
                "workload": name,
                "contender": who,
                "median_ms": statistics.median(times[who]) * 1e3,
                "least_ms": min(times[who]) * 1e3,
                "first_ms": first[who] * 1e3,
                "density": statistics.median(step.densities),
                "densities": [min(step.densities), max(step.densities)],
                "peak_mib": peak(name, who, pool),
            }
        )
    return rows


def peak(name: str, who: str, pool: bool) -> float:
    """Peak memory of a process that takes three steps, in MiB: the median of three processes."""
    command = [sys.executable, __file__, "--peak", name, who, *(["--pool"] if pool else [])]
    done = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(3)]
    return statistics.median(float(one.stdout.split()[-1]) for one in done)


def _alone(name: str, who: str) -> None:
    """Three steps, and the peak of memory in MiB."""
    step = Step(dict(WORKLOADS[name].contenders())[who](), batch(WORKLOADS[name]))
    for _ in range(3):
        step()
    status = Path("/proc/self/status").read_text()
    print(int(status.split("VmHWM:")[1].split()[0]) / 1024)


def first_calls() -> dict[str, float]:
    """Seconds of a recurrent layer's first step, without compiled loops and with those kept."""
    script = (
        "import time, torch, picojoule as pj\n"
        "x, layer = torch.rand(8, 4, 64), pj.Recurrent(pj.LIF(), 64)\n"
        "start = time.perf_counter()\n"
        "layer(x)[0].sum().backward()\n"
        "print(time.perf_counter() - start)\n"
    )
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "warm"):
            done = subprocess.run(
                [sys.executable, "-c", script],
                check=True,
                capture_output=True,
                text=True,
                env=dict(os.environ, PICOJOULE_CACHE=folder, NUMBA_CACHE_DIR=folder),
            )
            found[name] = float(done.stdout)
    return found


def about(pool: bool) -> dict[str, Any]:
    """What the numbers depend on."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return {
        "versions": found,
        "python": platform.python_version(),
        "kernels": tier(),
        "threads": torch.get_num_threads(),
        "pool": pool,
        "dtype": "float32",
        "load": os.getloadavg()[0],
    }


def table(name: str, rows: list[dict[str, Any]]) -> str:
    """A workload's results; ratios are to our own, the first row: how much faster it is."""
    lines = [
        f"\n### {WORKLOADS[name].says}\n",
        "| | median ms | least ms | ours is faster by | spikes | peak MiB | first step ms |",
        "|---|---|---|---|---|---|---|",
    ]
    ours = rows[0]["median_ms"]
    for row in rows:
        lines.append(
            f"| {row['contender']} | {row['median_ms']:.1f} | {row['least_ms']:.1f} "
            f"| {row['median_ms'] / ours:.2f} | {row['density']:.1%} | {row['peak_mib']:.0f} "
            f"| {row['first_ms']:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Runs and prints the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=WORKLOADS, default=list(WORKLOADS))
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--pool", action="store_true", help="keep freed memory for the next step")
    parser.add_argument("--json", type=Path, help="write all there is to this file")
    parser.add_argument("--peak", nargs=2, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.pool:
        keep_freed_memory()
    if given.peak:
        _alone(*given.peak)
        return
    machine, rows = {**about(given.pool), "first call, s": first_calls()}, []
    print(json.dumps(machine))
    for name in given.only:
        found = measured(name, given.repeats, given.pool)
        rows += found
        print(table(name, found), flush=True)
    if given.json:
        given.json.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()

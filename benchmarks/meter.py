"""What knowing costs: a training step with the meter and a budget over the same step without.

    python benchmarks/meter.py [--repeats 15] [--only recurrent]

Prints, for each network, the median seconds of a step without and with, their ratio, and the ratio
of peak memory (each measured in a process of its own). Steps with and without alternate in one
process, so that a busy machine disturbs both alike; density of the spikes is printed because the
time of a step may depend on it.
"""

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

import torch
from torch import nn

import picojoule as pj
from picojoule._memory import keep_freed_memory


def recurrent() -> nn.Module:
    """A recurrent network for sequences, 700-512-20."""
    return pj.network("keyword", inputs=(700,), classes=20, width=512)


def cnn7() -> nn.Module:
    """Seven layers of weights for pictures of 28 x 28."""
    layers: list[nn.Module] = []
    for before, after, pool in ((1, 32, 1), (32, 32, 2), (32, 64, 1), (64, 64, 2), (64, 128, 1)):
        conv = nn.Conv2d(before, after, 3, padding=1, bias=False)
        layers += [conv, nn.BatchNorm2d(after), pj.LIF(), *([nn.MaxPool2d(2)] if pool > 1 else [])]
    layers += [nn.Flatten(), nn.Linear(128 * 7 * 7, 128), pj.LIF(), nn.Linear(128, 10)]
    return pj.Sequential(*layers)


def small() -> nn.Module:
    """A network so small that nearly all of a step is spent in Python."""
    return pj.network("mlp", inputs=(64,), classes=10, width=32, layers=1)


# name: network, shape of one step, classes, steps, batch
WORKLOADS = {
    "recurrent 700-512-20, T=100, B=128": (recurrent, (700,), 20, 100, 128),
    "cnn7 1x28x28, T=4, B=64": (cnn7, (1, 28, 28), 10, 4, 64),
    "small 64-32-10, T=8, B=32": (small, (64,), 10, 8, 32),
}


class Workload:
    """A network with one batch: sequences with 2 % events, or analog pictures."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        network, inputs, classes, steps, batch = WORKLOADS[name]
        self.net = network()
        x = torch.rand(steps, batch, *inputs)
        self.kind = "events" if network is recurrent else "analog"
        self.x = (x < 0.02).float() if self.kind == "events" else x
        self.label = torch.randint(0, classes, (batch,))
        # A rate near zero keeps the spikes as they are from one repeat to the next.
        self.optimizer = torch.optim.SGD(self.net.parameters(), lr=1e-9)
        self.chip = pj.load_chip("45nm")
        self.budget = pj.EnergyBudget(limit_pj=1e9)
        self.density = 0.0

    def step(self, metered: bool) -> float:
        """Seconds of one training step."""
        started = time.perf_counter()
        if metered:
            with pj.Meter(self.net, inputs=self.kind) as meter:
                out, _ = self.net(self.x)
            counts = meter.counts
            energy = self.chip.price(counts)
            loss = nn.functional.cross_entropy(out.mean(0), self.label) + self.budget(energy)
            del meter  # as pj.train does
        else:
            out, _ = self.net(self.x)
            loss = nn.functional.cross_entropy(out.mean(0), self.label)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        if metered:
            self.budget.update(energy)
        seconds = time.perf_counter() - started
        if metered:
            fired = [c for c in map(pj.OpCounts.detach, counts.values()) if float(c.spike)]
            updates = sum(float(c.update) for c in fired)
            self.density = sum(float(c.spike) for c in fired) / updates if updates else 0.0
        return seconds


def peak_mib(name: str, metered: bool) -> float:
    """Peak memory of a process that takes three steps, in MiB; the median of five processes."""
    arguments = ["--peak", name, "--metered" if metered else "--plain"]
    command = [sys.executable, __file__, *arguments]
    runs = [subprocess.run(command, check=True, capture_output=True, text=True) for _ in range(5)]
    return statistics.median(float(run.stdout) for run in runs)


def _peak_kib() -> int:
    """Peak memory of this process; not ``ru_maxrss``, which a child takes over from its parent."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def main() -> None:
    """Runs and prints the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", choices=[name.split()[0] for name in WORKLOADS])
    parser.add_argument("--peak", choices=WORKLOADS, help=argparse.SUPPRESS)
    parser.add_argument("--metered", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--plain", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    keep_freed_memory()
    if given.peak:
        workload = Workload(given.peak)
        for _ in range(3):
            workload.step(given.metered)
        print(_peak_kib() / 1024)
        return
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, float32")
    for name in WORKLOADS:
        if given.only not in (None, name.split()[0]):
            continue
        workload = Workload(name)
        for metered in (False, True):
            workload.step(metered)
        times = [(workload.step(False), workload.step(True)) for _ in range(given.repeats)]
        plain, metered = (statistics.median(column) for column in zip(*times, strict=True))
        memory = peak_mib(name, True) / peak_mib(name, False)
        print(
            f"{name}: {plain * 1e3:.1f} ms without, {metered * 1e3:.1f} ms with, "
            f"ratio {metered / plain:.3f}, peak memory ratio {memory:.3f}, "
            f"spikes {workload.density:.1%} of neuron steps"
        )


if __name__ == "__main__":
    main()

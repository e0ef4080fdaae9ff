"""What a budget and levers cost: a step of ``pj.train`` with them over a step without.

    python benchmarks/levers.py [--repeats 15] [--only digits] [--levers Gates Weights]

Prints, for each job, the median seconds of a step of a plain loop, of ``pj.train``, of ``pj.train``
with a budget that binds, and with the budget and each lever; and their ratio to the plain loop's
and to that of ``pj.train`` with nothing. All take turns, a step each, in one process and one
thread, so that a busy machine disturbs them alike. Each begins with the same weights, and nothing
moves them: a rate near zero keeps spikes, and with them the work, as they are.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from torch import nn

import picojoule as pj
from picojoule._memory import keep_freed_memory
from picojoule.data import prepared
from picojoule.readout import readout
from picojoule.recipe import load_recipe
from picojoule.run.build import build_network, training_loader
from picojoule.run.open_data import open_data
from picojoule.training.levers import kinds

JOBS = ("digits", "fsdd", "recurrent")
WARM = 3  # steps that are not counted
STILL = 1e-9  # a learning rate that changes nothing
Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]


class Work:
    """A network, and one batch of it."""

    def __init__(self, name: str) -> None:
        torch.manual_seed(0)
        self.readout = pj.readout.mean
        if name == "recurrent":
            x = (torch.rand(100, 128, 700) < 0.02).float()
            self.batch: Batch = x, torch.randint(0, 20, (128,)), None
            self.make: Callable[[], nn.Module] = lambda: pj.network(
                "keyword", inputs=(700,), classes=20, width=512
            )
            return
        recipe, splits = open_data(load_recipe(name), os.environ.get("PICOJOULE_DATA"))
        splits = type(splits)(
            prepared(splits.train, recipe.data.make_encoder()), splits.validation, splits.test
        )
        self.readout = readout(recipe.train.readout)
        self.batch = next(iter(training_loader(recipe, splits, 1)))
        self.make = lambda: build_network(recipe)

    def network(self) -> tuple[nn.Module, torch.optim.Optimizer]:
        """The network and its optimizer, after seeding."""
        torch.manual_seed(0)
        net = self.make()
        return net, torch.optim.Adam(net.parameters(), lr=STILL)

    def plain(self) -> Iterator[object]:
        """Steps of a loop without a meter."""
        net, optimizer = self.network()
        x, label, lengths = self.batch
        while True:
            out = net(x, lengths=lengths)[0]
            loss = nn.functional.cross_entropy(self.readout(out, lengths), label)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            yield loss

    def trained(
        self, steps: int, limit_pj: float | None = None, lever: str | None = None
    ) -> Iterator[pj.Log]:
        """Steps of ``pj.train``."""
        net, optimizer = self.network()
        return iter(
            pj.train(
                net,
                torch.utils.data.DataLoader([self.batch] * steps, batch_size=None),  # pyright: ignore
                optimizer,
                criterion=nn.CrossEntropyLoss(),
                readout=self.readout,
                chip=pj.load_chip("45nm"),
                penalty=None if limit_pj is None else pj.EnergyBudget(limit_pj),
                levers=[] if lever is None else [kinds()[lever](lr=STILL)],
                inputs="events",
                epochs=1,
            )
        )

    def limit_pj(self) -> float:
        """Half of what the untrained network spends above its floor, and the floor."""
        net, _ = self.network()
        x, _, lengths = self.batch
        with torch.no_grad(), pj.Meter(net, inputs="events") as meter:
            net(x, lengths=lengths)
        energy = pj.load_chip("45nm").price(meter.counts)
        return float(energy.total + energy.floor) / 2


def seconds(steps: Iterator[object]) -> float:
    """Seconds of this process, of one thread, for the next step; others do not count."""
    started = time.process_time()
    next(steps)
    return time.process_time() - started


def main() -> None:
    """Runs and prints the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--only", nargs="+", choices=JOBS, default=JOBS)
    parser.add_argument("--levers", nargs="+", choices=kinds(), default=["Gates"])
    given = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, 1 thread, float32, {given.repeats} steps of each in turn")
    for name in given.only:
        work, count = Work(name), given.repeats + WARM + 1
        limit_pj = work.limit_pj()
        ways = {"plain loop": work.plain(), "pj.train": work.trained(count)}
        ways["budget"] = work.trained(count, limit_pj)
        ways |= {lever: work.trained(count, limit_pj, lever) for lever in given.levers}
        times: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(WARM + given.repeats):
            for way, steps in ways.items():
                times[way].append(seconds(steps))
        median = {way: statistics.median(one[WARM:]) for way, one in times.items()}
        for way, one in median.items():
            against = [f"{one / median[base]:.3f} of {base}" for base in ("plain loop", "pj.train")]
            print(f"{name}, {way}: {one * 1e3:.2f} ms, {', '.join(against)}")


if __name__ == "__main__":
    main()

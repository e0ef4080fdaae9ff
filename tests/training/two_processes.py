"""Trains on two processes and writes what each of them saw; run by test_two_processes.py."""

import json
import sys
from itertools import islice
from pathlib import Path

import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import nn
from torch.utils.data import DataLoader

import picojoule as pj
from picojoule.training import evaluate

STEPS, FEATURES, CLASSES, SAMPLES = 5, 10, 3, 48


def collate_steps(batch):
    """Labels per step, at as many steps as the events of a sample modulo all steps, and one."""
    x, label, _ = collate(batch)
    count = x.sum((0, 2)) % STEPS
    label = label.expand(STEPS, -1).clone()
    label[torch.arange(STEPS).unsqueeze(1) > count] = -1
    return x, label, None


def collate(batch):
    x, label = zip(*batch, strict=True)
    return torch.stack(x, 1), torch.stack(label), None


def loader(batch_size, samples=SAMPLES, **options):
    source = torch.Generator().manual_seed(3)
    x = (torch.rand(SAMPLES, STEPS, FEATURES, generator=source) < 0.3).float()
    label = torch.arange(SAMPLES) % CLASSES
    pairs = list(zip(x, label, strict=True))[:samples]
    return DataLoader(pairs, batch_size=batch_size, **{"collate_fn": collate} | options)


def network(dropout=0.0):
    torch.manual_seed(0)
    net = pj.Sequential(
        nn.Linear(FEATURES, 16), pj.LIF(), nn.Dropout(dropout), nn.Linear(16, CLASSES), pj.LI()
    )
    nn.init.uniform_(net[0].weight, -0.5, 1.5)
    return net


def train(net, batches, fabric, **options):
    budget = pj.EnergyBudget(290.0)
    logs = pj.train(
        net,
        batches,
        torch.optim.SGD(net.parameters(), lr=0.1),
        criterion=nn.CrossEntropyLoss(),
        chip=pj.load_chip("45nm"),
        penalty=budget,
        inputs="events",
        fabric=fabric,
        **{"readout": pj.readout.mean} | options,
    )
    return budget, logs


def measured(net, fabric):
    """Five batches: they do not divide by two."""
    return evaluate(
        net,
        loader(10, 43),
        readout=pj.readout.mean,
        chips=[pj.load_chip("45nm")],
        inputs="events",
        fabric=fabric,
    )


def compare(fabric, out, world):
    """The same global batches, whatever the number of processes."""
    net = network()
    budget, logs = train(net, loader(12 // world), fabric, epochs=3, validation=loader(10, 43))
    logs = list(logs)
    result = measured(net, fabric)
    seen = {
        "energy_pj": [log.energy_pj.item() for log in logs],
        "multiplier": [log.multiplier.item() for log in logs],
        "floor_pj": budget.floor_pj,
        "validation": [record.validation.energy_pj for record in logs[-1].history],
        "accuracy": [record.accuracy for record in logs[-1].history],
        "chosen": logs[-1].chosen.epoch,
        "counts": [v for c in result.counts.values() for n, v in c.items() if n != "second"],
        "samples": result.samples,
        "measured_pj": result.chips["45nm"].total_pj,
        "spread": result.chips["45nm"].spread,
        "measured_accuracy": result.accuracy,
    }
    rank = f"{world}-{fabric.global_rank}"
    (out / f"{rank}.json").write_text(json.dumps(seen))
    save_file(net.state_dict(), out / f"{rank}.safetensors")


def learn_steps(fabric, out, world):
    """The same global batches of labels per step, of which processes have unequal numbers."""
    net, options = network(), {"collate_fn": collate_steps}
    batches, validation = loader(12 // world, **options), loader(10, 43, **options)
    _, logs = train(net, batches, fabric, epochs=2, validation=validation, readout=pj.readout.each)
    *_, log = logs
    seen = [
        (one.loss, one.accuracy, one.validation.accuracy, one.validation.macro_f1)
        for one in log.history
    ]
    rank = f"steps-{world}-{fabric.global_rank}"
    (out / f"{rank}.json").write_text(json.dumps(seen))
    save_file(net.state_dict(), out / f"{rank}.safetensors")


def interrupt(fabric, out):
    """Two trainings on shuffled samples, of which one is stopped twice and goes on."""
    ends = []
    for stops in ([], [6, 3]):
        folder = out / f"checkpoints-{len(stops)}"
        for records in (*stops, None):
            net = network(dropout=0.3)
            _, logs = train(net, loader(6, shuffle=True), fabric, epochs=3, checkpoint=folder)
            torch.manual_seed(fabric.global_rank + 100 * folder.exists())
            for _ in islice(logs, records):
                pass
            logs.close()
        ends.append(net.state_dict())
    same = all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    (out / f"resumed-{fabric.global_rank}.json").write_text(json.dumps(same))


def main():
    out = Path(sys.argv[1])
    fabric = Fabric(accelerator="cpu", devices=2, strategy="ddp")
    fabric.launch()
    compare(fabric, out, world=2)
    learn_steps(fabric, out, world=2)
    interrupt(fabric, out)


if __name__ == "__main__":
    main()

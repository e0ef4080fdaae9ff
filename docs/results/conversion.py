"""How much a conversion loses: ANNs on Fashion-MNIST and what `pj.convert` makes of them.

    python docs/results/conversion.py [--data-dir DIR] [--seeds 0,1,2] [--epochs 4]
        [--pooling average,max]

Trains a small ANN with each kind of pooling for each seed, converts them for
several numbers of steps with thresholds balanced on 1,000 training pictures, and tests each on all
test pictures. Writes ``conversion.json`` beside itself; ``make results`` makes the table of
``networks.md`` of it.
"""

import argparse
import json
import statistics
from pathlib import Path

import torch
from torch import Tensor, nn

import picojoule as pj
from picojoule.data import load

FILE = Path(__file__).with_suffix(".json")
STEPS = (4, 8, 16, 32)
BATCH = 128
POOLING = {"average": nn.AvgPool2d, "max": nn.MaxPool2d}


def ann(pool: type[nn.Module]) -> nn.Sequential:
    """Two convolutions and two linear layers."""
    return nn.Sequential(
        *(nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(), pool(2)),
        *(nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), pool(2)),
        *(nn.Flatten(), nn.Linear(32 * 49, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def trained(net: nn.Sequential, x: Tensor, y: Tensor, epochs: int) -> nn.Sequential:
    """The network after some epochs of Adam with a cosine schedule."""
    optimizer = torch.optim.Adam(net.parameters(), 2e-3)
    steps = epochs * -(-len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[rows]), y[rows]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()


@torch.no_grad()
def accuracy(net: nn.Module, x: Tensor, y: Tensor) -> float:
    """Of an ANN, or of a spiking network by the mean of its output."""
    right = 0
    for images, labels in zip(x.split(500), y.split(500), strict=True):
        spiking = isinstance(net, pj.Sequential)
        out = net(images.unsqueeze(0))[0].mean(0) if spiking else net(images)
        right += int((out.argmax(1) == labels).sum())
    return right / len(x)


def table() -> str:
    """One line for each way of pooling: means over seeds, with the lowest and the highest."""
    rows = json.loads(FILE.read_text("utf-8"))["rows"]
    columns = [key for key in rows[0] if key not in ("seed", "pooling")]
    lines = ["| pooling | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for name in dict.fromkeys(row["pooling"] for row in rows):
        of = [row for row in rows if row["pooling"] == name]
        cells = [[row[column] for row in of] for column in columns]
        text = [f"{statistics.mean(v):.4f} ({min(v):.4f} to {max(v):.4f})" for v in cells]
        lines.append(f"| {name} | " + " | ".join(text) + " |")
    return "\n".join([*lines, ""])


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir")
    parser.add_argument("--seeds", default="0,1,2")
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--pooling", default="average,max")
    options = parser.parse_args()
    splits = load("fashion-mnist", data_dir=options.data_dir)
    (x, y), (test_x, test_y) = (
        ((torch.as_tensor(s.x).float() / 255).view(-1, 1, 28, 28), s.y)
        for s in (splits.train, splits.test)
    )
    rows, kinds = [], options.pooling.split(",")
    for seed in map(int, options.seeds.split(",")):
        for name in kinds:
            torch.manual_seed(seed)
            net = trained(ann(POOLING[name]), x, y, options.epochs)
            row = {"seed": seed, "pooling": name, "ann": accuracy(net, test_x, test_y)}
            for steps in STEPS:
                done = pj.convert(net, x[:1000].split(250), steps)
                row[f"T={steps}"] = accuracy(done.net, test_x, test_y)
            done = pj.convert(net, x[:1000].split(250), 4, neuron="multilevel", levels=8)
            row["T=4, 8 levels"] = accuracy(done.net, test_x, test_y)
            rows.append(row)
            print(row, flush=True)
    text = json.dumps({"epochs": options.epochs, "rows": rows}, indent=2) + "\n"
    FILE.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

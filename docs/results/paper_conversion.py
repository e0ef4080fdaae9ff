"""The network of a recipe as an ANN, converted, into ``papers/conversion.json``.

    python docs/results/paper_conversion.py --data-dir DIR [--recipe penalties-cnn7] [--seeds 3]

The ANN has the convolutions of the recipe with ReLU for neurons and average pooling, and is trained
on the same batches by the same optimizer. It is converted for several numbers of steps, with
thresholds from the training pictures, and each network is measured on the test split. ``make
results`` makes the table of ``papers/penalties.md`` of it.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

import picojoule as pj
from picojoule.data import Splits, prepared
from picojoule.recipe import Recipe, load_recipe
from picojoule.run.build import (
    build_network,
    build_optimizer,
    build_schedule,
    evaluation_loader,
    steps_per_epoch,
    training_loader,
)
from picojoule.run.open_data import open_data

FOLDER = Path(__file__).parent / "papers"
FILE = FOLDER / "conversion.json"
CHIPS = ("45nm", "45nm-sram")
STEPS = (4, 8, 16, 32)
KEPT = (nn.Conv2d, nn.BatchNorm2d, nn.Flatten, nn.Linear)
IMAGES = 1000  # by which thresholds are chosen


def ann(recipe: Recipe) -> nn.Sequential:
    """The network of a recipe with ReLU for neurons, average pooling and no steps."""
    layers: list[nn.Module] = []
    for layer in build_network(recipe):
        if isinstance(layer, nn.MaxPool2d):
            layers.append(nn.AvgPool2d(layer.kernel_size))
        elif isinstance(layer, pj.LIF):
            layers.append(nn.ReLU())
        elif isinstance(layer, KEPT):
            layers.append(layer)
    return nn.Sequential(*layers)


def trained(net: nn.Sequential, recipe: Recipe, splits: Splits) -> nn.Sequential:
    """The ANN after the epochs of the recipe, by its optimizer and schedule."""
    optimizer = build_optimizer(recipe, net)
    each = steps_per_epoch(recipe, splits, 1)
    schedule = build_schedule(recipe, optimizer, recipe.train.epochs * each)
    loader = training_loader(recipe, splits, 1)
    for _ in range(recipe.train.epochs):
        for x, label, _ in loader:
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(x[0]), label).backward()
            optimizer.step()
            if schedule is not None:
                schedule.step()
    return net.eval()


def rows(recipe: Recipe, data_dir: str | None) -> Iterator[dict[str, Any]]:
    """The test accuracy of the ANN of one seed; accuracy and energy of what it is converted to."""
    recipe, splits = open_data(recipe, data_dir)
    splits = splits.map(lambda split: prepared(split, recipe.data.make_encoder()))
    torch.manual_seed(recipe.seed)
    net = trained(ann(recipe), recipe, splits)
    test = evaluation_loader(recipe, splits.test)
    with torch.no_grad():
        right = sum(int((net(x[0]).argmax(1) == label).sum()) for x, label, _ in test)
    yield {"seed": recipe.seed, "steps": None, "accuracy": right / len(splits.test)}
    batches = [x[0] for x, _, _ in evaluation_loader(recipe, splits.train.at(torch.arange(IMAGES)))]
    for steps in STEPS:
        done = pj.convert(net, batches, steps)
        chips = [pj.load_chip(name) for name in CHIPS]
        found = pj.measure(done.net, test, readout=pj.readout.mean, chips=chips, ann_steps=1)
        assert found.accuracy is not None
        yield {
            "seed": recipe.seed,
            "steps": steps,
            "accuracy": found.accuracy.test,
            "spikes_per_neuron": found.spikes_per_neuron,
            "chips": {name: one.total_pj for name, one in found.chips.items()},
        }


def main() -> None:
    """Trains, converts and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data-dir")
    parser.add_argument("--recipe", type=Path, default=FOLDER / "recipes" / "penalties-cnn7.toml")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    found = []
    for seed in range(given.seeds):
        for row in rows(load_recipe(given.recipe, [f"seed={seed}"]), given.data_dir):
            found.append(row)
            print(row, flush=True)
    text = ",\n".join(json.dumps(row) for row in found)
    FILE.write_text(f"[\n{text}\n]\n", "utf-8")


if __name__ == "__main__":
    main()

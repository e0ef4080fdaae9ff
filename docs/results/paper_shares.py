"""Shares of the layers of a network in penalties and in energy, into ``papers/shares.json``.

    python docs/results/paper_shares.py RUN --data-dir DIR

``RUN`` is a finished run of the part ``penalties`` without a penalty. A batch of its validation
split is counted; a layer stands for the spikes that arrive at its synapses, which are those that
the neurons before it put out.
"""

import argparse
import json
from pathlib import Path

import torch

import picojoule as pj
from picojoule.data import prepared
from picojoule.run.build import evaluation_loader
from picojoule.run.open_data import open_data

FILE = Path(__file__).parent / "papers" / "shares.json"
PENALTIES = {
    "SynapticPenalty, p = 1": pj.SynapticPenalty(1.0),
    "SynapticPenalty, p = 2": pj.SynapticPenalty(1.0, p=2),
    "SynapticPenalty, p = 3": pj.SynapticPenalty(1.0, p=3),
    "SpikePenalty": pj.SpikePenalty(1.0),
    "BalancedPenalty": pj.BalancedPenalty(1.0),
}


@torch.no_grad()
def shares(run: Path, data_dir: str | None) -> dict[str, dict[str, float]]:
    """The share of each layer at which spikes arrive, by penalty, and of ``energy``."""
    trained = pj.load(run)
    recipe, splits = open_data(trained.recipe, data_dir or trained.data_dir)
    encoder = recipe.data.make_encoder()
    x, _, _ = next(iter(evaluation_loader(recipe, prepared(splits.validation, encoder))))
    with pj.Meter(trained.net, inputs=encoder.kind) as meter:
        trained.net(x)
    energy = pj.load_chip("45nm").price(meter.counts)
    arrived = PENALTIES["SynapticPenalty, p = 1"].omega(meter.traffic)
    sums = {"energy": {layer: float(energy.by_layer[layer]) for layer in arrived}}
    for name, penalty in PENALTIES.items():
        sums[name] = dict(
            zip(arrived, map(float, penalty.omega(meter.traffic).values()), strict=True)
        )
    return {
        name: {layer: one / sum(parts.values()) for layer, one in parts.items()}
        for name, parts in sums.items()
    }


def main() -> None:
    """Counts and writes."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--data-dir")
    given = parser.parse_args()
    FILE.write_text(json.dumps(shares(given.run, given.data_dir), indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""What one step costs when few inputs fire: a stream against dense torch, one sample at a time.

    python benchmarks/stream.py [--calls 300] [--rounds 5] [--json FILE]

Two tables. "product" is one linear layer: what a stream does for it against
``torch.nn.functional.linear``. "step" is that layer and its LIF neurons: ``pj.stream`` against the
same equations written out in torch, with every constant worked out beforehand, and against
picojoule's own network called for one step with its state. Each call gets spikes that were not used
before. The ways take turns round by round: a busy machine disturbs them alike, and in a round the
cache holds what one way needs, as it does in use. A row is the median of the rounds' medians.
"""

import argparse
import json
import math
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import picojoule as pj
from picojoule.kernels import RowProduct, tier
from picojoule.streaming import stream

SHAPES = ((700, 512), (4096, 4096))
DENSITIES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
Way = Callable[[Tensor], Any]


class Plain:
    """A linear layer and LIF neurons in torch, with the state of one sample."""

    def __init__(self, net: nn.Module) -> None:
        layer, neurons = net[0], net[1]
        self._weight, self._bias = layer.weight.detach(), layer.bias.detach()
        self._decay = math.exp(-neurons.dt / neurons.tau[0].item())
        self._threshold = neurons.threshold[0].item()
        self._membrane = torch.zeros(1, len(self._weight))

    def __call__(self, x: Tensor) -> Tensor:
        current = nn.functional.linear(x, self._weight, self._bias)
        membrane = torch.add(current, self._membrane, alpha=self._decay)
        spikes = (membrane >= self._threshold).float()
        self._membrane = membrane * (1 - spikes)
        return spikes


class Whole:
    """The network called with one step."""

    def __init__(self, net: nn.Module) -> None:
        self._net, self._state = net, None

    def __call__(self, x: Tensor) -> Tensor:
        out, self._state = self._net(x.unsqueeze(0), self._state)
        return out[0]


def microseconds(way: Way, inputs: list[Tensor]) -> float:
    """The median of one way over all inputs."""
    taken = []
    for x in inputs:
        start = time.perf_counter()
        way(x)
        taken.append(time.perf_counter() - start)
    return statistics.median(taken) * 1e6


def measure(
    ways: dict[str, Way], inputs: int, density: float, args: argparse.Namespace
) -> dict[str, float]:
    """The median round of each way."""
    rounds: dict[str, list[float]] = {name: [] for name in ways}
    calls = max(20, args.calls // (1 + inputs // 1024))
    for _ in range(args.rounds):
        for name, way in ways.items():
            fresh = [(torch.rand(1, inputs) < density).float() for _ in range(calls)]
            microseconds(way, fresh[: calls // 10])  # its own weights come into the cache
            rounds[name].append(microseconds(way, fresh[calls // 10 :]))
    return {name: statistics.median(times) for name, times in rounds.items()}


def rows(args: argparse.Namespace) -> list[dict[str, Any]]:
    """All measurements."""
    found = []
    for inputs, outputs in SHAPES:
        torch.manual_seed(0)
        net = pj.Sequential(nn.Linear(inputs, outputs), pj.LIF(outputs)).eval()
        weight, bias = net[0].weight.detach(), net[0].bias.detach()
        for density in DENSITIES:
            product, run = RowProduct(), stream(net)
            ways: dict[str, dict[str, Way]] = {
                "product": {
                    "dense": lambda x, w=weight, b=bias: nn.functional.linear(x, w, b),
                    "ours": lambda x, w=weight, b=bias, product=product: product(x, w, b),
                },
                "step": {"dense": Plain(net), "network": Whole(net), "ours": run},
            }
            for what, group in ways.items():
                times = measure(group, inputs, density, args)
                row = {"what": what, "inputs": inputs, "outputs": outputs, "density": density}
                row |= {f"{name}_us": round(value, 1) for name, value in times.items()}
                row["path"] = product.last if what == "product" else run.paths["0"]
                row["speed_up"] = round(times["dense"] / times["ours"], 2)
                found.append(row)
    return found


def show(found: list[dict[str, Any]]) -> None:
    """The two tables."""
    for what in ("product", "step"):
        print(f"\n{what}: microseconds, batch 1, {torch.get_num_threads()} threads")
        print(
            f"{'layer':>12} {'density':>8} {'dense':>9} {'network':>9} {'ours':>9} {'x':>6}  path"
        )
        for row in found:
            if row["what"] == what:
                layer = f"{row['inputs']}->{row['outputs']}"
                network = row.get("network_us", "")
                print(
                    f"{layer:>12} {row['density']:>8.0%} {row['dense_us']:>9} {network:>9} "
                    f"{row['ours_us']:>9} {row['speed_up']:>6}  {row['path']}"
                )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=300, help="calls of a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, help="where to write the measurements")
    args = parser.parse_args()
    about = {
        "picojoule": pj.__version__,
        "torch": torch.__version__,
        "python": platform.python_version(),
        "machine": platform.machine(),
        "threads": torch.get_num_threads(),
        "tier": tier(),
    }
    print(" ".join(f"{name} {value}" for name, value in about.items()))
    with torch.no_grad():
        found = rows(args)
    show(found)
    if args.json:
        args.json.write_text(json.dumps({"about": about, "rows": found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()

"""Every count of random networks, as text: two commits count alike if their files are equal.

    python benchmarks/counts.py [counts.json] [--networks 400]

The networks are those of the tests' oracle, drawn without chance. Each is counted by each
convention, with the part that hidden spikes caused, the dense network, what was not counted and the
kinds of what arrived.
"""

import argparse
import hashlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

import torch
from hypothesis import HealthCheck, Phase, given, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import picojoule as pj
from energy.oracle import build
from energy.strategies import Case, cases

CONVENTIONS: tuple[dict[str, Any], ...] = (
    {},
    {"levels": "multiply"},
    {"skip_zero_weights": True},
    {"fold_batch_norm": False},
)


def counted(case: Case) -> list[Any]:
    """All that a meter says of one network, by each convention."""
    x = torch.from_numpy(case.x).float()
    lengths = {} if case.lengths is None else {"lengths": torch.tensor(case.lengths)}
    found = []
    for convention in CONVENTIONS:
        net = build(case.layers)
        how = pj.Convention(**convention)
        with torch.no_grad(), pj.Meter(net, inputs=case.inputs, convention=how) as meter:
            net(x, **lengths)
        found.append(
            {
                "counts": {name: _numbers(done) for name, done in meter.counts.items()},
                "dense": {name: _numbers(done) for name, done in meter.dense().items()},
                "uncounted": meter.uncounted,
                "kinds": [
                    (
                        call.layer,
                        call.kind.name,
                        call.kind.hidden,
                        call.multiplied,
                        repr(call.sizes),
                    )
                    for call in meter.traffic
                ],
            }
        )
    return found


def _numbers(counts: pj.OpCounts) -> dict[str, Any]:
    numbers: dict[str, Any] = {name: value.item() for name, value in counts.items()}
    return numbers | {"hidden": None if counts.hidden is None else _numbers(counts.hidden)}


def main() -> None:
    """Runs the networks and writes the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "file", type=Path, nargs="?", help="where they go; left out, their checksum"
    )
    parser.add_argument("--networks", type=int, default=400)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    found: list[Any] = []

    @settings(
        max_examples=asked.networks,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(cases())
    def each(case: Case) -> None:
        found.append(counted(case))

    each()
    text = "\n".join(json.dumps(one) for one in found) + "\n"
    if asked.file is not None:
        asked.file.write_text(text)
    print(f"{len(found)} networks, sha256 {hashlib.sha256(text.encode()).hexdigest()}")


if __name__ == "__main__":
    main()

"""The smallest sweep that is one, and its workers."""

import json
import os
from pathlib import Path
from typing import Any

import tiny

SETTINGS = [*tiny.SETTINGS[:-1], "network.neuron.threshold=0.1"]
SET = [word for setting in SETTINGS for word in ("--set", setting)]
# 6 runs: two limits and none, two seeds.
GRID = ["sweep", "digits", "--over", "budget.limit=90%,80%", *SET, "--seeds", "2"]
GRID += ["--accelerator", "cpu"]


def hasty(words: list[str], said: str = os.devnull, **environment: str) -> None:
    """The body of a process that runs ``pj`` and takes other workers for dead after a second."""
    from picojoule.sweep import queue, work

    queue._BEAT_S, queue._SILENT_S, work._IDLE_S = 0.1, 1.0, 0.05
    tiny.pj(words, said, **environment)


def results(sweep: Path) -> dict[str, Any]:
    """What is in ``results.json``, without what differs from machine to machine."""
    content = json.loads((sweep / "results.json").read_text())
    rows = [*content["runs"], *content["configurations"], *content["front"]]
    for row in rows:
        for name in ("seconds", "seconds_std", "machine"):
            row.pop(name, None)
    return content


def weights(sweep: Path) -> dict[str, bytes]:
    """The weights of all finished runs by name."""
    files = (sweep / "runs").glob("*/weights.safetensors")
    return {file.parent.name: file.read_bytes() for file in files}

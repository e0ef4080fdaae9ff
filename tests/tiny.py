"""The smallest training that is one, and a process that runs a command."""

import os
import sys

SETTINGS = [
    "train.epochs=2",
    "train.batch_size=256",
    "data.encoder.steps=4",
    "network.width=16",
    "budget.limit=none",
]


def pj(words: list[str]) -> None:
    """The body of a process that runs ``pj`` with these words, silently."""
    from picojoule.cli import main

    with open(os.devnull, "w") as nowhere:
        sys.stdout = sys.stderr = nowhere
        sys.argv = ["pj", *words]
        main()

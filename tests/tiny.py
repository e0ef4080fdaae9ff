"""The smallest training that is one, and a process that runs a command."""

import os
import sys

# A chip file of a user's own, as short as can be.
CHIP_HEAD = (
    'name = "mine"\ndescription = "ours"\nnode = "28 nm"\nprecision = "int8"\n'
    'evidence = "measured"\n'
)
CHIP_PRICE = '[price.ac]\npj = 1.0\nsource = "measured"\n'
CHIP = CHIP_HEAD + CHIP_PRICE

SETTINGS = [
    "train.epochs=2",
    "train.batch_size=256",
    "data.encoder.steps=4",
    "network.width=16",
    "budget.limit=none",
]


def unsynced() -> None:
    """Lets files of this process be lost with the power: a disk takes milliseconds to make sure."""
    os.fsync = lambda descriptor: None


def pj(words: list[str], said: str = os.devnull, **environment: str) -> None:
    """The body of a process that runs ``pj`` with these words; what it says goes to a file."""
    unsynced()
    from picojoule.cli import main

    os.environ |= environment
    with open(said, "w") as file:
        sys.stdout = sys.stderr = file
        sys.argv = ["pj", *words]
        main()

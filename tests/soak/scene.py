"""What trials of the soak start from: commands that train, and how their undisturbed runs ended."""

import json
import random
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from picojoule.run.folder import Folder

SECONDS = 300.0  # in which a process must end; the machine may be busy
TIERS = ("c", "numba")
_TINY = (
    *("train.batch_size=256", "network.width=32", "data.encoder.steps=4"),
    "network.neuron.threshold=0.2",
)
KINDS = {
    "budget": ("train.epochs=5", "budget.limit=7 nJ"),
    "share": ("train.epochs=3", "budget.limit=80%"),
    "own data": ("train.epochs=4", "budget.limit=none"),
}


@dataclass(frozen=True)
class Scene:
    """One trial's choice of command and tier.

    Attributes:
        chance: Decides all that is random.
        place: A folder of the trial's own, empty.
        cache: That of the undisturbed runs; not to be changed.
        tier: Of the kernels.
        command: The words that start the run.
        right: The undisturbed run.
        seconds: What that took.
        process: Starts a process, as ``forked.processes`` gives it.
    """

    chance: random.Random
    place: Path
    cache: Path
    tier: str
    command: list[str]
    right: Path
    seconds: float
    process: Callable[..., BaseProcess]

    def start(self, words: list[str], name: str = "said", cache: Path | None = None) -> BaseProcess:
        """Starts ``pj`` with these words; what it says goes to a file of that name."""
        environment = {"PICOJOULE_KERNELS": self.tier, "PICOJOULE_CACHE": str(cache or self.cache)}
        return self.process(words, str(self.place / name), **environment)

    def said(self, name: str = "said") -> str:
        """Returns what a process said, which is never a traceback."""
        text = (self.place / name).read_text(errors="replace")
        assert "Traceback" not in text, text
        return text

    def ended(self, process: BaseProcess, name: str = "said") -> int:
        """Waits for a process; returns its exit code."""
        process.join(SECONDS)
        assert process.exitcode is not None, f"it hangs: {self.said(name)}"
        return process.exitcode

    def train(self, run: Path) -> list[str]:
        """Returns the words that start a run there, or go on with it."""
        return ["train", "--resume", str(run)] if run.exists() else [*self.command, str(run)]

    def check(self, run: Path) -> None:
        """Checks that a run ended as the undisturbed one did."""
        names = [".", "unconstrained"] if (self.right / "unconstrained").exists() else ["."]
        for name in names:
            one, other = Folder(run / name), Folder(self.right / name)
            one.check()
            assert one.read("weights.safetensors") == other.read("weights.safetensors")
            assert _timeless(one.report.model_dump()) == _timeless(other.report.model_dump())
            assert [*map(_timeless, one.log())] == [*map(_timeless, other.log())]
        assert not [*run.rglob("*.tmp")]


def _timeless(record: dict) -> dict:
    return {key: value for key, value in record.items() if key != "seconds"}


def own_data(place: Path) -> Path:
    """Writes digits as a file of a user's own."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = (images.reshape(-1, 1, 8, 8) * 15.9).astype(np.uint8)
    np.savez(place / "own.npz", x=pixels, y=labels)
    return place / "own.npz"


def commands(place: Path) -> dict[str, list[str]]:
    """Returns, by kind of run, the words of ``pj`` but the last, which is its folder."""
    data = own_data(place)
    found = {}
    for kind, settings in KINDS.items():
        more = [f"data.folder={data}"] if kind == "own data" else []
        words = [word for one in (*_TINY, *settings, *more) for word in ("--set", one)]
        found[kind] = ["train", "digits", "--accelerator", "cpu", *words, "--out"]
    return found


def undisturbed(scene: Scene, run: Path) -> float:
    """Trains a run from start to end, twice; returns the seconds that the second took."""
    seconds = 0.0
    for path in (run, run.with_name(f"{run.name} again")):
        began = time.monotonic()
        code = scene.ended(scene.start([*scene.command, str(path)]))
        assert code == 0, scene.said()
        seconds = time.monotonic() - began
    scene.check(run.with_name(f"{run.name} again"))
    shutil.rmtree(run.with_name(f"{run.name} again"))
    return seconds


def damage(file: Path, chance: random.Random) -> str:
    """Damages a file as a failing disk does; says how."""
    content = bytearray(file.read_bytes())
    kinds = ["flip", "cut", "zeros", "emptied"] if content else ["garbage"]
    kind = chance.choice([*kinds, *["flip"] * 4])
    at = chance.randrange(max(1, len(content)))
    if kind == "flip" and content:
        content[at] ^= 1 << chance.randrange(8)
    elif kind == "cut":
        del content[at:]
    elif kind == "zeros":
        content[at : at + 512] = bytes(len(content[at : at + 512]))
    elif kind == "emptied":
        content.clear()
    else:
        content += chance.randbytes(40)
    making = file.with_name(f"{file.name}.damaged")  # others may have the old one mapped
    making.write_bytes(content)
    making.replace(file)
    return f"{kind} at {at} of {json.dumps(file.name)}"

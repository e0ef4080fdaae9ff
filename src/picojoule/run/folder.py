"""The folder of a run: its files, each of which is written whole or not at all.

``RUN/`` holds ``recipe.toml`` and ``machine.json`` from the moment it exists, and ``chip.toml``, a
copy of the user's own chip file, if the recipe names one; then ``checkpoints/`` and ``log.jsonl``,
and at the end ``weights.safetensors`` and, last, ``report.json``. If the budget is a share,
``unconstrained/`` is a run of its own without a budget; ``refused.txt`` says why the share was
refused after some of it.
"""

import json
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from picojoule.recipe import CHIP_FILE, Recipe, load_recipe
from picojoule.report import Report


@dataclass(frozen=True)
class Machine:
    """The devices and data folder of a run, which it is resumed with.

    Attributes:
        data_dir: Folder of the data sets; None if none was named.
        accelerator: Kind of device, as ``lightning_fabric.Fabric`` takes it.
        devices: Number of devices of a node, or which, as Fabric takes them.
        nodes: Number of nodes.
        strategy: Way of sharing the work, as Fabric takes it.
        precision: Precision of the numbers, as Fabric takes it.
        threads: Number of torch's threads; another number may round sums differently.
    """

    data_dir: str | None = None
    accelerator: str = "auto"
    devices: int | str = 1
    nodes: int = 1
    strategy: str = "auto"
    precision: str = "32-true"
    threads: int = field(default_factory=torch.get_num_threads)


@dataclass(frozen=True)
class Folder:
    """A run on disk.

    Attributes:
        path: Its folder.

    Raises:
        ValueError: If there is no run in ``path``.
    """

    path: Path

    def __post_init__(self) -> None:
        if not self._has("recipe.toml"):
            raise ValueError(f"there is no run in '{self.path}': it has no recipe.toml")

    @classmethod
    def create(cls, recipe: Recipe, machine: Machine, path: Path) -> "Folder":
        """Makes the folder of a new run; it appears with its first files in it, or not at all.

        Raises:
            FileExistsError: If ``path`` exists already.
        """
        if path.exists():
            raise FileExistsError(
                f"'{path}' exists already: name a new folder, or go on with a run that is there by "
                f"--resume {path}"
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
        try:
            making.chmod(0o755)
            if recipe.budget.chip_file is not None:
                shutil.copyfile(recipe.budget.chip_file, making / CHIP_FILE)
            (making / "recipe.toml").write_text(recipe.to_toml(), encoding="utf-8")
            text = json.dumps(asdict(machine), indent=2) + "\n"
            (making / "machine.json").write_text(text, encoding="utf-8")
            making.rename(path)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return cls(path)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that is trained, read once."""
        return load_recipe(self.path / "recipe.toml")

    @property
    def machine(self) -> Machine:
        """The devices and data folder that the run was started with.

        Raises:
            ValueError: If its file is missing or damaged.
        """
        file = self.path / "machine.json"
        try:
            return TypeAdapter(Machine).validate_json(file.read_bytes())
        except (ValidationError, FileNotFoundError) as error:
            raise ValueError(
                f"{file} is missing or damaged ({_reason(error)}): write {{}} into it to go on "
                "with one device of this machine, or the content of another run's"
            ) from error

    @property
    def finished(self) -> bool:
        """True if the run has a report, and so nothing left to do."""
        return self._has("report.json")

    @property
    def report(self) -> Report:
        """The record of a finished run.

        Raises:
            ValueError: If the run is not finished, or its report is damaged.
        """
        if not self.finished:
            raise ValueError(
                f"the run '{self.path}' is not finished: pj train --resume {self.path} goes on"
            )
        file = self.path / "report.json"
        try:
            return Report.from_json(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None

    def log(self) -> list[dict[str, Any]]:
        """Reads the log: one record per epoch, the oldest first.

        Raises:
            ValueError: If the log is damaged.
        """
        file = self.path / "log.jsonl"
        lines = file.read_bytes().splitlines() if file.is_file() else []
        try:
            records = [json.loads(line) for line in lines]
            whole = all({"epoch", "seconds"} <= record.keys() for record in records)
        except (ValueError, AttributeError):  # no JSON, or no mapping
            whole = False
        if not whole:
            raise ValueError(
                f"{file} is damaged: delete it (and the report.json beside it, if there is one), "
                "and resuming the run writes it again from its checkpoint"
            )
        return records

    def note(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Writes the log: the records of all epochs so far."""
        lines = (json.dumps(record, allow_nan=False) + "\n" for record in records)
        self.write("log.jsonl", "".join(lines).encode())

    def write(self, name: str, content: bytes) -> None:
        """Writes a file atomically: whenever the process is killed, it is whole or not there."""
        making = self.path / f".{name}.tmp"
        making.write_bytes(content)
        os.replace(making, self.path / name)

    def discard_untouched(self) -> None:
        """Removes the folder if it holds nothing but its first files."""
        first = ("recipe.toml", "machine.json", CHIP_FILE)
        if all(item.is_dir() or item.name in first for item in self.path.rglob("*")):
            shutil.rmtree(self.path)

    def refuse(self, why: str) -> None:
        """Removes the folder if nothing was trained in it, else notes why it goes no further."""
        self.discard_untouched()
        if self.path.exists():
            self.write("refused.txt", f"{why}\n".encode())

    def _has(self, name: str) -> bool:
        return (self.path / name).is_file()


def _reason(error: ValidationError | OSError) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    return "; ".join(": ".join([*map(str, one["loc"]), one["msg"]]) for one in error.errors())


def free_path(name: str, parent: Path = Path("runs")) -> Path:
    """Returns a path that does not exist yet, such as ``runs/digits-3f2a``."""
    while (path := parent / f"{name}-{secrets.token_hex(2)}").exists():
        pass
    return path

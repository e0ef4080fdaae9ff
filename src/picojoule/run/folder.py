"""The folder of a run: its files, each of which is written whole or not at all, and has its sum.

``RUN/`` holds ``recipe.toml`` and ``machine.json`` from the moment it exists, and ``chip.toml``, a
copy of the user's own chip file, if the recipe names one; then ``checkpoints/`` and ``log.jsonl``,
and at the end ``weights.safetensors``, ``activity.json`` and, last, ``report.json``, of which
``report.html`` is the page. If the budget is a share,
``unconstrained/`` is a run of its own without a budget; ``refused.txt`` says why the share was
refused after some of it.
"""

import json
import logging
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from picojoule import _files, _folders, _sums
from picojoule.recipe import CHIP_FILE, Recipe, load_recipe
from picojoule.report import Report
from picojoule.run.machine import Machine
from picojoule.run.writer import LOCK, RECORD
from picojoule.training import EpochRecord

logger = logging.getLogger(__name__)

RECIPE, MACHINE, LOG = "recipe.toml", "machine.json", "log.jsonl"
WEIGHTS, REPORT, ACTIVITY = "weights.safetensors", "report.json", "activity.json"
UNCONSTRAINED = "unconstrained"  # a run of its own, without a budget
# What to do about a file that is damaged or was changed by hand.
REMEDIES = {
    RECIPE: "a run goes on with the recipe that it was started with: put that back, or train the "
    "changed one in a new run, pj train {file}",
    CHIP_FILE: "a run keeps the prices that it was started with: put them back, or start a new run",
    MACHINE: "delete it, and the run goes on with one device of this machine",
    LOG: f"delete it (and the {REPORT} beside it, if there is one), and resuming the run writes it "
    "again from its checkpoint",
    WEIGHTS: f"delete it and {REPORT}, and resuming the run writes them again from its checkpoint",
    REPORT: "delete it, and resuming the run measures again",
    ACTIVITY: f"delete it, and the {REPORT} beside it, and resuming the run makes both again",
}


@dataclass(frozen=True)
class Folder:
    """A run on disk.

    Attributes:
        path: Its folder.
        above: Folders that were made for it, the innermost first.

    Raises:
        ValueError: If there is no run in ``path``.
    """

    path: Path
    above: tuple[Path, ...] = ()

    def __post_init__(self) -> None:
        if not self._has(RECIPE):
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
        above = ()
        try:
            above = _folders.make(path.parent)
            making = Path(tempfile.mkdtemp(prefix=f".{path.name}-", dir=path.parent))
            try:
                making.chmod(0o755)
                if recipe.budget.chip_file is not None:
                    _sums.write(making / CHIP_FILE, _files.content(recipe.budget.chip_file))
                _sums.write(making / RECIPE, recipe.to_toml().encode())
                text = json.dumps(asdict(machine), indent=2) + "\n"
                _sums.write(making / MACHINE, text.encode())
                making.rename(path)
            finally:
                shutil.rmtree(making, ignore_errors=True)
        except OSError as error:
            _folders.remove_empty(above)
            raise OSError(
                error.errno,
                f"the run's folder '{path}' cannot be made ({error.strerror}): name another by "
                "--out",
            ) from error
        return cls(path, above)

    @cached_property
    def recipe(self) -> Recipe:
        """The recipe that is trained, read once.

        Raises:
            ValueError: If it, or the chip file beside it, is not the one that was written.
        """
        for name in (RECIPE, CHIP_FILE):
            if self._has(name):
                self.read(name)
        return load_recipe(self.path / RECIPE)

    @property
    def machine(self) -> Machine:
        """The devices and data folder of the run, one device of this machine if its file is gone.

        Raises:
            ValueError: If the file is damaged.
        """
        if not self._has(MACHINE):
            logger.warning("%s has no %s: it runs on one device", self.path, MACHINE)
            return Machine()
        try:
            return TypeAdapter(Machine).validate_json(self.read(MACHINE))
        except ValidationError as error:
            raise self.damaged(MACHINE, _reason(error)) from error

    @property
    def finished(self) -> bool:
        """True if the run has a report, and so nothing left to do."""
        return self._has(REPORT)

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
        content = self.read(REPORT)
        try:
            return Report.from_json(content.decode())
        except ValueError as error:
            raise self.damaged(REPORT, str(error)) from None

    @property
    def unconstrained(self) -> "Folder | None":
        """The run without a budget in this folder; None if there is none."""
        path = self.path / UNCONSTRAINED
        return Folder(path) if (path / RECIPE).is_file() else None

    def log(self) -> list[dict[str, Any]]:
        """Reads the log: one record per epoch, the oldest first.

        Raises:
            ValueError: If the log is damaged.
        """
        lines = self.read(LOG).splitlines() if self._has(LOG) else []
        try:
            records = [_files.parsed_json(line) for line in lines]
            for record in records:
                EpochRecord.of({key: record[key] for key in record.keys() - {"seconds"}})
                float(record["seconds"])
        except (ValueError, AttributeError, LookupError, TypeError):  # no JSON, or another record
            raise self.damaged(LOG, "a line of it is no record of an epoch") from None
        return records

    def note(self, records: Iterable[Mapping[str, Any]]) -> None:
        """Writes the log: the records of all epochs so far."""
        lines = (json.dumps(record, allow_nan=False) + "\n" for record in records)
        self.write(LOG, "".join(lines).encode())

    def read(self, name: str) -> bytes:
        """Returns what a file holds, compared with its sum.

        Raises:
            ValueError: If it is not what was written; the message names it and says what to do.
            FileNotFoundError: If there is no such file.
        """
        file = self.path / name
        if not _sums.has_sum(file):
            _say_unchecked(self.path)
        try:
            return _sums.read(file)
        except ValueError as error:
            raise ValueError(f"{error}: {REMEDIES[name].format(file=file)}") from None

    def check(self) -> None:
        """Compares every file with its sum, those of ``unconstrained/`` too.

        Raises:
            ValueError: If one is not what was written.
        """
        for name in filter(self._has, REMEDIES):
            self.read(name)
        if (unconstrained := self.unconstrained) is not None:
            unconstrained.check()

    def damaged(self, name: str, why: str) -> ValueError:
        """Returns the error of a file that holds what it cannot hold."""
        file = self.path / name
        return ValueError(f"{file} is damaged ({why}): {REMEDIES[name].format(file=file)}")

    def write(self, name: str, content: bytes) -> None:
        """Writes a file and its sum: whenever the process is killed, it is whole or not there.

        Raises:
            OSError: If it cannot be written; what was there is unharmed.
        """
        try:
            _sums.write(self.path / name, content)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{self.path / name} could not be written ({error.strerror}): make room or mend "
                f"the folder, then go on by pj train --resume {self.path}",
            ) from error

    def discard_untouched(self) -> None:
        """Removes the folder if it holds nothing but its first files, and those made for it."""
        first = {Path(name) for name in (RECIPE, MACHINE, CHIP_FILE)}
        first |= {*map(_sums.beside, first), Path(LOCK), Path(RECORD)}
        if all(item.is_dir() or Path(item.name) in first for item in self.path.rglob("*")):
            shutil.rmtree(self.path)
            _folders.remove_empty(self.above)

    def refuse(self, why: str) -> None:
        """Removes the folder if nothing was trained in it, else notes why it goes no further."""
        self.discard_untouched()
        if self.path.exists():
            self.write("refused.txt", f"{why}\n".encode())

    def _has(self, name: str) -> bool:
        return (self.path / name).is_file()


@cache
def _say_unchecked(path: Path) -> None:
    logger.warning(
        "%s was made before the files of a run had sums, or copied without them: damage to them is "
        "not noticed",
        path,
    )


def _reason(error: ValidationError) -> str:
    return "; ".join(": ".join([*map(str, one["loc"]), one["msg"]]) for one in error.errors())


def free_path(name: str, parent: Path = Path("runs")) -> Path:
    """Returns a path that does not exist yet, such as ``runs/digits-3f2a``."""
    while (path := parent / f"{name}-{secrets.token_hex(2)}").exists():
        pass
    return path

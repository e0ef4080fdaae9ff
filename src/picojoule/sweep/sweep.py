"""A sweep on disk, as Python reads it."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from picojoule import _files
from picojoule.report.page import sweep_page
from picojoule.sweep.question import QUESTION
from picojoule.sweep.results import LATEX, RESULTS, Row

_ALL = (
    *("name", "command", "recipe", "versions", "keys", "runs"),
    *("measure", "configurations", "front", "hypervolume", "reference"),
)


@dataclass(frozen=True)
class Sweep:
    """A folder of runs and one question, and what came of it so far.

    Attributes:
        path: The folder.

    Example:
        >>> sweep = Sweep.load("sweeps/front")  # doctest: +SKIP
        >>> pandas.DataFrame(sweep.table())  # doctest: +SKIP
        >>> [(row["energy_pj"], row["accuracy"]) for row in sweep.front()]  # doctest: +SKIP
    """

    path: Path

    @classmethod
    def load(cls, path: str | Path) -> "Sweep":
        """Opens a sweep.

        Raises:
            ValueError: If there is none in ``path``, or its results are damaged.
        """
        path = Path(path)
        if not (path / QUESTION).is_file():
            raise ValueError(f"there is no sweep in '{path}': it has no {QUESTION}")
        sweep = cls(path)
        sweep.table()
        return sweep

    def table(self) -> list[Row]:
        """Returns a row for each run, the columns of ``results.csv``; None for what is not known.

        The run of a row is in ``path / row["folder"]``.
        """
        return self._content["runs"]

    def configurations(self) -> list[Row]:
        """Returns a row for each configuration, with means over its finished seeds."""
        return self._content["configurations"]

    @property
    def measure(self) -> str:
        """Name of the measure by which runs are compared: ``accuracy``, ``macro_f1`` or ``mse``."""
        return self._content["measure"]

    def front(self) -> list[Row]:
        """Returns the configurations that no other one beats in measure and energy.

        Means on the validation split decide. The rows are those of ``configurations``, by falling
        energy.
        """
        return self._content["front"]

    @property
    def hypervolume(self) -> float:
        """Area that the front covers, in measure times pJ, from ``reference`` on."""
        return self._content["hypervolume"]

    @property
    def reference(self) -> dict[str, float]:
        """The point from which ``hypervolume`` is measured."""
        return self._content["reference"]

    def page(self, *, links: bool = True) -> str:
        """Makes the page of the sweep, as HTML that needs no other file and no network.

        Args:
            links: Whether it links to the pages of its runs, as one in the sweep's folder may.
        """
        file = self.path / LATEX
        latex = file.read_text("utf-8") if file.is_file() else ""
        return sweep_page(self._content, latex, links=links)

    @cached_property
    def _content(self) -> dict[str, Any]:
        file = self.path / RESULTS
        remedy = "the same command of pj sweep writes it again"
        try:
            content = _files.parsed_json(_files.read(file, _files.RECORD_BYTES))
            for name in _ALL:
                content[name]
        except FileNotFoundError:
            raise ValueError(f"there is no {RESULTS} in '{self.path}': {remedy}") from None
        except (ValueError, LookupError, TypeError):
            raise ValueError(f"{file} is damaged: {remedy}") from None
        return content

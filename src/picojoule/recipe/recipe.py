"""An experiment as data, read from TOML and checked before any work begins."""

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from picojoule._faults import explain
from picojoule.recipe import penalty_table, toml
from picojoule.recipe.base import Named, Table, is_time
from picojoule.recipe.data_table import DataTable
from picojoule.recipe.keys import keys_of
from picojoule.recipe.merge import assignments, read
from picojoule.recipe.tables import BudgetTable, NetworkTable, TrainTable
from picojoule.training.penalties import penalty

CHIP_FILE = "chip.toml"
# Mistakes that a message shows.
_TOLD = 20


class Recipe(Table):
    """An experiment: everything that decides its result.

    Attributes:
        name: Name of the recipe.
        description: Description in one line.
        machine: The machine it is meant for: two cores (minutes to an hour), or a GPU.
        measured: What it reached, on how many seeds and when; empty if nobody has measured it.
        seed: Seed of weights, order and encoding.
        penalty: A term of the loss by its class's name, with its options; ``"none"`` drops that of
            a recipe which this one extends.
        sweep: What ``pj sweep --search`` varies, a range or a list for each dotted key; no part of
            the experiment.

    Example:
        >>> load_recipe("digits", ["train.epochs=3"]).train.epochs
        3
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    description: str = ""
    machine: Literal["cpu", "gpu"] = "cpu"
    measured: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    data: DataTable
    network: NetworkTable
    train: TrainTable
    budget: BudgetTable = BudgetTable()
    penalty: Named | None = None
    sweep: dict[str, Any] | None = None

    @field_validator("penalty")
    @classmethod
    def _penalty(cls, table: Named | None) -> Named | None:
        return None if table is None else penalty_table.checked(table)

    @model_validator(mode="after")
    def _one_charge(self) -> Self:
        named = self.penalty
        if named is None or penalty(named.name).beside_budget:
            return self
        if self.budget.share is None and not self.budget.allowances:
            return self
        raise ValueError(
            f"{named.name} cannot stand beside a budget, which charges for energy itself, and "
            f"budget.limit is {self.budget.limit!r}: set budget.limit = 'none' or penalty = 'none'"
        )

    @model_validator(mode="after")
    def _something_to_save(self) -> Self:
        budget = self.budget
        limited = budget.share is not None or budget.allowances
        if budget.levers and not limited and self.penalty is None:
            raise ValueError(
                f"budget.levers = {budget.levers} save energy, and nothing asks for that: set "
                "budget.limit, or budget.levers = 'none'"
            )
        return self

    def to_toml(self) -> str:
        """Writes the recipe with every default, those of encoder, network, neuron and penalty too.

        Equal recipes give equal texts, and a text gives the same run whatever defaults become.

        The user's own chip file is named ``chip.toml``, since it is copied beside the recipe.
        ``measured`` and ``sweep`` are left out, because they are no part of the experiment.
        """
        tables = self.model_dump(exclude={"measured", "sweep"})
        if self.budget.chip_file is not None:
            tables["budget"]["chip"] = CHIP_FILE
        return toml.dumps(tables)

    @property
    def sha256(self) -> str:
        """The SHA-256 of ``to_toml()``, and so of the file ``recipe.toml`` in a run."""
        return hashlib.sha256(self.to_toml().encode()).hexdigest()


def load_recipe(name_or_path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Loads a recipe that comes with the package by name, or any other by the path of its file.

    Args:
        name_or_path: One of ``recipe_names()`` or a path.
        overrides: Assignments such as ``"train.epochs=5"`` and ``"budget.limit=20 nJ"``.

    Raises:
        ValueError: If a recipe, key or name is unknown (the message gives the nearest), or a value
            makes no sense.
    """
    given = assignments(overrides)
    _check_limits(given)
    _check_times(given)
    tables = read(name_or_path, given)
    keys = keys_of(Recipe, tables)
    tables, wrong = keys.split(tables)
    faults = [partial(keys.unknown, key) for key in wrong]
    try:
        recipe = Recipe.model_validate(tables)
        if not faults:
            return recipe
    except ValidationError as error:
        faults += [partial(explain, detail) for detail in error.errors()]
    told, more = faults[:_TOLD], len(faults) - _TOLD
    lines = [word() for word in told] + [f"... and {more} more"] * (more > 0)
    raise ValueError(f"recipe '{name_or_path}': " + "\n".join(lines))


def _check_limits(given: Mapping[str, Any]) -> None:
    """Refuses a limit that was given by hand as a bare number, which a file means as pJ."""
    budget = given.get("budget")
    budget = budget if isinstance(budget, dict) else {}
    several = budget.get("limits")
    limits = {"budget.limit": budget.get("limit")}
    for name, one in several.items() if isinstance(several, dict) else ():
        limits[f"budget.limits.{name}"] = one
    for key, limit in limits.items():
        if isinstance(limit, (int, float)) and not isinstance(limit, bool) and 0 < limit < math.inf:
            raise ValueError(
                f"{key} = {limit:g} needs its unit: '{limit:g} nJ' or '{limit:g} pJ' for an "
                f"energy, '{limit:g}%' for a share of what is spent without a budget"
            )


def _check_times(given: Mapping[str, Any]) -> None:
    """Refuses a time above 1 s that was given by hand as a bare number, and may be meant in ms."""
    for key, value in _leaves(given):
        if not key.startswith(("network.neuron.", "data.encoder.")) or key.endswith("_s"):
            continue
        for time in value if isinstance(value, list) else [value]:
            if isinstance(time, (int, float)) and is_time(key.rpartition(".")[2]) and time > 1:
                raise ValueError(
                    f"{key} = {time:g} would be in seconds: write '{time:g} ms', or '{time:g} s' "
                    "if that is meant"
                )


def _leaves(table: Mapping[str, Any], at: str = "") -> Iterator[tuple[str, Any]]:
    """Yields the dotted key and the value of all in a table but tables and lists of them."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{at}{name}.")
        elif isinstance(value, list) and any(isinstance(one, dict) for one in value):
            yield from _leaves({f"{name}[{number}]": one for number, one in enumerate(value)}, at)
        else:
            yield f"{at}{name}", value

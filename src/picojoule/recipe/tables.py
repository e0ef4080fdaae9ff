"""The tables ``[network]``, ``[train]`` and ``[budget]`` of a recipe."""

import math
import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from picojoule.energy import chip_names, load_chip
from picojoule.networks.architectures import check_options
from picojoule.readout import readout
from picojoule.recipe.base import Count, Named, Positive, Table
from picojoule.recipe.neuron_table import checked
from picojoule.units import picojoule


class NetworkTable(Named):
    """``[network]``: an architecture, its neurons, and the options of its builder."""

    neuron: Named = Named(name="LIF")

    @field_validator("neuron")
    @classmethod
    def _neuron(cls, table: Named) -> Named:
        return checked(table)

    @model_validator(mode="after")
    def _options(self) -> Self:
        check_options(self.name, self.params)
        return self


class TrainTable(Table):
    """``[train]``: epochs, batches, optimizer, learning rate and memory.

    Attributes:
        readout: Name of the function from the network's output to scores, see ``readout``.
        layout: Layout of images in memory; which is faster depends on network and machine.
        chunk: Steps that go through the network together, to save memory; see ``Sequential``.
    """

    epochs: Count
    batch_size: Count = 64
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    schedule: Literal["cosine", "constant"] = "cosine"
    readout: str = "mean"
    layout: Literal["channels_first", "channels_last"] = "channels_first"
    chunk: Count | None = None

    @field_validator("readout")
    @classmethod
    def _known(cls, name: str) -> str:
        readout(name)
        return name


class BudgetTable(Table):
    """``[budget]``: the energy one inference may take on a chip, and how it is enforced.

    Attributes:
        chip: Name of a chip, or path of a chip file.
        limit: pJ per sample; ``"none"``; or a share of the unconstrained energy such as ``"50%"``.
        margin, step, rho: The arguments of ``EnergyBudget``.
    """

    chip: str = "45nm"
    limit: float | str = "none"
    margin: Annotated[float, Field(ge=0, lt=1)] = 0.02
    step: Positive = 0.05
    rho: Positive = 1.0

    @field_validator("chip")
    @classmethod
    def _chip(cls, chip: str) -> str:
        load_chip(chip)
        # A run may be resumed from another folder than it was started in.
        return chip if chip in chip_names() else str(Path(chip).expanduser().resolve())

    @field_validator("limit", mode="before")
    @classmethod
    def _limit(cls, limit: Any) -> float | str:
        if isinstance(limit, str) and limit.strip().lower() == "none":
            return "none"
        share = re.fullmatch(r"\s*([0-9.]+)\s*%\s*", limit) if isinstance(limit, str) else None
        if share:
            return _share(float(share[1]))
        try:
            limit_pj = picojoule(limit)
        except ValueError as error:
            raise ValueError(
                f"{error}; a limit may also be a share of the unconstrained energy such as '50%', "
                "or 'none'"
            ) from None
        if not (limit_pj > 0 and math.isfinite(limit_pj)):
            raise ValueError(
                f"a budget must be finite and above zero, got {limit!r}: give an energy such as "
                "'12 nJ', or 'none' for no budget"
            )
        return limit_pj

    @property
    def chip_file(self) -> Path | None:
        """The path of the user's own chip file; None for a chip that comes with the package."""
        return None if self.chip in chip_names() else Path(self.chip)

    @property
    def share(self) -> float | None:
        """The limit as a share of the unconstrained energy (0 to 1); None if it is no share."""
        is_share = isinstance(self.limit, str) and self.limit.endswith("%")
        return float(str(self.limit)[:-1]) / 100 if is_share else None

    @property
    def limit_pj(self) -> float | None:
        """The limit in pJ; None if it is no energy."""
        return self.limit if isinstance(self.limit, float) else None


def _share(percent: float) -> str:
    if not 0 < percent <= 100:
        raise ValueError(
            f"a share of the unconstrained energy is above 0% and at most 100%, got {percent:g}%"
        )
    return f"{percent:g}%"

"""The tables ``[network]``, ``[train]`` and ``[budget]`` of a recipe."""

from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from picojoule import _toml
from picojoule._names import unknown
from picojoule.energy import COUNTERS, Chip, chip_names, counter, load_chip
from picojoule.networks.architectures import builder, check_options
from picojoule.networks.options import GIVEN
from picojoule.readout import readout
from picojoule.recipe.allowance import Allowance, allowance, plain
from picojoule.recipe.base import Count, Named, Positive, Share, Table, completed
from picojoule.recipe.neuron_table import checked
from picojoule.training.levers import lever
from picojoule.units import format_energy, hertz


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
        return completed(self, builder(self.name), GIVEN)


class TrainTable(Table):
    """``[train]``: epochs, batches, optimizer, learning rate and memory.

    Attributes:
        momentum: Of ``sgd``.
        betas: Of ``adam`` and ``adamw``: what is left of the means of gradients and their squares.
        readout: Name of the function from the network's output to scores, see ``readout``.
        layout: Layout of images in memory; which is faster depends on network and machine.
        choose: Name of the measure that weights are chosen by: ``accuracy`` or ``macro_f1`` (the
            highest), ``mse`` (the lowest); None for accuracy, in regression mean squared error.
        chunk: Steps that go through the network together, to save memory; see ``Sequential``.
    """

    epochs: Count
    batch_size: Count = 64
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    lr: Positive = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Share = 0.9
    betas: list[Share] = Field(default_factory=lambda: [0.9, 0.999], min_length=2, max_length=2)
    schedule: Literal["cosine", "constant"] = "cosine"
    readout: str = "mean"
    choose: Literal["accuracy", "macro_f1", "mse"] | None = None
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
        limit: pJ per sample; a power (``"1 mW"``, with ``rate``); a number (``"200 spikes"``,
            ``"3e4 synops"``); a share of the unconstrained energy (``"50%"``); or ``"none"``.
        limits: In the place of ``limit``, one for each of several chips by name, for ``spikes`` and
            for ``synops``; no shares.
        rate: Samples per second, for limits that are a power.
        margin, step, rho: The arguments of ``EnergyBudget``.
        levers: Names of what training may leave out of the network to stay within the limit, such
            as ``["gates"]``; None for nothing.
    """

    chip: str = "45nm"
    limit: float | str = "none"
    limits: dict[str, float | str] | None = None
    rate: Positive | None = None
    margin: Share = 0.02
    step: Positive = 0.1
    rho: Positive = 4.0
    levers: list[str] | None = None

    @field_validator("chip")
    @classmethod
    def _chip(cls, chip: str) -> str:
        load_chip(chip)
        # A run may be resumed from another folder than it was started in.
        return chip if chip in chip_names() else str(Path(chip).expanduser().resolve())

    @field_validator("limit", mode="before")
    @classmethod
    def _limit(cls, limit: Any) -> float | str:
        return plain(limit)

    @field_validator("limits", mode="before")
    @classmethod
    def _limits(cls, limits: Any) -> Any:
        if limits in (None, "none"):
            return None
        if not isinstance(limits, dict) or not limits:
            raise ValueError(
                "expected a limit for each chip, such as { loihi = '50 nJ', \"45nm-sram\" = '1 uJ' "
                f"}}, got {limits!r}"
            )
        return {on: plain(limit) for on, limit in limits.items()}

    @field_validator("rate", mode="before")
    @classmethod
    def _rate(cls, rate: Any) -> float | None:
        return None if rate in (None, "none") else hertz(rate)

    @model_validator(mode="after")
    def _no_contradiction(self) -> Self:
        if self.limits and self.limit != "none":
            raise ValueError(
                f"budget.limit = {self.limit!r} and budget.limits are both given: put every limit "
                "into budget.limits, or leave them out"
            )
        if self.rate is not None and not any(one.rate_hz for one in self.allowances):
            raise ValueError(
                "budget.rate is for a limit in watts, such as '1 mW', and there is none: leave it "
                "out, or give such a limit"
            )
        for one in self.allowances:
            chip = self.price_list(one.on)
            if one.rate_hz and "steps" in (self.levers or ()):
                raise ValueError(
                    "a limit in watts counts what the chip spends between samples too, of which "
                    "the lever 'steps' saves nothing: leave out that lever, or give the energy "
                    f"per sample, {format_energy(one.limit_pj)} at {one.rate_hz:g} / s"
                )
            if one.rate_hz and "second" not in chip.prices:
                energy = format_energy(one.limit_pj)
                raise ValueError(
                    f"chip '{chip.name}' has no static power (no price of 'second'), so that it "
                    f"cannot give a power: give the energy per sample, {energy} at "
                    f"{one.rate_hz:g} / s, or take a chip that has one"
                )
        return self

    @field_validator("levers", mode="before")
    @classmethod
    def _levers(cls, levers: Any) -> list[str] | None:
        if not levers:
            return None
        if not isinstance(levers, list) or not all(isinstance(name, str) for name in levers):
            raise ValueError(f'expected names in a list, such as ["gates"], got {levers!r}')
        names = [name if ":" in name else lever(name).__name__.lower() for name in levers]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise ValueError(f"'{twice}' is there twice: name each lever once")
        return names

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

    @property
    def allowances(self) -> tuple[Allowance, ...]:
        """Every limit but a share, which is known only after a training without a budget."""
        if self.limits:
            return tuple(allowance(on, limit, self.rate) for on, limit in self.limits.items())
        known = self.limit != "none" and self.share is None
        return (allowance(None, self.limit, self.rate),) if known else ()

    def price_list(self, on: str | None) -> Chip:
        """Returns the chip or counter of an allowance.

        Args:
            on: Its name: that of a chip that comes with the package, of the recipe's own, or of a
                counter; None for the recipe's own chip.

        Raises:
            ValueError: If there is none of that name.
        """
        own = load_chip(self.chip)
        if on in (None, own.name):
            return own
        if on in COUNTERS:
            return counter(on)
        if on in chip_names():
            return load_chip(on)
        known = [own.name, *chip_names(), *COUNTERS]
        raise ValueError(
            unknown("chip of budget.limits", on, known)
            if not _toml.is_path(on)
            else f"budget.limits names chips, and '{on}' is a path: name your chip file by "
            "budget.chip, and its limit by the chip's own name"
        )

"""``[data]`` of a recipe: the data set, and the encoder that makes spikes of it."""

import dataclasses
import inspect
from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, field_validator, model_validator

from picojoule._names import unknown
from picojoule.data import DATASETS, ENCODERS, Augment, Dataset, Encoder, dataset, encoder
from picojoule.recipe.base import Named, Table, check_types, completed, in_seconds


class AugmentTable(Table):
    """``[data.augment]``: random changes of training items, the arguments of ``Augment``.

    Attributes:
        shift, flip, cutout: For images.
        time_shift, mix, drop: For sounds as events, and for event frames.
    """

    shift: Annotated[int, Field(ge=0)] = 0
    flip: bool = False
    cutout: Annotated[int, Field(ge=0)] = 0
    time_shift: Annotated[int, Field(ge=0)] = 0
    mix: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    drop: Annotated[float, Field(ge=0, le=1)] = 0.0

    @property
    def augment(self) -> Augment:
        """The augmentation with these arguments."""
        return Augment(**self.model_dump())


class FoundTable(Table):
    """Properties of the user's own data, noted by a run because its network depends on them."""

    fingerprint: str
    labels: list[str]
    inputs: list[int]
    rate_hz: int | None = None


class DataTable(Table):
    """``[data]``: the data set, and the encoder that makes spikes of it.

    Attributes:
        name: Name of a data set, or path of the user's own TOML file; with a ``folder``, the name
            of a data set of the same modality.
        folder: Folder of the user's own data, or an ``.npz`` file.
        size: Pixels of the shorter side, to which the user's own pictures are scaled.
        hold_out: The speaker whose recordings are the test set.
        skip_bad: Whether to leave out items that cannot be read.
        resample: Whether sounds of another rate are resampled to that of the data set, and several
            channels mixed to one; else they are refused.
        limit: The most items to train on, with the classes in the proportion of all; the splits to
            choose and to test on stay whole.
        encoder: The encoder and its parameters.
        augment: Random changes of training items.
        found: Properties of the user's own data.
    """

    name: str
    folder: str | None = None
    size: Annotated[int, Field(ge=1)] | None = None
    hold_out: str | None = None
    skip_bad: bool = False
    resample: bool = False
    limit: Annotated[int, Field(ge=1)] | None = None
    encoder: Named
    augment: AugmentTable = AugmentTable()
    found: FoundTable | None = None

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        named = dataset(name)
        if name.lower() == named.name and named.name in DATASETS:
            return named.name
        # A file: a run may be resumed from another folder than it was started in.
        return str(Path(name).expanduser().resolve())

    @field_validator("folder")
    @classmethod
    def _absolute(cls, folder: str | None) -> str | None:
        # A run may be resumed from another folder than it was started in.
        return None if folder is None else str(Path(folder).expanduser().resolve())

    @field_validator("encoder")
    @classmethod
    def _encodes(cls, table: Named) -> Named:
        table = in_seconds(table)
        if table.name.lower() in ENCODERS:
            check_types("data.encoder", table.params, ENCODERS[table.name.lower()])
        encoder(table.name, **table.params)
        # The rate is that of the data, which are perhaps not found yet.
        return completed(table, ENCODERS[table.name.lower()], ("rate_hz",))

    @model_validator(mode="after")
    def _fits(self) -> Self:
        named = dataset(self.name)
        if self.hold_out is not None and self.folder is not None:
            raise ValueError("data.hold_out is for named data sets, not for data.folder: drop one")
        if self.hold_out is not None and self.hold_out not in named.speakers:
            if not named.speakers:
                raise ValueError(f"data.hold_out: {self.name} names no speakers: leave it out")
            raise ValueError(unknown(f"speaker of {self.name}", self.hold_out, named.speakers))
        if self.size is not None and (self.folder is None or named.modality != "image"):
            raise ValueError("data.size is for pictures of your own: set data.folder too")
        if self.resample and named.modality != "audio":
            raise ValueError(f"data.resample is for sounds, and {named.name} has none: drop it")
        augment = self.augment.augment
        if named.modality == "image" and augment.is_temporal:
            raise ValueError("data.augment: time_shift, mix and drop are for sounds and events")
        if named.modality == "audio" and augment.is_spatial:
            raise ValueError("data.augment: shift, flip and cutout are for images")
        return self._with_rate()

    @property
    def dataset(self) -> Dataset:
        """The description of the data set, or of the user's own data as they were found."""
        named = dataset(self.name)
        if self.hold_out is not None:
            others = f"validation is of the others; the test set is all of {self.hold_out}"
            return dataclasses.replace(named, division=others)
        if self.found is None:
            return named
        return dataclasses.replace(
            named,
            name=self.folder or named.name,
            division="",
            labels=tuple(self.found.labels),
            inputs=tuple(self.found.inputs),
            rate_hz=self.found.rate_hz,
        )

    def _with_rate(self) -> Self:
        """Returns the table with the rate of the data in its encoder, if it is known and taken."""
        rate_hz, kind = self.dataset.rate_hz, ENCODERS[self.encoder.name.lower()]
        is_known = self.folder is None or self.found is not None
        params = self.encoder.params
        if not is_known or rate_hz is None or "rate_hz" not in inspect.signature(kind).parameters:
            return self
        encoder = self.encoder.model_copy(update={"rate_hz": params.get("rate_hz", rate_hz)})
        return self.model_copy(update={"encoder": encoder})

    def make_encoder(self) -> Encoder:
        """Makes the encoder, at the sampling rate of the data.

        Raises:
            ValueError: If the recipe gives the encoder another rate.
        """
        params, rate_hz = self.encoder.params, self.dataset.rate_hz
        kind = ENCODERS[self.encoder.name.lower()]
        if rate_hz is not None and "rate_hz" in inspect.signature(kind).parameters:
            params.setdefault("rate_hz", rate_hz)
            if params["rate_hz"] != rate_hz:
                raise ValueError(
                    f"data.encoder.rate_hz is {params['rate_hz']}, and {self.dataset.name} has "
                    f"{rate_hz} samples per second: leave it out"
                )
        return encoder(self.encoder.name, **params)

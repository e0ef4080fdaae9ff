"""Chips: what each event costs, as data with a source for every number."""

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)
from torch import Tensor

from picojoule._names import unknown
from picojoule.energy.counts import COUNTS, OpCounts, Sizes
from picojoule.energy.estimate import Energy


class Price(BaseModel):
    """What one count costs: ``pj + pj_per_bit * bits`` of the array it goes to.

    Attributes:
        pj: Picojoule per count (for ``second``: per second, which is pW).
        pj_per_bit: Picojoule per bit of the array.
        array: Which array of the layer: ``"weights"``, ``"bias"``, ``"inputs"``, ``"potentials"``.
        fifo: Entries of the queue that takes the array's place where events go in or out.
        low: The low end of published values of ``pj``; ``pj`` where left out.
        high: The high end.
        source: Where the number is published.
        note: What the reader should know of it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)
    pj: float = Field(ge=0, allow_inf_nan=False)
    pj_per_bit: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    array: Literal["weights", "bias", "inputs", "potentials"] | None = None
    fifo: int | None = Field(default=None, ge=1)
    low: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    high: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    source: str = Field(min_length=1)
    note: str = ""

    @model_validator(mode="after")
    def _consistent(self) -> "Price":
        if self.pj_per_bit and self.array is None and self.fifo is None:
            raise ValueError("pj_per_bit needs an array (or fifo) whose bits to take")
        if not (self.pj if self.low is None else self.low) <= self.pj:
            raise ValueError("low must not be above pj")
        if not self.pj <= (self.pj if self.high is None else self.high):
            raise ValueError("high must not be below pj")
        return self

    def at(self, sizes: Sizes, word_bits: int) -> tuple[float, float, float]:
        """Picojoule of one count in a layer of these sizes, with its low and its high end."""
        words = 0 if self.array is None else getattr(sizes, self.array)
        if self.fifo is not None and (sizes.events or self.array is None):
            words = self.fifo
        access = self.pj_per_bit * words * word_bits
        ends = (self.pj, self.low, self.high)
        return tuple((self.pj if end is None else end) + access for end in ends)  # pyright: ignore


def _shape(entry: Any) -> str:
    """Whether an entry is one price or a table of them, so that errors name the right key."""
    parts = entry.values() if isinstance(entry, dict) else ()
    return "<types>" if parts and all(isinstance(p, (dict, Price)) for p in parts) else "<price>"


Entry = Annotated[
    Annotated[Price, Tag("<price>")] | Annotated[dict[str, Price], Tag("<types>")],
    Discriminator(_shape),
]


class Chip(BaseModel):
    """A price list.

    Attributes:
        name: By which it is found.
        description: Node, precision, simulated or measured, what is not covered.
        scope: ``"per-operation"``, or ``"all-in"``: one price that holds everything.
        excluded: Counts that the list leaves out on purpose.
        word_bits: Bits of a word in memory.
        prices: By count, a price or a price for each type of neuron (``price`` in the file).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    scope: Literal["per-operation", "all-in"] = "per-operation"
    excluded: tuple[str, ...] = ()
    word_bits: int = Field(default=32, ge=1)
    prices: dict[str, Entry] = Field(alias="price", min_length=1)

    @model_validator(mode="after")
    def _known(self) -> "Chip":
        for name in (*self.prices, *self.excluded):
            if name not in COUNTS:
                raise ValueError(unknown("count", name, COUNTS))
        if both := set(self.prices) & set(self.excluded):
            raise ValueError(f"{', '.join(sorted(both))}: both priced and excluded")
        if self.scope == "all-in" and len(self.prices) != 1:
            raise ValueError(
                "an all-in figure already holds everything: it must be the only price, got "
                + ", ".join(self.prices)
            )
        return self

    def find(self, count: str, sizes: Sizes) -> Price | None:
        """The price of a count in a layer of these sizes, None where there is none."""
        entry = self.prices.get(count)
        return entry.get(sizes.neuron) if isinstance(entry, dict) else entry

    def price(self, counts: dict[str, OpCounts]) -> Energy:
        """What these counts cost.

        Args:
            counts: By layer, as ``Meter.counts`` gives them.

        Returns:
            Energy per sample in pJ; linear in the counts, with their graph.
        """
        by_layer: dict[str, Tensor] = {}
        by_kind: dict[str, Tensor] = {}
        excluded: dict[str, Tensor] = {}
        unpriced: dict[str, Tensor] = {}
        totals = [torch.zeros((), dtype=torch.float64) for _ in range(4)]
        for layer, done in counts.items():
            hidden = {} if done.hidden is None else dict(done.hidden.items())
            for count, number in done.items():
                price = self.find(count, done.sizes)
                if price is None:
                    put = excluded if count in self.excluded else unpriced
                    put[count] = put.get(count, 0) + number.detach()
                    continue
                pj, low, high = price.at(done.sizes, self.word_bits)
                cost = number * pj
                by_layer[layer] = by_layer.get(layer, 0) + cost
                by_kind[count] = by_kind.get(count, 0) + cost
                flat = number.detach()
                fixed = flat - hidden[count].detach() if count in hidden else flat
                parts = (cost, fixed * pj, flat * low, flat * high)
                totals = [total + part for total, part in zip(totals, parts, strict=True)]
        total, floor, low, high = totals
        return Energy(total, floor, low, high, by_layer, by_kind, excluded, unpriced)


_FILE_KEYS = ("name", "description", "scope", "excluded", "word_bits", "price")
_CHIPS = resources.files("picojoule.energy") / "chips"


def chip_names() -> list[str]:
    """The names of the chips that come with picojoule."""
    return sorted(file.name[:-5] for file in _CHIPS.iterdir() if file.name.endswith(".toml"))


def load_chip(name: str | Path) -> Chip:
    """A chip by name, or from a user's own TOML file.

    Args:
        name: One of ``chip_names()``, or the path of a file.

    Raises:
        ValueError: No chip of that name, or a file that is not a valid price list; the message
            names the file and the key.
        FileNotFoundError: A path where there is no file.
    """
    if str(name) in chip_names():
        return parse_chip((_CHIPS / f"{name}.toml").read_text("utf-8"), f"{name}.toml")
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        raise ValueError(unknown("chip", str(name), chip_names()) + ", or the path of a .toml file")
    if not path.is_file():
        raise FileNotFoundError(f"no chip file at {path}")
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error}") from error
    return parse_chip(text, str(path))


def parse_chip(text: str, file: str) -> Chip:
    """A chip from the text of its file; ``file`` is named in errors."""
    try:
        return Chip.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{file} is not valid TOML: {error}") from error
    except ValidationError as error:
        lines = [f"{file}: {_explained(problem)}" for problem in error.errors()]
        raise ValueError("\n".join(lines)) from error


def _explained(problem: Any) -> str:
    """One of pydantic's errors: the key, what is wrong, and what to do."""
    keys = [str(key) for key in problem["loc"] if key not in ("<price>", "<types>")]
    where = ".".join(keys) or "chip"
    if problem["type"] == "missing":
        why = ": every number needs the place where it is published" if keys[-1] == "source" else ""
        return f"{where} is missing{why}"
    if problem["type"] == "extra_forbidden":
        known = Price.model_fields if len(keys) > 1 else _FILE_KEYS
        return unknown("key", where, [".".join([*keys[:-1], name]) for name in known])
    return f"{where}: {problem['msg'].removeprefix('Value error, ')}"

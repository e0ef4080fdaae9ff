"""Prices of single counts, with a source for every number."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator
from pydantic_core.core_schema import ValidationInfo

from picojoule.energy.counts import Sizes


class Price(BaseModel):
    """Price of one count: ``pj + pj_per_bit * bits`` of the array that is accessed.

    Attributes:
        pj: Picojoule per count (for ``second``: per second, which is pW).
        low: Low end of the published values of ``pj``; None for ``pj``.
        high: High end of the published values of ``pj``; None for ``pj``.
        array: Array of the layer: ``"weights"``, ``"bias"``, ``"inputs"`` or ``"potentials"``.
        fifo: Entries of the queue that takes the array's place if events go in or out.
        pj_per_bit: Picojoule per bit of the array.
        source: Publication of the number.
        note: Note for the reader.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, str_strip_whitespace=True)
    pj: float = Field(ge=0, allow_inf_nan=False)
    low: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    high: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    array: Literal["weights", "bias", "inputs", "potentials"] | None = None
    fifo: int | None = Field(default=None, ge=1)
    pj_per_bit: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    source: str = Field(min_length=1)
    note: str = ""

    # Validators of fields, not of the record, so that all mistakes of a price are named at once.
    @field_validator("low")
    @classmethod
    def _at_most(cls, low: float | None, others: ValidationInfo) -> float | None:
        if low is not None and low > others.data.get("pj", low):
            raise ValueError("low must not be above pj")
        return low

    @field_validator("high")
    @classmethod
    def _at_least(cls, high: float | None, others: ValidationInfo) -> float | None:
        if high is not None and high < others.data.get("pj", high):
            raise ValueError("high must not be below pj")
        return high

    @field_validator("pj_per_bit")
    @classmethod
    def _of_something(cls, pj_per_bit: float, others: ValidationInfo) -> float:
        nothing = all(others.data.get(name, "wrong") is None for name in ("array", "fifo"))
        if pj_per_bit and nothing:
            raise ValueError("pj_per_bit needs an array (or fifo) whose bits to take")
        return pj_per_bit

    @property
    def ends(self) -> tuple[float, float, float]:
        """Values of ``pj`` and of its low and high end."""
        low = self.pj if self.low is None else self.low
        return self.pj, low, self.pj if self.high is None else self.high

    def times(self, factor: float) -> "Price":
        """Returns the price times a factor, with its ends."""
        pj, low, high = (end * factor for end in self.ends)
        access = self.pj_per_bit * factor
        return self.model_copy(update={"pj": pj, "low": low, "high": high, "pj_per_bit": access})

    def at(self, sizes: Sizes, word_bits: int) -> tuple[float, float, float]:
        """Returns the picojoule of one count in a layer of these sizes, with their ends."""
        words = 0 if self.array is None else getattr(sizes, self.array)
        if self.fifo is not None and (sizes.events or self.array is None):
            words = self.fifo
        access = self.pj_per_bit * words * word_bits
        pj, low, high = self.ends
        return pj + access, low + access, high + access


def is_by_type(entry: Any) -> bool:
    """Tells whether an entry, or a file's table for it, holds a price for each type of neuron."""
    parts = entry.values() if isinstance(entry, dict) else ()
    return bool(parts) and all(isinstance(part, (dict, Price)) for part in parts)


# One price, or one for each type of neuron; told apart first, so that errors name the right key.
Entry = Annotated[
    Annotated[Price, Tag("<price>")] | Annotated[dict[str, Price], Tag("<types>")],
    Discriminator(lambda entry: "<types>" if is_by_type(entry) else "<price>"),
]


def with_fewer_bits(mac: Price, ac: Price, share: float) -> Price:
    """Returns the price of a multiply-accumulate by a value of a share of a word's bits.

    A multiplier adds one shifted weight for each bit of the value, and an accumulate is its last
    addition, so that the cost of a MAC above that of an accumulate is proportional to the bits.
    """
    ends = [one + (all_bits - one) * share for all_bits, one in zip(mac.ends, ac.ends, strict=True)]
    pj, low, high = ends[0], min(ends), max(ends)
    return mac.model_copy(update={"pj": pj, "low": low, "high": high})

"""Chips: price lists, and the energy of counts by them."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor

from picojoule._names import unknown
from picojoule.energy.chips.estimate import Energy, Sums
from picojoule.energy.chips.precision import precision_of
from picojoule.energy.chips.price import Entry, Price, is_by_type, with_fewer_bits
from picojoule.energy.counts import COUNTS, OpCounts, Sizes

Scope = Literal["per-operation", "all-in"]
Evidence = Literal["measured", "simulated", "estimated"]


class Chip(BaseModel):
    """Price list of a chip.

    Attributes:
        name: Name by which it is found.
        description: Description, with what the list does not cover.
        node: Process, and supply if it is known: ``"45 nm CMOS, 0.9 V"``.
        precision: Precision of the operations that are priced: ``"fp32"``, ``"int8"``.
        evidence: ``"measured"`` on silicon, ``"simulated"`` before it, or ``"estimated"`` (worked
            out, or of unknown origin): the weakest evidence of its prices.
        scope: ``"per-operation"``, or ``"all-in"``: one price per accumulate that holds everything.
        excluded: Counts that the list leaves out on purpose.
        word_bits: Bits of a word in memory.
        prices: For each count, a price or a price for each type of neuron (``price`` in the file).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, str_strip_whitespace=True)
    name: str = Field(min_length=1)
    description: str = Field(min_length=1)
    node: str = Field(min_length=1)
    precision: str = Field(min_length=1)
    evidence: Evidence
    scope: Scope = "per-operation"
    excluded: tuple[str, ...] = ()
    word_bits: int = Field(default=32, ge=1)
    prices: dict[str, Entry] = Field(alias="price", min_length=1)

    @model_validator(mode="after")
    def _consistent(self) -> "Chip":
        for _, message in conflicts(self.prices, self.excluded, self.scope):
            raise ValueError(message)
        return self

    @property
    def unpriced(self) -> tuple[str, ...]:
        """Counts that the list neither prices nor leaves out on purpose."""
        return tuple(n for n in COUNTS if n not in self.prices and n not in self.excluded)

    def each_price(self) -> Iterator[tuple[str, str, Price]]:
        """Yields each price with its count and its type of neuron (empty if it is for all)."""
        for count, entry in self.prices.items():
            for neuron, price in ({"": entry} if isinstance(entry, Price) else entry).items():
                yield count, neuron, price

    def find(self, count: str, sizes: Sizes) -> Price | None:
        """Returns the price of a count in a layer of these sizes; None if there is none."""
        entry = self.prices.get(count)
        return entry.get(sizes.neuron) if isinstance(entry, dict) else entry

    def quantised(self, bits: int) -> "Chip | None":
        """Returns the chip for activations of ``bits`` bits and weights of whole words.

        Its ``mac`` costs ``ac + (mac - ac) * (bits - 1) / (word_bits - 1)``: a product by one bit
        is an accumulate, and each further bit adds one of the additions of a full product. If the
        price of an input or output depends on the size of an array, the array has ``bits`` bits.

        Returns:
            The chip, or None if it has no price of ``mac`` or ``ac``.
        """
        mac, ac = self.prices.get("mac"), self.prices.get("ac")
        if not (isinstance(mac, Price) and isinstance(ac, Price)):
            return None
        share = min(1.0, bits / self.word_bits)
        more = min(1.0, (bits - 1) / max(1, self.word_bits - 1))
        changed: dict[str, Entry] = {"mac": with_fewer_bits(mac, ac, more)}
        for count in ("event_read", "output_write"):
            if isinstance(price := self.prices.get(count), Price):
                update = {"pj_per_bit": price.pj_per_bit * share}
                changed[count] = price.model_copy(update=update)
        return self.model_copy(update={"prices": {**self.prices, **changed}})

    def at_rate(self, rate_hz: float, *, sample_s: float) -> "Chip":
        """Returns the chip for samples that come at a rate, which is on between them, too.

        Static power is then spent from one sample to the next: each price of ``second`` is
        multiplied by the time from one to the next over the duration of a sample. If samples come
        faster than they last (on several copies, or sped up), each spends its own duration.

        Args:
            rate_hz: Samples per second; above 0.
            sample_s: Mean duration of a sample in seconds, its steps times ``dt``; above 0.

        Raises:
            ValueError: If it has no price of ``second``: then a power would leave out that part.
        """
        entry = self.prices.get("second")
        if entry is None:
            raise ValueError(
                f"chip '{self.name}' has no static power (no price of 'second'), so that it cannot "
                "give a power: give an energy per sample, or take a chip that has one"
            )
        share = max(1.0, 1 / (rate_hz * sample_s))
        one = isinstance(entry, Price)
        idle = entry.times(share) if one else {key: p.times(share) for key, p in entry.items()}
        return self.model_copy(update={"prices": {**self.prices, "second": idle}})

    def price(self, counts: dict[str, OpCounts]) -> Energy:
        """Prices counts.

        Args:
            counts: Counts by layer, as ``Meter.counts`` gives them.

        Returns:
            Energy per sample in pJ; linear in the counts, with their graph. If a count is priced
            by type of neuron and a layer's type is not among them, ``unpriced`` names both:
            ``"spike.LIF"``.
        """
        by_layer: dict[str, Tensor] = {}
        by_kind: dict[str, Tensor] = {}
        excluded, unpriced = Sums(), Sums()
        sums: dict[str, Tensor] = {}
        for layer, done in counts.items():
            hidden = {} if done.hidden is None else dict(done.hidden.items())
            for count, number in done.items():
                price = self.find(count, done.sizes)
                if price is None:
                    put = excluded if count in self.excluded else unpriced
                    put.add(self._missing(count, done.sizes), number)
                    continue
                pj, low, high = price.at(done.sizes, self.word_bits)
                cost = number * pj
                for put, name in ((by_layer, layer), (by_kind, count), (sums, "total")):
                    _add(put, name, cost)
                flat = cost.detach()
                _add(sums, "low", flat if low == pj else number.detach() * low)
                _add(sums, "high", flat if high == pj else number.detach() * high)
                if count not in hidden:
                    _add(sums, "floor", flat)
                elif hidden[count] is not number:
                    _add(sums, "floor", (number - hidden[count]).detach() * pj)
        total = sums.get("total", torch.zeros((), dtype=torch.float64))
        nothing = torch.zeros_like(total, requires_grad=False)
        floor, low, high = (sums.get(name, nothing) for name in ("floor", "low", "high"))
        said = (self.name, self.precision, precision_of(counts.values()))
        return Energy(total, floor, low, high, by_layer, by_kind, excluded, unpriced, *said)

    def _missing(self, count: str, sizes: Sizes) -> str:
        """Names what has no price: a count, or a count of one type of neuron."""
        return f"{count}.{sizes.neuron}" if count in self.prices and sizes.neuron else count


def _add(sums: dict[str, Tensor], name: str, value: Tensor) -> None:
    sums[name] = sums[name] + value if name in sums else value


def conflicts(
    prices: Mapping[str, Any], excluded: Iterable[str], scope: str
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Finds contradictions in a price list; yields the key and the message of each.

    Args:
        prices: For each count, a ``Price`` or what a file has in its place.
        excluded: Counts that the list leaves out.
        scope: Scope as in ``Chip``.
    """
    for name in prices:
        if name not in COUNTS:
            yield ("price", name), unknown("count", name, COUNTS)
    for name in excluded:
        if name not in COUNTS:
            yield ("excluded",), unknown("count", name, COUNTS)
        elif name in prices:
            yield ("excluded",), f"{name} is both priced and excluded"
    if scope != "all-in":
        return
    for name, entry in prices.items():
        if name != "ac" or is_by_type(entry):
            told = f"{name} by type of neuron" if is_by_type(entry) else name
            message = (
                "an all-in figure already holds everything: one price of ac, for all neurons, must "
                f"be the only price, got {told}"
            )
            yield ("price", name), message

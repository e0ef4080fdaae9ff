"""A page for each chip that comes with picojoule, made from its file."""

from making.markdown import table
from picojoule.energy import Chip, Price, chip_names, load_chip

INDEX = """\
# Chips

A chip is a list of prices; [your own](../your-own-chip.md) is a file of the same form.
`make docs` makes these pages from the files, and every number in them has its source.
`pj chips show NAME` prints the same.

*Per-operation* files price single operations, which are summed. *All-in* files have one published
figure, a whole chip's energy divided by its synaptic operations, to which nothing may be added. The
evidence is *measured* on silicon, *simulated* before it, or *estimated*: derived from other
figures, or of unknown origin.

Do not rank chips by this table. The figures are of different processes, voltages, precisions and
workloads, they contain different parts of a chip, and the definition of a synaptic operation
differs too. `pj measure RUN --chip all` shows the energy of one network on each chip, and what
each leaves out.

"""


def pages() -> dict[str, str]:
    """The text of every page, by file name."""
    chips = [load_chip(name) for name in chip_names()]
    return {f"{chip.name}.md": page(chip) for chip in chips} | {"README.md": index(chips)}


def index(chips: list[Chip]) -> str:
    """All chips in one table."""
    rows = [
        (
            f"[`{chip.name}`]({chip.name}.md)",
            chip.node,
            chip.precision,
            chip.evidence,
            chip.scope,
            accumulate(chip),
        )
        for chip in chips
    ]
    columns = ("chip", "node", "precision", "evidence", "scope", "an accumulate, pJ")
    return INDEX + table(columns, rows)


def page(chip: Chip) -> str:
    """One chip."""
    facts = (
        ("node", chip.node),
        ("precision", chip.precision),
        ("evidence", chip.evidence),
        ("scope", chip.scope),
        ("word", f"{chip.word_bits} bits"),
    )
    prices = [
        (f"`{count}`" + (f" of {neuron}" if neuron else ""), *cells(price))
        for count, neuron, price in chip.each_price()
    ]
    return "\n".join(
        [
            f"# {chip.name}\n",
            f"{chip.description}\n",
            table(("", ""), facts),
            "Prices in pJ for one of each count; of `second`, in pW.\n",
            table(("count", "pJ", "low to high", "note", "source"), prices),
            f"Left out on purpose: {listed(chip.excluded)}.\n",
            f"No price, and listed as such: {listed(chip.unpriced)}.\n",
            "[All chips](README.md) · "
            "[what each count is](../your-own-chip.md#what-can-be-priced)\n",
        ]
    )


def cells(price: Price) -> tuple[str, str, str, str]:
    """A price, its range, its note and its source."""
    pj = f"{price.pj:g}"
    if price.pj_per_bit:
        array = [price.array] if price.array else []
        queue = [f"a queue of {price.fifo} words"] if price.fifo else []
        pj += f" + {price.pj_per_bit:g} per bit of {' or '.join(array + queue)}"
    _, low, high = price.ends
    return pj, "" if low == high else f"{low:g} to {high:g}", price.note, price.source


def accumulate(chip: Chip) -> str:
    """What an accumulate costs."""
    price = chip.prices.get("ac")
    if not isinstance(price, Price):
        return "no price"
    pj, band, *_ = cells(price)
    return f"{pj} ({band})" if band else pj


def listed(counts: tuple[str, ...]) -> str:
    """Counts in a sentence."""
    return ", ".join(f"`{count}`" for count in counts) or "nothing"

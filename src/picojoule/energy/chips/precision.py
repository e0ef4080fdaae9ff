"""The precision of prices beside that of the network they are for."""

from collections.abc import Iterable

from picojoule.energy.counts import OpCounts

# Names of one type of number: as price lists have them, and as torch does.
_SAME = {"fp64": "float64", "fp32": "float32", "fp16": "float16", "bf16": "bfloat16"}


def precision_of(counts: Iterable[OpCounts]) -> str:
    """Returns the type of a network's numbers, or its types; empty if nothing is known of them."""
    return " and ".join(sorted({one.sizes.dtype for one in counts} - {""}))


def priced_for(prices: str, network: str) -> str:
    """Words the precision of prices, with a mark if the network has another.

    Args:
        prices: The precision of the prices, as a chip file says it.
        network: That of the network; empty if it is not known.

    Example:
        >>> priced_for("fp32", "float32"), priced_for("int8", "float32")
        ('fp32', 'prices int8, network float32')
    """
    said = prices.lower()
    if not (prices and network) or _SAME.get(said, said) == network:
        return prices
    # "prices not said" would read as if there were none.
    return f"{'precision' if said == 'not said' else 'prices'} {prices}, network {network}"

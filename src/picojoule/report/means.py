"""Words for the configurations of a sweep: what they set, and their means over seeds."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from picojoule.targets import rounded
from picojoule.units import format_energy

Row = Mapping[str, Any]


def short_keys(keys: Sequence[str]) -> list[str]:
    """Returns the last part of each key, of a name what it is of; whole keys if two are alike.

    Example:
        >>> short_keys(["budget.limit", "network.neuron.name"])
        ['limit', 'neuron']
    """
    last = [key.removesuffix(".name").rpartition(".")[2] for key in keys]
    return last if len(set(last)) == len(keys) else list(keys)


def setting(row: Row, key: str) -> str:
    """Words what a configuration sets, with its numbers rounded if they have many digits.

    Example:
        >>> setting({"train.lr": "0.0026938830192854116"}, "train.lr")
        '0.002694'
    """
    return re.sub(r"\d+\.\d{5,}(e[+-]?\d+)?", lambda one: f"{float(one[0]):.4g}", str(row[key]))


def measured(row: Row, measure: str) -> str:
    """Words the mean of a measure and its standard deviation; nothing if there is none.

    Example:
        >>> measured({"accuracy": 0.93, "accuracy_std": 0.016}, "accuracy")
        '0.930 ± 0.016'
    """
    if row[measure] is None:
        return ""
    deviation = row[f"{measure}_std"]
    spread = "" if deviation is None else f" ± {rounded(measure, deviation)}"
    return rounded(measure, row[measure]) + spread


def spent(row: Row) -> str:
    """Words the mean energy and its standard deviation, in one unit.

    Example:
        >>> spent({"energy_pj": 13_500.0, "energy_pj_std": 580.0})
        '13.5 ± 0.58 nJ'
    """
    mean, deviation = row["energy_pj"], row["energy_pj_std"]
    if not (mean and deviation):
        return format_energy(mean)
    number, unit = format_energy(mean).split(" ")
    return f"{number} ± {deviation * float(number) / mean:.2g} {unit}"

"""The table of a sweep for a paper, in LaTeX with booktabs."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from picojoule.report.means import setting
from picojoule.targets import MEASURES, is_share

_ESCAPED = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: f"\\{sign}" for sign in "&%$#_{}"},
}
_UNITS = {"mJ": 1e9, r"\textmu J": 1e6, "nJ": 1e3, "pJ": 1.0}


def escaped(text: str) -> str:
    r"""Returns a text with every sign escaped that LaTeX would read.

    Example:
        >>> print(escaped("a_b & 50%"))
        a\_b \& 50\%
    """
    return re.sub(r"[\\~^<>&%$#_{}]", lambda sign: _ESCAPED[sign[0]], text)


def booktabs(found: Sequence[Mapping[str, Any]], keys: Sequence[str], measure: str) -> str:
    """Writes a table with a row for each configuration: mean ± standard deviation over seeds.

    Measures and energies are of the test split; shares, such as accuracies, are in percent.

    Args:
        found: Configurations as ``results.configurations`` makes them.
        keys: What they set.
        measure: Name of the measure.
    """
    most_pj = max((row["energy_pj"] for row in found), default=0.0)
    unit = next((name for name, size in _UNITS.items() if most_pj >= size), "pJ")
    heads = [*(escaped(key) for key in keys), "seeds", _head(measure)]
    heads += [f"energy ({unit})", "limit met"]
    lines = [
        "% needs \\usepackage{booktabs}; mean and sample standard deviation over seeds",
        f"\\begin{{tabular}}{{{'l' * len(keys)}rrrr}}",
        r"\toprule",
        " & ".join(heads) + r" \\",
        r"\midrule",
        *(_line(row, keys, measure, _UNITS[unit]) for row in found),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    return "\n".join(lines) + "\n"


def _head(measure: str) -> str:
    return MEASURES[measure] + (r" (\%)" if is_share(measure) else "")


def _line(row: Mapping[str, Any], keys: Sequence[str], measure: str, size: float) -> str:
    cells = [escaped(setting(row, key)) for key in keys]
    met = "--" if row["met"] is None else f"{row['met']} of {row['seeds']}"
    outcome = _spread(row, measure, *((100, ".2f") if is_share(measure) else (1, ".3g")))
    cells += [str(row["seeds"]), outcome, _spread(row, "energy_pj", 1 / size, ".2f")]
    return " & ".join([*cells, met]) + r" \\"


def _spread(row: Mapping[str, Any], name: str, factor: float, form: str) -> str:
    """Words a mean, with its standard deviation if there is one."""
    if row[name] is None:
        return "--"
    mean, deviation = row[name] * factor, row[f"{name}_std"]
    if deviation is None:
        return f"{mean:.3g}"
    return f"${mean:{form}} \\pm {deviation * factor:{form}}$"

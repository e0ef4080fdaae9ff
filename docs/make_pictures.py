"""Draws what each neuron answers to a step and to a chirp.

Run it after a change of a neuron, in the root of the repository: ``python docs/make_pictures.py``.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import picojoule as pj

HERE = Path(__file__).parent / "pictures"
STEPS = 320
WIDTH, PANEL, GAP, LEFT = 720, 320, 30, 25
ROWS = {"current": (34, 74), "state": (92, 192), "output": (206, 224)}  # top and bottom, in pixels
HEIGHT = 250
GREY, BLUE, GREEN, RED, DARK = "#888", "#1f6feb", "#1a7f37", "#d1242f", "#333"


@dataclass(frozen=True)
class Picture:
    """What is drawn of a neuron.

    Attributes:
        make: Makes one neuron, or a mixture of one of each kind.
        caption: With which parameters.
        step: The current from a tenth of the time on.
        chirp: Amplitude of the sine of rising frequency.
        hertz: The frequency it ends with; it starts with almost none.
        shown: Which field of the state is drawn; in a mixture, that of each kind.
    """

    make: Callable[[], pj.Neuron]
    caption: str
    step: float
    chirp: float
    hertz: float = 40.0
    shown: str = "membrane"


def adlif() -> pj.Neuron:
    """An AdLIF neuron in the middle of its ranges."""
    adaptation = pj.Adaptation(tau=(0.18, 0.18), a=(0.5, 0.5), b=(1.0, 1.0))
    return pj.AdLIF(1, tau=(15e-3, 15e-3), adaptation=adaptation)


def lnm() -> pj.Neuron:
    """A neuron of a polynomial that is steeper above zero."""
    neuron = pj.LNM(degree=2)
    for coefficient, value in zip(neuron.theta, (0.0, 0.9, 0.09), strict=True):
        coefficient.data.fill_(value)
    return neuron


def mixture() -> pj.Neuron:
    """An integrator, and a resonator that answers to 20 Hz alone."""
    return pj.Mixture({pj.LIF: 1, partial(pj.RF, omega=2 * math.pi * 20): 1})


MIXED = "membrane imaginary"
PICTURES = {
    "IF": Picture(pj.IF, "threshold 1", 0.03, 0.06),
    "LIF": Picture(pj.LIF, "tau 20 ms", 0.07, 0.12),
    "PLIF": Picture(lambda: pj.PLIF(tau=20e-3), "tau 20 ms at the start", 1.4, 2.4),
    "CubaLIF": Picture(pj.CubaLIF, "tau 20 ms, tau_synapse 5 ms", 0.014, 0.03),
    "LI": Picture(pj.LI, "tau 20 ms", 0.05, 0.1),
    "ALIF": Picture(
        lambda: pj.ALIF(threshold=0.5, strength=10.0), "threshold 0.5, strength 10", 2.0, 4.0
    ),
    "AdLIF": Picture(adlif, "tau 15 ms and 180 ms, a 0.5, b 1", 12.0, 2.5, 60.0),
    "RF": Picture(
        lambda: pj.RF(omega=2 * math.pi * 20), "20 Hz, b -10", 0.08, 0.05, shown="imaginary"
    ),
    "BRF": Picture(
        lambda: pj.BRF(1, omega=10.0, b_offset=1.0),
        "omega 10 (1.6 Hz), b_offset 1",
        *(9.0, 5.0, 4.0),
        shown="real",
    ),
    "HRF": Picture(
        lambda: pj.HRF(1, omega=10.0, b_offset=1.0),
        "omega 10 (1.6 Hz), b_offset 1",
        *(14.0, 6.0, 4.0),
        shown="velocity",
    ),
    "MultiLevelIF": Picture(pj.MultiLevelIF, "4 levels", 0.4, 0.9),
    "Barrier": Picture(pj.Barrier, "4 levels", 1.3, 3.0),
    "LNM": Picture(lnm, "0.9 v + 0.09 v^2", 0.07, 0.12),
    "Mixture": Picture(mixture, "a LIF (blue) and an RF (green)", 0.07, 0.08, 60.0, MIXED),
}


def main() -> None:
    """Writes a picture for each neuron."""
    HERE.mkdir(exist_ok=True)
    for name, picture in PICTURES.items():
        (HERE / f"{name.lower()}.svg").write_text(drawn(name, picture), encoding="utf-8")


def drawn(name: str, picture: Picture) -> str:
    """The picture as SVG: left the answer to a step, right the one to a chirp."""
    neuron = picture.make()
    time = torch.arange(STEPS) * neuron.dt
    end = STEPS * neuron.dt
    step = picture.step * (time >= end / 10)
    chirp = picture.chirp * torch.sin(math.pi * picture.hertz / end * time**2)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'font-family="sans-serif" font-size="11" fill="{DARK}">',
        f"<title>{name}: the answers to a step and to a chirp</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        *panel(neuron, picture, step, LEFT, f"{name}, {picture.caption}: step"),
        *panel(neuron, picture, chirp, LEFT + PANEL + GAP, f"chirp, 0 to {picture.hertz:g} Hz"),
        "</svg>\n",
    ]
    return "\n".join(parts)


@torch.no_grad()
def panel(neuron: pj.Neuron, picture: Picture, current: Tensor, left: int, title: str) -> list[str]:
    """One half: the current, a state, and the output."""
    steps = current.view(-1, 1, 1).expand(-1, 1, len(picture.shown.split()))
    state, outs, states = neuron.init_state(steps[0]), [], []
    for one in steps:
        out, state = neuron.step(one, state)
        outs.append(out.flatten().tolist())
        states.append(shown(state, picture))
    threshold = neuron.threshold.max().item() if hasattr(neuron, "threshold") else None
    parts = [
        f'<text x="{left}" y="18">{title}</text>',
        line("current", current.tolist(), left, GREY),
        label("current", left),
        label(picture.shown, left, "state"),
    ]
    for values, colour in zip(zip(*states, strict=True), (BLUE, GREEN), strict=False):
        low, high = min(0.0, *values), max(*values, threshold or 0.0)
        parts.append(line("state", values, left, colour, low, high))
    if threshold is not None:
        y = height("state", threshold, low, high)
        parts.append(
            f'<path d="M{left} {y:.1f}h{PANEL}" stroke="{DARK}" stroke-dasharray="4 4" '
            'stroke-width=".7"/>'
        )
    if neuron.output == "analog":
        parts.append(label("its output is its membrane", left, "output"))
    else:
        parts += [label("spikes", left, "output"), *ticks(outs, left)]
    seconds = STEPS * neuron.dt
    parts.append(
        f'<text x="{left + PANEL}" y="{HEIGHT - 4}" text-anchor="end">{seconds:g} s</text>'
    )
    return parts


def shown(state: Any, picture: Picture) -> list[float]:
    """What is drawn of a state: one number, or one for each kind of a mixture."""
    kinds = getattr(state, "kinds", (state,))
    fields = picture.shown.split()
    return [getattr(kind, field).item() for kind, field in zip(kinds, fields, strict=True)]


def height(row: str, value: float, low: float, high: float) -> float:
    """Where a value is drawn in a row, in pixels from the top."""
    top, bottom = ROWS[row]
    return bottom - (bottom - top) * (value - low) / ((high - low) or 1.0)


def line(
    row: str,
    values: Sequence[float],
    left: int,
    colour: str,
    low: float | None = None,
    high: float | None = None,
) -> str:
    """A curve over the width of a panel."""
    low, high = min(values) if low is None else low, max(values) if high is None else high
    points = " ".join(
        f"{left + PANEL * i / STEPS:g},{height(row, value, low, high):.1f}"
        for i, value in enumerate(values)
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}"/>'


def ticks(outs: list[list[float]], left: int) -> list[str]:
    """A mark for every step with a spike, as high as its level; two neurons below one another."""
    top, bottom = ROWS["output"]
    colours = (RED,) if len(outs[0]) == 1 else (BLUE, GREEN)
    part, marks = (bottom - top) / len(colours), []
    for k, (own, colour) in enumerate(zip(zip(*outs, strict=True), colours, strict=True)):
        highest, foot = max(*own, 1.0), top + part * (k + 1)
        path = "".join(
            f"M{left + PANEL * i / STEPS:g} {foot:g}v{-part * out / highest:.1f}"
            for i, out in enumerate(own)
            if out
        )
        marks.append(f'<path d="{path}" stroke="{colour}"/>')
    return marks


def label(text: str, left: int, row: str | None = None) -> str:
    """What a row shows."""
    y = ROWS[row or text][1] + 11
    return f'<text x="{left}" y="{y}" fill="{GREY}" font-size="9">{text}</text>'


if __name__ == "__main__":
    main()

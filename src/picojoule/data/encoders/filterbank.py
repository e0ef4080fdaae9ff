"""Sound as events: mel bands, and what their energies do."""

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from picojoule.data.encoders.base import Encoder, check_count
from picojoule.data.split import Split
from picojoule.data.zeros import Zeros

logger = logging.getLogger(__name__)

_WINDOW_S = 25e-3
# The quietest energy that is told from silence, as a share of the loudest (-50 dB).
_FLOOR = 1e-5


@dataclass(frozen=True, kw_only=True)
class Filterbank(Encoder):
    """Events at steps at which the energy of a mel band is above a height, or has risen or fallen.

    The energies ``e`` of ``bands`` triangular mel bands from 0 to half the rate, in windows of 25
    ms, are taken to a logarithm and to the recording's own mean 0 and standard deviation 1 (over
    all its bands and windows, so that loudness does not matter): ``z = (log(e + f) - mean) / std``,
    ``f`` 50 dB below the loudest. Then, for each band:

    - for each height, an event at a step with ``z >= height``: at every such step if ``hold``,
      otherwise only at the first of a run of them (the upward crossing);
    - with a ``delta``, a rise where ``z`` is at least ``delta`` above what it was at the band's
      last rise or fall (at the first step, if there was none), and a fall where it is that much
      below.

    Every sort of event is a channel of its own: all bands at the first height, at the second, ...,
    rises, falls.

    The number of events is what the first layer's energy is paid for. Means per recording of the
    training split of ``fsdd``, at steps of 10 ms:

    | bands | heights | hold | delta | channels | events |
    |---|---|---|---|---|---|
    | 40 | 0, 1, 2 | yes | 0.5 | 200 | 1,354 |
    | 40 | 0, 1 | yes | 0.5 | 160 | 1,297 |
    | 40 | 0, 1 | yes | 0 | 80 | 1,036 |
    | 40 | 1 | yes | 0.5 | 120 | 577 |
    | 40 | 0, 1 | no | 0.5 | 160 | 372 |
    | 20 | 0, 1 | yes | 0.5 | 80 | 654 |
    | 20 | 0, 1 | no | 0.3 | 80 | 259 |
    | 20 | none | | 0.3 | 40 | 209 |

    Steps of 20 ms take about half as many (40 bands: 728, 20 bands: 368).

    A recording is encoded by itself, from its own samples only: neither the batch it is in nor
    padding changes a bit.

    Args:
        bands: Number of mel bands.
        heights: In standard deviations of the recording's log energy; may be empty if ``delta`` is
            given.
        hold: Whether a band above a height goes on giving events.
        delta: In standard deviations; 0 for no rises and falls.
        max_steps: What comes after is cut, and a warning says how much that is: at 100 steps of
            10 ms the end of 17 of the 3,000 recordings of ``fsdd``, 0.4 % of all steps.
        step_s: From one window to the next, in seconds; the ``dt`` of the network behind it.
        rate_hz: Samples per second.

    Raises:
        ValueError: For a value out of its range, or no sort of event at all.
        TypeError: For a number of bands or steps that is not whole.
    """

    kind: ClassVar[Literal["events", "analog"]] = "events"
    bands: int = 40
    heights: Sequence[float] = (0.0, 1.0)
    hold: bool = True
    delta: float = 0.5
    max_steps: int = 100
    step_s: float = 10e-3
    rate_hz: int = 8_000
    steps: None = field(default=None, init=False)

    def __post_init__(self) -> None:
        for name in ("bands", "max_steps", "rate_hz"):
            check_count(name, getattr(self, name))
        if not isinstance(self.heights, Iterable) or isinstance(self.heights, str):
            raise ValueError(f"expected heights as a list, such as [0, 1], got {self.heights}")
        object.__setattr__(self, "heights", tuple(float(height) for height in self.heights))
        if not self.delta >= 0:
            raise ValueError(f"expected delta of 0 (no rises and falls) or above, got {self.delta}")
        if not self.heights and not self.delta:
            raise ValueError("expected heights, a delta or both: there would be no event")
        if not self.step_s * self.rate_hz >= 1:
            raise ValueError(
                f"expected step_s of at least one sample (1 / {self.rate_hz} s), got {self.step_s}"
            )

    @property
    def channels(self) -> int:
        """Number of sorts of event, over all bands."""
        return self.bands * (len(self.heights) + (2 if self.delta else 0))

    def inputs(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Returns ``(channels,)``, whatever the recording."""
        return (self.channels,)

    def longest(self, split: Split) -> int:
        """Returns the steps of the longest recording, with the padding of arrays."""
        return int(self._whole(torch.tensor(split.x.shape[1])).clamp(max=self.max_steps))

    def prepare(self, split: Split, zeros: Zeros = np.zeros) -> Split:
        """Computes the events of every recording.

        Args:
            split: Recordings.
            zeros: Makes the events, as ``np.zeros`` does.

        Shape:
            ``x`` ``[N, S]`` float or int16 waveforms, or ``Waves``, with ``lengths`` ``[N]`` in
            samples (None: all of S); gives ``x`` ``[N, T, channels]`` uint8, zero after the end,
            and ``lengths`` ``[N]`` in steps.

        Raises:
            ValueError: For something else than waveforms, or labels of other steps.
        """
        if split.x.ndim != 2 or split.x.dtype == torch.uint8:
            raise ValueError(
                f"expected waveforms [N, S], got {list(split.x.shape)} {split.x.dtype}"
            )
        self.check_labels(split)
        ends = (
            torch.full((len(split),), split.x.shape[1]) if split.lengths is None else split.lengths
        )
        whole = self._whole(ends)
        steps = whole.clamp(max=self.max_steps)
        if bool((whole > steps).any()):
            logger.warning(
                f"{int((whole > steps).sum())} of {len(split)} recordings last longer than "
                f"{self.max_steps} steps of {self.step_s:g} s: {int((whole - steps).sum())} of "
                f"{int(whole.sum())} steps are cut; max_steps={int(whole.max())} keeps them all"
            )
        rest = ((ends - self._window).clamp(min=0) % self._stride)[whole <= self.max_steps]
        if bool(rest.any()):
            logger.warning(
                f"{int(rest.sum())} of {int(ends.sum())} samples, less than a step at the end of a "
                "recording, are in no window"
            )
        mel = _mel_bands(self.bands, self._window, self.rate_hz)
        window = torch.hann_window(self._window, dtype=torch.float64)
        longest = int(steps.max()) if len(split) else 0
        x = torch.from_numpy(zeros((len(split), longest, self.channels), np.uint8))
        for row, wave, end, count in zip(x, split.x, ends.tolist(), steps.tolist(), strict=True):
            row[:count] = self._events(wave[:end], mel, window)
        return Split(x, split.y, steps)

    def _whole(self, samples: Tensor) -> Tensor:
        """Returns the steps of recordings; one shorter than a window is one step."""
        return 1 + (samples - self._window).clamp(min=0) // self._stride

    def __call__(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Returns the events of a batch, as long as its longest recording.

        Shape:
            ``x`` ``[B, T, channels]`` uint8, ``lengths`` ``[B]``; gives ``[max(lengths), B,
            channels]`` float32 and ``lengths``.

        Raises:
            ValueError: For items that are not prepared.
        """
        if x.ndim != 3 or x.shape[2] != self.channels or x.dtype != torch.uint8 or lengths is None:
            raise ValueError(
                f"expected events [B, T, {self.channels}] with lengths, got {list(x.shape)} "
                f"{x.dtype}: prepare the split first, as in `load('fsdd').map(encoder.prepare)`"
            )
        return x[:, : int(lengths.max())].transpose(0, 1).float(), lengths

    @property
    def _window(self) -> int:
        return round(_WINDOW_S * self.rate_hz)

    @property
    def _stride(self) -> int:
        return round(self.step_s * self.rate_hz)

    def _events(self, wave: Tensor, mel: Tensor, window: Tensor) -> Tensor:
        """Computes the events of one recording ``[S]``, as ``[T, channels]`` bool."""
        # The same sound is the same events, whether its samples are whole numbers or in -1..1.
        wave = wave.double() / (1 if wave.is_floating_point() else 2**15)
        wave = torch.nn.functional.pad(wave, (0, max(0, self._window - len(wave))))
        frames = wave.unfold(0, self._window, self._stride)[: self.max_steps]
        energy = torch.fft.rfft(frames * window, n=2 * (mel.shape[0] - 1)).abs().square() @ mel
        loudest = energy.max()
        if loudest == 0:
            return torch.zeros(len(frames), self.channels, dtype=torch.bool)
        level = torch.log(energy + _FLOOR * loudest)
        z = (level - level.mean()) / level.std(correction=0).clamp(min=1e-12)
        sorts = [self._above(z, height) for height in self.heights]
        if self.delta:
            sorts += _changes(z, self.delta)
        return torch.cat(sorts, dim=1)

    def _above(self, z: Tensor, height: float) -> Tensor:
        above = z >= height
        if not self.hold:
            above[1:] &= ~above[:-1].clone()
        return above


def _changes(z: Tensor, delta: float) -> list[Tensor]:
    """Returns rises and falls of at least ``delta`` since the last, ``[T, bands]`` bool each."""
    rises = torch.zeros_like(z, dtype=torch.bool)
    falls = torch.zeros_like(rises)
    reference = z[0]
    for step in range(1, len(z)):
        change = z[step] - reference
        rises[step], falls[step] = change >= delta, change <= -delta
        reference = torch.where(change.abs() >= delta, z[step], reference)
    return [rises, falls]


def _mel_bands(bands: int, window: int, rate_hz: int) -> Tensor:
    """Returns triangles evenly spaced in mel, 2595 log10(1 + f / 700), ``[bins, bands]`` float64.

    Raises:
        ValueError: For so many bands that one would have no frequency in it.
    """
    # Twice the window: the narrow low bands need bins closer than the window alone gives.
    bins = 2 ** math.ceil(math.log2(2 * window)) // 2 + 1
    top = 2595 * math.log10(1 + rate_hz / 2 / 700)
    edges = 700 * (10 ** (torch.linspace(0, top, bands + 2, dtype=torch.float64) / 2595) - 1)
    frequency = torch.linspace(0, rate_hz / 2, bins, dtype=torch.float64).unsqueeze(1)
    rising = (frequency - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - frequency) / (edges[2:] - edges[1:-1])
    weights = torch.minimum(rising, falling).clamp(min=0)
    if not bool((weights.sum(0) > 0).all()):
        raise ValueError(
            f"{bands} mel bands are too many for {rate_hz} Hz: some hold no frequency; take fewer"
        )
    return weights

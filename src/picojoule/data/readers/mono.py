"""Sounds as the library keeps them: one channel at one rate, 16 bits a sample."""

import numpy as np
import soxr
import torch

from picojoule._files import check_unpacked
from picojoule.data.readers.bad import Bad
from picojoule.data.split import Split
from picojoule.data.waves import joined

_ROUNDED = "sounds have more than 16 bits a sample: they were rounded"
_MIXED = "sounds have several channels: they were mixed to one"
_CLIPPED = "sounds go beyond full scale: they were clipped there"
_SILENCED = "sounds are silent once they have one channel of 16 bits: scale their samples"


def mono(
    samples: np.ndarray, rate_hz: int, wanted_hz: int | None, bad: Bad, *, is_deep: bool = False
) -> np.ndarray:
    """Returns a sound with one channel at the rate that is wanted, and notes what was changed.

    Args:
        samples: ``[S]`` or ``[S, channels]``, int16 or float32 in about -1..1.
        rate_hz: Samples per second.
        wanted_hz: Samples per second of the result; None for those that it has.
        bad: Counts what is changed.
        is_deep: Whether a file has more than 16 bits for each sample.

    Shape:
        ``[S]`` int16.

    Raises:
        ValueError: For so few samples that none is left.
    """
    wanted_hz = wanted_hz or rate_hz
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    is_other = rate_hz != wanted_hz
    bad.note(_ROUNDED, is_deep)
    bad.note(_MIXED, channels > 1)
    bad.note(f"sounds have another rate: they were resampled to {wanted_hz} Hz", is_other)
    if samples.dtype == np.int16 and channels == 1 and not is_other:
        bad.note(_CLIPPED, False)
        bad.note(_SILENCED, False)
        return samples.reshape(-1)
    is_sound = bool(samples.any())
    if samples.dtype == np.int16:
        samples = samples.astype(np.float32) / 32_768
    samples = samples.reshape(len(samples), -1).mean(1)
    if is_other:
        after = 4 * int(len(samples) * wanted_hz / rate_hz)
        check_unpacked(after, samples.nbytes, f"resampled from {rate_hz} Hz, it")
        samples = soxr.resample(samples, rate_hz, wanted_hz)
        if not len(samples):
            raise ValueError(f"it is shorter than one sample at {wanted_hz} Hz")
    whole = np.rint(samples * 32_768)
    bad.note(_CLIPPED, bool((whole > 32_768).any() or (whole < -32_768).any()))
    bad.note(_SILENCED, is_sound and not whole.any())
    return np.clip(whole, -32_768, 32_767).astype(np.int16)


def at_rate(split: Split, rate_hz: int, wanted_hz: int, bad: Bad) -> Split:
    """Resamples the sounds of arrays.

    Args:
        split: ``x`` ``[N, S]`` int16, or float in -1..1, with ``lengths``; ``y`` is not per step.
        rate_hz: Samples per second.
        wanted_hz: Samples per second of the result.
        bad: Counts what is changed.

    Shape:
        ``x`` ``Waves`` of int16.
    """
    lengths = split.lengths
    ends = torch.full((len(split),), split.x.shape[1]) if lengths is None else lengths
    items = zip(split.x, ends.tolist(), strict=True)
    waves = joined((mono(wave[:end].numpy(), rate_hz, wanted_hz, bad), 0) for wave, end in items)
    return Split(waves.x, split.y, waves.lengths)

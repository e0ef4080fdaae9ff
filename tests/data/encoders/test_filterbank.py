import numpy as np
import pytest
import torch

from picojoule.data import Filterbank, Split, Waves, encoder

RATE = 8_000


def tone(hz: float, seconds: float) -> torch.Tensor:
    return torch.sin(2 * torch.pi * hz * torch.arange(round(seconds * RATE)) / RATE)


def noises(*sizes: int, seed: int = 0) -> Split:
    """Noise that swells and fades, so that levels are crossed."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.zeros(len(sizes), max(sizes))
    for row, size in zip(x, sizes, strict=True):
        swell = torch.sin(torch.arange(size) / 300) ** 2
        row[:size] = torch.randn(size, generator=generator) * swell * 0.1
    return Split(x, torch.zeros(len(sizes), dtype=torch.int64), torch.tensor(sizes))


def reference(wave: np.ndarray, bands: int) -> np.ndarray:
    """The standardised log energies, from the text of the docstring alone."""
    count = 1 + (len(wave) - 200) // 80
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(200) / 200)
    spectrum = np.stack(
        [
            np.abs(np.fft.fft(wave[80 * t : 80 * t + 200] * window, 512)[:257]) ** 2
            for t in range(count)
        ]
    )
    top = 2595 * np.log10(1 + 4_000 / 700)
    edges = [700 * (10 ** (top * k / (bands + 1) / 2595) - 1) for k in range(bands + 2)]
    frequencies = np.arange(257) * RATE / 512
    energy = np.stack(
        [spectrum @ np.interp(frequencies, edges[k : k + 3], [0, 1, 0]) for k in range(bands)],
        axis=1,
    )
    level = np.log(energy + 1e-5 * energy.max())
    return (level - level.mean()) / level.std()


def test_held_levels_are_those_of_the_text():
    split = noises(4_000)
    bank = Filterbank(bands=12, heights=(-0.5, 0.7), delta=0)
    z = reference(split.x[0].numpy().astype(np.float64), 12)
    expected = np.concatenate([z >= -0.5, z >= 0.7], axis=1)
    np.testing.assert_array_equal(bank.prepare(split).x[0].numpy(), expected)


def test_crossings_are_the_first_steps_above():
    split = noises(6_000)
    held = Filterbank(bands=12, heights=(0.2,), delta=0).prepare(split).x[0].numpy()
    crossed = Filterbank(bands=12, heights=(0.2,), hold=False, delta=0).prepare(split).x[0]
    before = np.concatenate([np.zeros((1, 12), held.dtype), held[:-1]])
    np.testing.assert_array_equal(crossed.numpy(), held & ~before & 1)
    assert 0 < crossed.sum() < held.sum()


def test_rises_and_falls_are_those_of_the_text():
    split = noises(6_000)
    events = Filterbank(bands=5, heights=(), delta=0.4).prepare(split).x[0].numpy()
    z = reference(split.x[0].numpy().astype(np.float64), 5)
    for band in range(5):
        last = z[0, band]
        for step in range(len(z)):
            rise, fall = z[step, band] - last >= 0.4, last - z[step, band] >= 0.4
            assert (events[step, band], events[step, 5 + band]) == (rise, fall)
            if rise or fall:
                last = z[step, band]
    assert events[:, :5].any()
    assert events[:, 5:].any()


def test_channels_of_a_sort_stand_together():
    split = noises(4_000)
    whole = Filterbank(bands=8, heights=(0, 1), delta=0.5).prepare(split).x
    parts = [
        Filterbank(bands=8, heights=(0,), delta=0).prepare(split).x,
        Filterbank(bands=8, heights=(1,), delta=0).prepare(split).x,
        Filterbank(bands=8, heights=(), delta=0.5).prepare(split).x,
    ]
    assert torch.equal(whole, torch.cat(parts, dim=2))
    assert Filterbank(bands=8, heights=(0, 1), delta=0.5).inputs(()) == (32,)


def test_padding_changes_nothing():
    split = noises(3_000, 5_000, 1_148)
    prepared = Filterbank().prepare(split)
    garbage = torch.cat([split.x, torch.ones(3, 2_000)], dim=1)
    for row, end in zip(garbage, split.lengths, strict=True):
        row[int(end) :] = 7.0
    again = Filterbank().prepare(Split(garbage, split.y, split.lengths))
    assert torch.equal(prepared.x, again.x)
    assert torch.equal(prepared.lengths, again.lengths)


def test_a_recording_does_not_depend_on_its_batch():
    split = noises(3_000, 5_000, 1_148)
    bank = Filterbank()
    whole = bank.prepare(split)
    for i in range(3):
        alone = bank.prepare(split.at(torch.tensor([i])))
        steps = int(alone.lengths[0])
        assert whole.lengths[i] == steps
        assert torch.equal(alone.x[0], whole.x[i, :steps])
        batch, lengths = bank(alone.x, alone.lengths)
        assert torch.equal(batch[:, 0], bank(whole.x, whole.lengths)[0][:steps, i])
        assert lengths.tolist() == [steps]


def test_steps_are_counted_and_what_follows_is_silent():
    prepared = Filterbank().prepare(noises(200, 279, 280, 1_000, 8_000))
    assert prepared.lengths.tolist() == [1, 1, 2, 11, 98]
    assert prepared.x.shape == (5, 98, Filterbank().channels)
    assert prepared.x.dtype == torch.uint8
    assert int(prepared.x.max()) == 1
    for events, end in zip(prepared.x, prepared.lengths.tolist(), strict=True):
        assert not events[end:].any()


def test_long_recordings_are_cut():
    split = noises(8_000)
    prepared = Filterbank(max_steps=30).prepare(split)
    assert prepared.lengths.tolist() == [30]
    until = Split(split.x, split.y, torch.tensor([200 + 29 * 80]))
    assert torch.equal(prepared.x, Filterbank().prepare(until).x)


def test_a_batch_is_as_long_as_its_longest():
    bank = Filterbank()
    prepared = bank.prepare(noises(1_000, 3_000, 8_000))
    batch, lengths = bank(prepared.x[:2], prepared.lengths[:2])
    assert batch.shape == (36, 2, bank.channels)
    assert batch.dtype == torch.float32
    assert lengths.tolist() == [11, 36]
    assert bank.steps is None
    assert bank.kind == "events"


def test_loudness_does_not_matter():
    split = noises(4_000)
    quiet = Split(split.x / 64, split.y, split.lengths)
    integers = Split((split.x * 2**15).round().short(), split.y, split.lengths)
    fractions = Split(integers.x.float() / 2**15, split.y, split.lengths)
    bank = Filterbank()
    assert torch.equal(bank.prepare(split).x, bank.prepare(quiet).x)
    assert torch.equal(bank.prepare(integers).x, bank.prepare(fractions).x)


@pytest.mark.parametrize("hz", [200, 1_000, 3_000])
def test_a_tone_is_in_its_band(hz):
    x = tone(hz, 0.2).unsqueeze(0)
    bank = Filterbank(bands=20, heights=np.arange(0, 4, 0.2), delta=0)
    bands = (
        bank.prepare(Split(x, torch.zeros(1, dtype=torch.int64)))
        .x[0]
        .float()
        .view(-1, 20, 20)
        .sum((0, 1))
    )
    mel = 2595 * np.log10(1 + hz / 700) / (2595 * np.log10(1 + 4_000 / 700)) * 21 - 1
    assert abs(int(bands.argmax()) - mel) <= 1


def test_an_onset_rises_and_its_end_falls():
    x = torch.cat([1e-4 * tone(1_000, 0.1), tone(1_000, 0.1), 1e-4 * tone(1_000, 0.1)]).unsqueeze(0)
    bank = Filterbank(bands=20, heights=(), delta=1.0)
    rises, falls = bank.prepare(Split(x, torch.zeros(1, dtype=torch.int64))).x[0].split(20, dim=1)
    assert rises.any(1).nonzero().flatten().tolist()[0] in range(7, 11)
    assert falls.any(1).nonzero().flatten().tolist()[-1] in range(17, 21)


def test_silence_and_short_recordings_have_no_events():
    silence = Split(torch.zeros(1, 1_000), torch.zeros(1, dtype=torch.int64))
    prepared = Filterbank().prepare(silence)
    assert prepared.lengths.tolist() == [11]
    assert not prepared.x.any()
    short = Split(torch.ones(1, 10), torch.zeros(1, dtype=torch.int64), torch.tensor([10]))
    assert Filterbank().prepare(short).lengths.tolist() == [1]


def test_heights_of_a_list_are_kept_as_a_tuple():
    assert encoder("filterbank", heights=[0, 1.5]) == Filterbank(heights=(0.0, 1.5))
    hash(encoder("filterbank", heights=[0, 1.5]))


def test_images_are_refused():
    with pytest.raises(ValueError, match=r"expected waveforms \[N, S\], got \[2, 1, 8, 8\]"):
        Filterbank().prepare(Split(torch.zeros(2, 1, 8, 8), torch.zeros(2, dtype=torch.int64)))


def test_what_is_not_prepared_is_refused():
    split = noises(1_000)
    with pytest.raises(ValueError, match="prepare the split first"):
        Filterbank()(split.x, split.lengths)
    prepared = Filterbank(bands=20).prepare(split)
    with pytest.raises(ValueError, match=r"expected events \[B, T, 160\]"):
        Filterbank()(prepared.x, prepared.lengths)


def test_too_many_bands():
    with pytest.raises(ValueError, match="200 mel bands are too many for 8000 Hz"):
        Filterbank(bands=200).prepare(noises(1_000))


def test_sounds_end_to_end_are_encoded_as_padded_ones():
    lengths = torch.tensor([900, 4_000, 10])
    wave = torch.randint(-9_000, 9_000, (int(lengths.sum()),), dtype=torch.int16)
    waves = Waves(wave, torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]))
    found = Filterbank().prepare(Split(waves, torch.arange(3), lengths))
    padded = Filterbank().prepare(Split(waves.padded(), torch.arange(3), lengths))
    assert found.x.equal(padded.x)
    assert found.lengths.equal(padded.lengths)


def test_what_is_cut_is_said(caplog):
    waves = torch.randn(3, 8_200, generator=torch.Generator().manual_seed(0))
    split = Split(waves, torch.arange(3), torch.tensor([100, 4_000, 8_200]))
    bank = Filterbank()
    assert bank.prepare(split).lengths.tolist() == [1, 48, 100]
    assert "1 of 3 recordings last longer than 100 steps of 0.01 s: 1 of 150 steps" in caplog.text
    assert "max_steps=101 keeps them all" in caplog.text
    caplog.clear()
    bank.prepare(split.at(torch.tensor([0, 1])))
    assert caplog.messages == [
        "40 of 4100 samples, less than a step at the end of a recording, are in no window"
    ]
    caplog.clear()
    bank.prepare(Split(waves, torch.arange(3), torch.tensor([100, 4_040, 200])))
    assert not caplog.text

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from picojoule.data import ENCODERS, Direct, Latency, Poisson, Repeat, Split, encoder

IMAGES = torch.arange(256, dtype=torch.uint8).view(4, 1, 8, 8)


@pytest.mark.parametrize(
    ("encode", "steps", "kind"),
    [
        (Direct(), 1, "analog"),
        (Repeat(5), 5, "analog"),
        (Poisson(6), 6, "events"),
        (Latency(7), 7, "events"),
    ],
)
def test_shape_kind_and_type(encode, steps, kind):
    x, lengths = encode(IMAGES)
    assert x.shape == (steps, 4, 1, 8, 8)
    assert x.dtype == torch.float32
    assert lengths is None
    assert encode.steps == steps
    assert encode.kind == kind
    assert encode.inputs((1, 8, 8)) == (1, 8, 8)
    if kind == "events":
        assert set(x.unique().tolist()) <= {0.0, 1.0}
    split = Split(IMAGES, torch.zeros(4, dtype=torch.int64))
    assert encode.prepare(split) is split


@pytest.mark.parametrize("encode", [Direct(), Repeat(2), Latency(16)])
def test_bytes_and_fractions_are_the_same(encode):
    assert torch.equal(encode(IMAGES)[0], encode(IMAGES.float() / 255)[0])


@pytest.mark.parametrize("encode", [Direct(), Repeat(2), Latency(16)])
def test_an_image_does_not_depend_on_its_batch(encode):
    whole = encode(IMAGES)[0]
    for i in range(4):
        assert torch.equal(encode(IMAGES[i : i + 1])[0][:, 0], whole[:, i])


def test_analog_images_are_standardised():
    x, _ = Direct(mean=0.25, std=0.5)(torch.tensor([[0.0, 0.25, 1.0]]))
    assert x.tolist() == [[[-0.5, 0.0, 1.5]]]
    repeated, _ = Repeat(3, mean=0.25, std=0.5)(torch.tensor([[0.0, 0.25, 1.0]]))
    assert torch.equal(repeated, x.repeat(3, 1, 1))


@given(
    steps=st.integers(1, 20),
    threshold=st.floats(0.01, 1),
    values=st.lists(st.floats(0, 1, width=32), min_size=1, max_size=20),
)
def test_latency_is_its_equation(steps, threshold, values):
    x = torch.tensor([values])
    spikes, _ = Latency(steps, threshold)(x)
    for pixel, value in enumerate(x[0]):
        expected = [0.0] * steps
        if value >= threshold:
            expected[int(torch.round((1 - value) * (steps - 1)))] = 1.0
        assert spikes[:, 0, pixel].tolist() == expected


def test_latency_spikes_once_and_the_brighter_earlier():
    spikes, _ = Latency(16, threshold=0.25)(IMAGES)
    count = spikes.sum(0).flatten()
    assert torch.equal(count, (IMAGES.flatten() / 255 >= 0.25).float())
    when = spikes.argmax(0).flatten()[count > 0]
    assert bool((when.diff() <= 0).all())
    assert when[-1] == 0


def test_poisson_rate():
    x = torch.full((1, 1, 50, 50), 0.6)
    torch.manual_seed(0)
    spikes, _ = Poisson(40, rate=0.5)(x)
    count = spikes.numel()
    assert float(spikes.mean()) == pytest.approx(0.3, abs=4 * (0.3 * 0.7 / count) ** 0.5)
    assert not Poisson(40)(torch.zeros(2, 3))[0].any()
    assert bool(Poisson(40)(torch.ones(2, 3))[0].all())


def test_poisson_follows_the_global_random_state():
    torch.manual_seed(3)
    first, second = Poisson(4)(IMAGES)[0], Poisson(4)(IMAGES)[0]
    torch.manual_seed(3)
    assert torch.equal(Poisson(4)(IMAGES)[0], first)
    assert not torch.equal(first, second)


def test_other_integers_are_refused():
    with pytest.raises(TypeError, match=r"expected images as uint8 0\.\.255 or float 0\.\.1"):
        Direct()(IMAGES.int())


@pytest.mark.parametrize("encode", [Poisson(steps=4), Latency(steps=4)])
@pytest.mark.parametrize(("low", "high"), [(-0.5, 1.0), (0.0, 255.0), (float("nan"), 1.0)])
def test_values_that_no_spikes_can_tell_are_refused(encode, low, high):
    x = torch.tensor([low, 0.5, high]).view(1, 1, 1, 3)
    with pytest.raises(ValueError, match=r"expected images of values in 0\.\.1, got"):
        encode(x)


def test_by_name():
    assert encoder("Latency", steps=16, threshold=0.5) == Latency(16, 0.5)
    assert encoder("direct") == Direct()
    assert set(ENCODERS) == {*("direct", "repeat", "poisson", "latency", "filterbank", "frames")}


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("latancy", {}, "unknown encoder 'latancy': did you mean 'latency'"),
        ("latency", {"step": 4}, "parameter of the encoder latency 'step': did you mean 'steps'"),
        ("direct", {"steps": 4}, "unknown parameter of the encoder direct 'steps'"),
        ("repeat", {}, "the encoder repeat needs steps"),
        ("repeat", {"steps": 0}, "expected steps of at least 1, got 0"),
        ("repeat", {"steps": 2, "std": 0}, "expected std above 0, got 0"),
        ("direct", {"std": -1.0}, "expected std above 0"),
        ("poisson", {"steps": 2, "rate": 0}, r"expected rate in \(0, 1\], got 0"),
        ("poisson", {"steps": 2, "rate": 1.5}, r"expected rate in \(0, 1\], got 1.5"),
        ("latency", {"steps": 2, "threshold": 0}, r"expected threshold in \(0, 1\], got 0"),
        ("filterbank", {"bands": 0}, "expected bands of at least 1, got 0"),
        ("filterbank", {"heights": [], "delta": 0}, "there would be no event"),
        ("filterbank", {"delta": -1}, "expected delta of 0 .no rises and falls. or above, got -1"),
        ("filterbank", {"step_s": 1e-5}, "expected step_s of at least one sample"),
    ],
)
def test_bad_names_and_values(name, params, message):
    with pytest.raises(ValueError, match=message):
        encoder(name, **params)


@pytest.mark.parametrize("steps", ["4", 4.0, True, None])
def test_steps_that_are_no_number(steps):
    with pytest.raises(TypeError, match="expected steps as a whole number, got"):
        encoder("latency", steps=steps)


def test_each_channel_by_its_own_statistics():
    images = torch.rand(2, 3, 4, 4)
    mean, std = [0.1, 0.2, 0.3], [1.0, 2.0, 4.0]
    expected = torch.stack([(images[:, c] - mean[c]) / std[c] for c in range(3)], 1)
    x, _ = encoder("direct", mean=mean, std=std)(images)
    assert torch.equal(x[0], expected)
    repeated, _ = encoder("repeat", steps=2, mean=mean, std=std)(images)
    assert torch.equal(repeated[1], expected)
    assert encoder("direct", mean=mean, std=std) == encoder("direct", mean=(0.1, 0.2, 0.3), std=std)


def test_statistics_of_other_channels_are_refused():
    with pytest.raises(ValueError, match=r"images of 3 channels.* got 1"):
        encoder("direct", mean=[0.1, 0.2, 0.3])(torch.rand(2, 1, 4, 4))
    with pytest.raises(ValueError, match="std above 0"):
        encoder("direct", std=[1.0, 0.0, 1.0])

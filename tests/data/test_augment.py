import pytest
import torch

from picojoule.data import Augment


def moved(image: torch.Tensor, down: int, right: int) -> torch.Tensor:
    """Pixel by pixel, zero where nothing comes from."""
    _, height, width = image.shape
    out = torch.zeros_like(image)
    for row in range(height):
        for column in range(width):
            if 0 <= row - down < height and 0 <= column - right < width:
                out[:, row, column] = image[:, row - down, column - right]
    return out


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32])
def test_each_image_is_shifted_by_itself(dtype):
    image = torch.arange(1, 61).view(2, 5, 6).to(dtype)
    torch.manual_seed(0)
    out = Augment(shift=1)(image.expand(200, 2, 5, 6))
    assert out.dtype == dtype
    ways = [moved(image, down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    found = [next(i for i, way in enumerate(ways) if torch.equal(one, way)) for one in out]
    assert set(found) == set(range(9))


def test_each_image_is_mirrored_or_not():
    images = torch.rand(300, 1, 4, 5)
    torch.manual_seed(0)
    out = Augment(flip=True)(images)
    mirrored = (out == images.flip(-1)).flatten(1).all(1)
    kept = (out == images).flatten(1).all(1)
    assert bool((mirrored ^ kept).all())
    assert 100 < int(mirrored.sum()) < 200


def test_nothing_asked_nothing_done():
    images = torch.rand(3, 1, 4, 5)
    state = torch.get_rng_state()
    assert torch.equal(Augment()(images), images)
    assert torch.equal(torch.get_rng_state(), state)


def test_follows_the_global_random_state():
    images = torch.rand(20, 1, 8, 8)
    change = Augment(shift=2, flip=True)
    torch.manual_seed(1)
    first = change(images)
    torch.manual_seed(1)
    assert torch.equal(change(images), first)


@pytest.mark.parametrize("shift", [-1, 1.5, "2"])
def test_bad_shift(shift):
    with pytest.raises(ValueError, match="expected shift as a whole number of pixels"):
        Augment(shift=shift)


@pytest.mark.parametrize("name", ["cutout", "time_shift"])
def test_bad_size(name):
    with pytest.raises(ValueError, match=f"expected {name} as a whole number"):
        Augment(**{name: -1})


@pytest.mark.parametrize(("name", "value"), [("mix", 0.6), ("drop", 1.1), ("drop", -0.1)])
def test_bad_probability(name, value):
    with pytest.raises(ValueError, match=rf"expected {name} in 0\.\."):
        Augment(**{name: value})


@pytest.mark.parametrize("shape", [(500, 2, 6, 7), (500, 3, 2, 6, 7)])
def test_a_square_is_cut_out_of_each(shape):
    out = Augment(cutout=3)(torch.ones(shape))
    holes = 0
    for item in out.flatten(1, -3)[:, 0]:
        rows, columns = (item == 0).nonzero().unbind(1)
        height, width = (int(one.max() - one.min()) + 1 for one in (rows, columns))
        assert 1 < height <= 3
        assert 1 < width <= 3
        assert len(rows) == height * width
        holes += height * width == 9
    assert torch.equal(out.flatten(1, -3)[:, 0], out.flatten(1, -3)[:, -1])
    assert 0.4 < holes / 500 < 0.7  # 4/6 of the rows and 5/7 of the columns leave it whole


def test_each_item_moves_in_time_within_its_length():
    x = torch.arange(1, 6).view(1, 5, 1).repeat(400, 1, 2)
    x[200:, 3:] = 0
    lengths = torch.tensor([5] * 200 + [3] * 200)
    out = Augment(time_shift=2)(x, lengths)
    ways = set()
    for before, after, length in zip(
        x[..., 0].tolist(), out[..., 0].tolist(), lengths, strict=True
    ):
        padded = [0, 0, *before[:length], 0, 0]
        cuts = [padded[2 - k : 2 - k + length] + [0] * (5 - length) for k in range(-2, 3)]
        ways.add((int(length), cuts.index(after) - 2))
    assert ways == {(length, k) for length in (5, 3) for k in range(-2, 3)}
    assert torch.equal(out[..., 0], out[..., 1])


def test_events_are_dropped_at_their_rate():
    x = torch.full((20, 50, 30), 3, dtype=torch.uint8)
    out = Augment(drop=0.3)(x)
    assert out.dtype == torch.uint8
    assert set(out.unique().tolist()) == {0, 3}
    assert float((out == 0).float().mean()) == pytest.approx(0.3, abs=0.01)


def test_another_item_is_laid_over():
    x = torch.zeros(40, 50, 40, dtype=torch.uint8)
    x[torch.arange(40), :, torch.arange(40)] = 1  # each has a channel of its own
    out = Augment(mix=0.25)(x)
    assert bool((out >= x).all())
    extra = (out - x).sum((1, 2)).float() / 50
    assert float(extra.mean()) == pytest.approx(0.25, abs=0.03)
    assert all(len(one.nonzero()[:, 1].unique()) <= 2 for one in out)


def test_changes_in_time_want_steps():
    with pytest.raises(ValueError, match=r"expected steps \[B, T, ...\]"):
        Augment(drop=0.1)(torch.zeros(2, 3, 8, 8))


def test_sound_is_refused():
    with pytest.raises(ValueError, match=r"expected images \[B, C, H, W\] .* got \[2, 9, 160\]"):
        Augment(shift=1)(torch.zeros(2, 9, 160))

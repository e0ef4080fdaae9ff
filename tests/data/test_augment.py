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


def test_sound_is_refused():
    with pytest.raises(ValueError, match=r"expected images \[B, C, H, W\] .* got \[2, 9, 160\]"):
        Augment(shift=1)(torch.zeros(2, 9, 160))

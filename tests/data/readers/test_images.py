"""Pictures of all sorts."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from fuzzing import read_or_refused
from picojoule.data.readers import images
from picojoule.data.readers.bad import Bad


def picture(path, mode="RGB", size=(6, 5), seed=0):
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    exact = {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(pixels).convert(mode).save(path, **exact)
    return path


@pytest.mark.parametrize("suffix", ["png", "bmp", "ppm", "tif", "tiff", "webp"])
def test_colours_are_read_as_they_are(tmp_path, suffix):
    file = picture(tmp_path / f"a.{suffix}")
    expected = np.random.default_rng(0).integers(0, 256, (5, 6, 3), np.uint8).transpose(2, 0, 1)
    np.testing.assert_array_equal(images.decode(file, 3), expected)


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_mode_becomes_grey_or_colour(tmp_path, mode, suffix):
    file = picture(tmp_path / f"a.{suffix}", mode)
    assert images.decode(file, 1).shape == (1, 5, 6)
    assert images.decode(file, 3).shape == (3, 5, 6)
    assert images.channels([file]) == (1 if mode in ("1", "L", "LA") else 3)


def test_the_colours_of_a_palette_are_read(tmp_path):
    colours = np.array([[[250, 10, 20], [0, 200, 90]]], np.uint8)
    drawn = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    drawn.putpalette(colours.tobytes())
    drawn.save(tmp_path / "a.png")
    np.testing.assert_array_equal(images.decode(tmp_path / "a.png", 3), colours.transpose(2, 0, 1))


def test_grey_among_colours_becomes_colour(tmp_path):
    files = [picture(tmp_path / "a.png", "L"), picture(tmp_path / "b.jpg", seed=1)]
    assert images.channels(files) == 3
    split = images.read(files, [1, 0], channels=3, bad=Bad(False))
    assert split.x.shape == (2, 3, 5, 6)
    assert split.x[0, 0].equal(split.x[0, 2])
    assert split.y.tolist() == [1, 0]


def test_scaled_and_cut_to_a_square(tmp_path):
    wide = np.zeros((40, 80, 3), np.uint8)
    wide[:, 20:60] = 200  # its middle
    Image.fromarray(wide).save(tmp_path / "a.png")
    assert (images.decode(tmp_path / "a.png", 3, 10)[:, :, 1:-1] == 200).all()
    assert images.decode(picture(tmp_path / "b.png", size=(3, 200)), 1, 8).shape == (1, 8, 8)


@pytest.mark.parametrize("kind", ["RGBA", "LA", "P"])
def test_what_is_transparent_lies_on_a_white_ground_and_is_said(tmp_path, caplog, kind):
    """Strokes of ink on no ground: two that differ, and one without a transparent pixel."""
    boxes = {"bar": (3, 1, 5, 14), "dash": (1, 3, 14, 5), "full": (0, 0, 15, 15)}
    for name, box in boxes.items():
        clear, ink = ((0, 0), (0, 255)) if kind == "LA" else ((0, 0, 0, 0), (0, 0, 0, 255))
        drawn = Image.new("LA" if kind == "LA" else "RGBA", (16, 16), clear)
        ImageDraw.Draw(drawn).rectangle(box, fill=ink)
        drawn.convert(kind).save(tmp_path / f"{name}.png")
    files = [tmp_path / f"{name}.png" for name in boxes]
    bad = Bad(False)
    split = images.read(files, [0, 1, 1], channels=1, bad=bad)
    for pixels, (left, top, right, bottom) in zip(split.x[:, 0], boxes.values(), strict=True):
        expected = np.full((16, 16), 255)
        expected[top : bottom + 1, left : right + 1] = 0
        np.testing.assert_array_equal(pixels.numpy(), expected)
    bad.say("here")
    laid = "here: 2 of 3 pictures are transparent in part: they were laid on a white ground"
    assert caplog.messages == [laid]
    for channels in (1, 3):
        assert images.decode(files[0], channels).std() > 50


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (3, Image.Transpose.ROTATE_180),
        (6, Image.Transpose.ROTATE_90),
        (8, Image.Transpose.ROTATE_270),
    ],
)
@pytest.mark.parametrize("size", [None, 24])
def test_photographs_stand_upright(tmp_path, orientation, turn, size):
    ramp = np.add.outer(np.arange(32) * 6, np.arange(40)).astype(np.uint8)
    Image.fromarray(ramp).save(tmp_path / "up.jpg", quality=95)
    exif = Image.Exif()
    exif[0x112] = orientation
    Image.fromarray(ramp).transpose(turn).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    up, turned = (images.decode(tmp_path / f"{n}.jpg", 1, size) for n in ("up", "turned"))
    assert turned.shape == up.shape
    assert np.abs(turned.astype(int) - up).mean() < 8


RAMP = np.arange(256).reshape(16, 16)


@pytest.mark.parametrize("kind", ["png", "pgm", "pgm of 12 bits", "transparent png", "tif"])
def test_grey_of_16_bits_means_what_grey_of_8_does(tmp_path, caplog, kind):
    path, most = tmp_path / f"deep.{kind[:3]}", 4_095 if "12" in kind else 65_535
    deep = np.round(RAMP / 255 * most).astype(np.uint16)
    if "pgm" not in kind:
        path = tmp_path / f"deep.{kind[-3:]}"
        more = {"transparency": int(deep[2, 3])} if "transparent" in kind else {}
        Image.fromarray(deep).save(path, **more)
    else:
        path.write_bytes(b"P5\n16 16\n%d\n" % most + deep.astype(">u2").tobytes())
    expected = RAMP.copy()
    expected[2, 3] = 255 if "transparent" in kind else expected[2, 3]
    bad = Bad(False)
    plain = tmp_path / "plain.png"
    Image.fromarray(RAMP.astype(np.uint8)).save(plain)
    split = images.read([path, plain], [0, 1], channels=1, bad=bad)
    np.testing.assert_array_equal(split.x[0, 0].numpy(), expected)
    np.testing.assert_array_equal(split.x[1, 0].numpy(), RAMP)
    np.testing.assert_array_equal(images.decode(path, 3), np.stack([expected] * 3))
    bad.say("here")
    said = "1 of 2 pictures have 16 bits for each value: they were scaled to 8"
    assert said in caplog.messages[0]
    assert len(caplog.messages) == (2 if "transparent" in kind else 1)


@pytest.mark.parametrize("kind", [np.uint16, np.int32])
def test_pictures_of_which_nothing_is_left_are_said(tmp_path, caplog, kind):
    """Numbers of 8 bits in 16 are black once these are scaled."""
    suffix = "png" if kind is np.uint16 else "tif"
    for name, values in (("deep", RAMP * 257), ("low", RAMP), ("black", 0 * RAMP)):
        Image.fromarray(values.astype(kind)).save(tmp_path / f"{name}.{suffix}")
    bad = Bad(False)
    images.read(sorted(tmp_path.iterdir()), [0, 1, 1], channels=1, bad=bad)
    bad.say("here")
    assert caplog.messages == [
        "here: 3 of 3 pictures have 16 bits for each value: they were scaled to 8",
        "here: 1 of 3 pictures of 16 bits are black once they are scaled to 8: scale their values",
    ]


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
def test_how_many_are_turned_is_said(tmp_path, caplog, suffix):
    for orientation in range(10):  # of which 1 is upright, and 0 and 9 mean nothing
        exif = Image.Exif()
        exif[0x112] = orientation
        Image.new("L", (5, 5)).save(tmp_path / f"{orientation}.{suffix}", exif=exif)
    bad = Bad(False)
    images.read(sorted(tmp_path.iterdir()), range(10), channels=1, bad=bad)
    bad.say("here")
    turned = "here: 7 of 10 pictures are turned by their EXIF data: they were put upright"
    assert caplog.messages == [turned]


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("orientation", [3, 6])
def test_grey_of_16_bits_stands_upright(tmp_path, orientation, suffix):
    turn = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90}[orientation]
    exif = Image.Exif()
    exif[0x112] = orientation
    deep = Image.fromarray((RAMP * 257).astype(np.uint16))
    file = tmp_path / f"turned.{suffix}"
    deep.transpose(turn).save(file, exif=exif)
    np.testing.assert_array_equal(images.decode(file, 1)[0], RAMP)


def test_what_else_is_changed_is_said_once(tmp_path, caplog):
    """Colours for a network that sees none, what is beside a square, later frames, deep colours."""
    files = [picture(tmp_path / "a.png"), picture(tmp_path / "grey.png", "L", size=(5, 5))]
    grey = Image.open(files[1])
    grey.convert("RGB").save(tmp_path / "b.png")
    grey.save(tmp_path / "c.png", save_all=True, append_images=[grey.point(lambda v: 255 - v)])
    (tmp_path / "d.ppm").write_bytes(b"P6\n5 5\n65535\n" + np.zeros(75, ">u2").tobytes())
    files += [tmp_path / name for name in ("b.png", "c.png", "d.ppm")]
    bad = Bad(False)
    for some in (files[:2], files[2:]):  # of two splits
        images.read(some, [0] * len(some), channels=1, size=4, bad=bad)
    bad.say("here")
    assert sorted(caplog.messages) == [
        "here: 1 of 5 pictures are in colour: they were made grey",
        "here: 1 of 5 pictures are no squares: what is beside the square in their middle was cut",
        "here: 1 of 5 pictures have 16 bits for each value: they were scaled to 8",
        "here: 1 of 5 pictures hold several frames: the first was taken",
    ]


@pytest.mark.parametrize("suffix", ["gif", "tif", "webp", "png"])
def test_of_several_frames_the_first_is_taken_and_said(tmp_path, caplog, suffix):
    frames = [Image.fromarray(np.uint8(RAMP)), Image.fromarray(np.uint8(255 - RAMP))]
    exact = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], **exact)
    bad = Bad(False)
    split = images.read([tmp_path / f"a.{suffix}"], [0], channels=1, bad=bad)
    np.testing.assert_array_equal(split.x[0, 0].numpy(), RAMP)
    bad.say("here")
    assert caplog.messages == ["here: 1 of 1 pictures hold several frames: the first was taken"]


def test_values_of_32_bits_are_refused(tmp_path):
    for name, values in (("high", RAMP * 70_000), ("low", RAMP - 1)):
        Image.fromarray(values.astype(np.int32)).save(tmp_path / f"{name}.tif")
        with pytest.raises(ValueError, match=rf"{name}\.tif has values of 32 bits, .*: scale them"):
            images.decode(tmp_path / f"{name}.tif", 1)


def test_damage_beside_the_pixels_is_said_by_us(tmp_path, caplog):
    exif = Image.Exif()
    exif[0x10E] = "a long description of this picture"
    Image.new("L", (5, 5), 7).save(tmp_path / "a.jpg", exif=exif)
    whole = (tmp_path / "a.jpg").read_bytes()
    raw = bytearray(whole)
    at = raw.index(b"Exif") + 6 + 10  # the count of the first entry
    raw[at + 4 : at + 8] = (1 << 20).to_bytes(
        4, "big" if raw[at - 10 : at - 8] == b"MM" else "little"
    )
    (tmp_path / "a.jpg").write_bytes(raw)
    bad = Bad(False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        split = images.read([tmp_path / "a.jpg"], [0], channels=1, bad=bad)
    assert split.x.unique().tolist() == [7]
    bad.say("here")
    assert "1 of 1 pictures hold damaged data beside their pixels (EXIF)" in caplog.text


def test_mixed_sizes_are_refused_or_left_out(tmp_path):
    files = [picture(tmp_path / "a.png"), picture(tmp_path / "b.png", size=(5, 6))]
    with pytest.raises(
        ValueError, match=r"b\.png has 5 x 6 pixels, where .*a\.png has 6 x 5.*data\.size"
    ):
        images.read(files, [0, 1], channels=3, bad=Bad(False))
    bad = Bad(skip=True)
    assert images.read(files, [0, 1], channels=3, bad=bad).x.shape == (1, 3, 5, 6)
    assert "b.png has 5 x 6" in bad.items[0]


def test_what_is_no_picture_is_named(tmp_path):
    whole = picture(tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:-30])
    (tmp_path / "text.png").write_bytes(b"not a picture")
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "notes.txt").write_bytes(whole)
    (tmp_path / "real.pgm").write_bytes(b"Pf\n2 2\n-1.0\n" + np.zeros(4, "<f4").tobytes())
    for name, fault in (
        ("cut.png", "is not a complete picture"),
        (
            "text.png",
            "is not a complete picture: it begins as none of PNG, JPEG, BMP, PPM, TIFF, GIF, WEBP",
        ),
        ("empty.png", "is not a complete picture"),
        ("none.png", "is not a complete picture"),
        ("notes.txt", "is no picture: expected one of .png"),
        ("real.pgm", "has no pixels of 8 or 16 bits: its mode is F; scale"),
    ):
        with pytest.raises(ValueError, match=f"{name} {fault}"):
            images.read([tmp_path / name], [0], channels=3, bad=Bad(False))
    with pytest.raises(ValueError, match="no picture that can be read among 1"):
        images.read([tmp_path / "cut.png"], [0], channels=3, bad=Bad(True))


@pytest.mark.parametrize("suffix", ["png", "jpg", "bmp", "pgm", "tif", "gif", "webp"])
@given(at=st.integers(0, 400), value=st.integers(0, 255), cut=st.booleans())
def test_damaged_pictures_are_read_or_refused(tmp_path_factory, suffix, at, value, cut):
    path = tmp_path_factory.getbasetemp() / f"fuzz.{suffix}"
    content = bytearray(picture(path, "L" if suffix == "pgm" else "RGB").read_bytes())
    at %= len(content)
    content[at] = value
    path.write_bytes(content[:at] if cut else content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = read_or_refused(lambda: images.decode(path, 3, 4), path.name)
    assert found is None or found.shape == (3, 4, 4)

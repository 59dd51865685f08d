"""Tests of one picture file."""

from __future__ import annotations

import io
import os

import numpy as np
import pytest
from PIL import Image

from pellucid.data import picture, refit
from pellucid.errors import DataError


def encoded(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def test_a_picture_keeps_its_size_and_colour(png):
    assert picture(png(7)).shape == (6, 8, 1)
    pixels = picture(png((1, 2, 3)))
    assert pixels.shape == (6, 8, 3)
    assert pixels.dtype == np.uint8
    assert pixels[5, 7].tolist() == [1, 2, 3]


def test_a_picture_comes_from_a_path_bytes_or_a_file(tmp_path, png):
    path = tmp_path / "x.png"
    path.write_bytes(png(9))
    with path.open("rb") as file:
        for source in (path, str(path), png(9), file):
            assert (picture(source) == 9).all()


def test_a_picture_is_resized_and_converted(png):
    assert picture(png((255, 0, 0)), size=(3, 5), colour="grey").shape == (3, 5, 1)
    assert (picture(png((255, 0, 0)), colour="grey") == 76).all()
    assert picture(png(7), colour="rgb").shape == (6, 8, 3)


def test_shrinking_is_antialiased():
    board = np.indices((64, 64)).sum(0) % 2 * 255
    small = picture(encoded(Image.fromarray(board.astype(np.uint8))), size=(8, 8))
    assert np.abs(small.astype(int) - 128).max() < 20


def test_a_picture_stands_upright():
    image = Image.fromarray(np.array([[0, 255]], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90° clockwise
    turned = picture(encoded(image, "PNG", exif=exif))
    assert turned[..., 0].tolist() == [[0], [255]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "LA", "RGB", "RGBA", "CMYK", "HSV"])
def test_every_mode_becomes_grey_or_rgb(mode):
    image = Image.new("RGB", (4, 3), (255, 255, 255)).convert(mode)
    kind = "TIFF" if mode in ("CMYK", "HSV") else "PNG"
    if mode == "HSV":
        image = image.convert("YCbCr")
    pixels = picture(encoded(image, kind))
    assert pixels.shape == (3, 4, 1 if mode in ("1", "L", "LA") else 3)
    assert (pixels >= 254).all()


def test_16_bit_grey_is_scaled_to_8_bit():
    deep = np.array([[0, 257 * 100, 65535]], np.uint16)
    pixels = picture(encoded(Image.fromarray(deep)))
    assert pixels[0, :, 0].tolist() == [0, 100, 255]


def test_transparency_lies_over_black():
    image = Image.new("RGBA", (2, 2), (200, 100, 50, 0))
    assert (picture(encoded(image)) == 0).all()


def test_an_animation_gives_its_first_frame():
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    content = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert (picture(content, colour="grey") == 10).all()


def test_a_large_jpeg_is_decoded_small_but_right():
    ramp = np.tile(np.linspace(0, 255, 800).astype(np.uint8), (600, 1))
    content = encoded(Image.fromarray(ramp), "JPEG", quality=95)
    small = picture(content, size=(15, 20))[..., 0]
    whole = picture(content)[..., 0]
    expected = Image.fromarray(whole).resize((20, 15), Image.Resampling.BICUBIC)
    assert np.abs(small.astype(int) - np.asarray(expected)).max() <= 3


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "must be an image that we can read"),
        (b"hello", "must be an image that we can read"),
    ],
)
def test_what_is_no_picture_is_refused(tmp_path, content, sentence):
    path = tmp_path / "cat.png"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"picture: '.*cat\.png' {sentence}"):
        picture(path)


@pytest.mark.parametrize("kind", ["WEBP", "TIFF", "JPEG2000", "PPM", "ICO", "BMP"])
def test_other_formats_are_read(kind):
    image = Image.new("RGB", (16, 16), (255, 255, 255))
    assert picture(encoded(image, kind), size=(16, 16)).min() >= 250


def test_a_format_that_starts_other_programs_is_no_picture():
    content = encoded(Image.new("RGB", (4, 4)), "EPS")
    with pytest.raises(DataError, match="must be an image that we can read"):
        picture(content)


def test_reading_leaves_the_filters_of_warnings_alone(png):
    import warnings

    before = list(warnings.filters)
    picture(png(1))
    assert list(warnings.filters) == before


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_picture_that_is_cut_off_is_refused(kind):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3)).astype(np.uint8)
    content = encoded(Image.fromarray(noise), kind)
    with pytest.raises(DataError, match="'x' must be a whole picture; got "):
        picture(content[: len(content) // 2], name="x")


def test_a_picture_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"gone\.png' must be a file; got a path"):
        picture(tmp_path / "gone.png")


def test_a_folder_is_no_picture(tmp_path):
    with pytest.raises(DataError, match=r"must be a whole picture; got .*directory"):
        picture(tmp_path)


def test_a_pipe_is_no_picture_and_nobody_waits(tmp_path):
    os.mkfifo(tmp_path / "cat.png")
    with pytest.raises(DataError, match=r"cat\.png' must be a file; got a named pipe"):
        picture(tmp_path / "cat.png")


def test_too_many_pixels_are_refused_before_they_are_decoded():
    content = bytearray(encoded(Image.new("L", (8, 8))))
    content[16:24] = (20_000).to_bytes(4, "big") + (10_000).to_bytes(4, "big")
    import zlib

    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    with pytest.raises(DataError, match=r"at most 50000000 pixels; got (10000|more)"):
        picture(bytes(content))
    with pytest.raises(DataError, match="at most 63 pixels; got 8 × 8 = 64"):
        picture(encoded(Image.new("L", (8, 8))), pixel_limit=63)


@pytest.mark.parametrize("size", [(0, 5), (5,), "5", (5.5, 2), 5])
def test_a_size_that_is_none_is_refused(png, size):
    with pytest.raises(DataError, match=r"size must be \(height, width\)"):
        picture(png(1), size=size)


def test_refit_does_what_picture_does(png):
    noise = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3)).astype(np.uint8)
    out = refit(noise, size=(6, 5), colour="grey")
    assert out.shape == (3, 6, 5, 1)
    for one, other in zip(noise, out, strict=True):
        content = encoded(Image.fromarray(one))
        expected = picture(content, size=(6, 5), colour="grey")
        np.testing.assert_array_equal(other, expected)


def test_refit_leaves_what_fits_alone():
    images = np.zeros((2, 4, 4, 1), np.uint8)
    assert refit(images, size=(4, 4), colour="grey") is images
    assert refit(images, size=None, colour="rgb").shape == (2, 4, 4, 3)

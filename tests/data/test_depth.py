"""Tests of grey pictures deeper than eight bits, and of every mode that there is."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from pellucid.data import picture
from pellucid.errors import DataError

RAMP = np.linspace(0, 65535, 24).round().astype(np.uint16).reshape(4, 6)
EXPECTED = np.rint(RAMP / 257)


def encoded(image, kind="TIFF", **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(array, *, bits, sample_format=1, photometric=1, order="<"):
    """Write one strip of grey, as TIFF 6.0 says."""
    data = array if isinstance(array, bytes) else array.tobytes()
    height, width = (4, 6)
    entries = [
        (256, 4, width),
        (257, 4, height),
        (258, 3, bits),
        (259, 3, 1),
        (262, 3, photometric),
        (273, 4, 8),
        (277, 3, 1),
        (278, 4, height),
        (279, 4, len(data)),
        (339, 3, sample_format),
    ]
    mark = b"II*\0" if order == "<" else b"MM\0*"
    out = mark + struct.pack(order + "I", 8 + len(data)) + data
    out += struct.pack(order + "H", len(entries))
    for tag, kind, value in entries:
        form = "HHI" + ("Hxx" if kind == 3 else "I")
        out += struct.pack(order + form, tag, kind, 1, value)
    return out + bytes(4)


def png(rows, *, size, bits, kind=0, transparent=None):
    """Write a PNG of raw rows, as its specification says."""

    def chunk(name, data):
        crc = zlib.crc32(name + data)
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", crc)

    head = struct.pack(">IIBBBBB", size[1], size[0], bits, kind, 0, 0, 0)
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    if transparent is not None:
        out += chunk(b"tRNS", struct.pack(f">{len(transparent)}H", *transparent))
    data = b"".join(b"\0" + row for row in rows)
    return out + chunk(b"IDAT", zlib.compress(data)) + chunk(b"IEND", b"")


def assert_is_ramp(content, expected=EXPECTED):
    pixels = picture(content)
    assert pixels.shape == (4, 6, 1)
    np.testing.assert_array_equal(pixels[..., 0], expected)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG2000", "PPM"])
def test_16_bit_grey_is_scaled_alike_in_every_format(kind):
    options = {"irreversible": False} if kind == "JPEG2000" else {}
    assert_is_ramp(encoded(Image.fromarray(RAMP), kind, **options))


@pytest.mark.parametrize("white", [1, 7, 15, 255, 256, 1000, 1023, 4095, 65535])
@pytest.mark.parametrize("magic", [b"P2", b"P5"])
def test_a_pgm_is_scaled_by_its_own_white(white, magic):
    values = np.linspace(0, white, 24).round().astype(np.uint16).reshape(4, 6)
    body = b" ".join(b"%d" % v for v in values.ravel())
    if magic == b"P5":
        body = values.astype(">u2" if white > 255 else "u1").tobytes()
    pixels = picture(b"%s\n6 4\n%d\n" % (magic, white) + body)
    assert np.abs(pixels[..., 0] - values * (255 / white)).max() <= 0.51


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("photometric", [0, 1])
def test_a_16_bit_tiff_is_scaled_whichever_its_byte_order_and_white(order, photometric):
    values = RAMP if photometric else 65535 - RAMP
    content = tiff(
        values.astype(order + "u2"), bits=16, photometric=photometric, order=order
    )
    if order == ">" and photometric == 0:  # Pillow does not know this combination
        with pytest.raises(DataError, match="no known format"):
            picture(content)
        return
    assert_is_ramp(content)


def test_a_12_bit_tiff_is_scaled_by_4095():
    values = (RAMP >> 4).astype(int)
    packed = bytearray()
    for first, second in values.reshape(-1, 2):
        packed += bytes([first >> 4, (first & 15) << 4 | second >> 8, second & 255])
    assert_is_ramp(tiff(bytes(packed), bits=12), np.rint(values * (255 / 4095)))


@pytest.mark.parametrize("photometric", [0, 1])
def test_floats_in_0_to_1_are_scaled(photometric):
    values = (RAMP / 65535).astype("<f4")
    shown = values if photometric else 1 - values
    content = tiff(shown.tobytes(), bits=32, sample_format=3, photometric=photometric)
    pixels = picture(content)[..., 0]
    assert np.abs(pixels - values * 255).max() <= 0.51
    pfm = b"Pf\n6 4\n-1.0\n" + values[::-1].tobytes()
    assert np.abs(picture(pfm)[..., 0] - values * 255).max() <= 0.51


@pytest.mark.parametrize("values", [[0, 255], [-1, 1], [0, 1.01], [0, np.nan]])
def test_other_floats_are_refused_by_name(values):
    array = np.resize(np.array(values, np.float32), (4, 6))
    content = encoded(Image.fromarray(array))
    with pytest.raises(DataError, match=r"'x.tif' has floats, which must lie in \[0"):
        picture(content, name="x.tif")


@pytest.mark.parametrize(
    ("dtype", "sample_format"), [("<u4", 1), ("<i4", 2), ("<i2", 2), ("i1", 2)]
)
def test_integers_without_an_agreed_white_are_refused_by_name(dtype, sample_format):
    array = np.arange(24).astype(dtype)
    content = tiff(array, bits=8 * array.itemsize, sample_format=sample_format)
    with pytest.raises(DataError, match=r"'x' must have 8 or 16 bits, .* got (32|sig)"):
        picture(content, name="x")


MODES = {
    "1": 1,
    "L": 1,
    "LA": 1,
    "I;16": 1,
    "P": 3,
    "PA": 3,
    "RGB": 3,
    "RGBA": 3,
    "RGBX": 3,
    "CMYK": 3,
    "YCbCr": 3,
}


@pytest.mark.parametrize(("mode", "channels"), MODES.items())
@pytest.mark.parametrize("colour", [None, "grey", "rgb"])
def test_white_and_black_are_kept_in_every_mode(mode, channels, colour):
    array = np.zeros((4, 6), np.uint8)
    array[1:3] = 255
    image = Image.fromarray(array)
    if mode == "I;16":
        image = Image.fromarray(array.astype(np.uint16) * 257)
    elif mode in ("YCbCr", "CMYK", "PA", "RGBX"):
        image = image.convert("RGBA" if mode == "PA" else "RGB").convert(mode)
    else:
        image = image.convert(mode)
    pixels = picture(encoded(image), colour=colour)
    wanted = {None: channels, "grey": 1, "rgb": 3}[colour]
    assert pixels.shape == (4, 6, wanted)
    assert (pixels == np.repeat(array[..., None], wanted, axis=2)).all()


def test_colours_that_are_not_known_are_refused_by_name():
    content = encoded(Image.new("LAB", (4, 4)))
    with pytest.raises(DataError, match=r"'x' must be grey, rgb, .* mode 'LAB'"):
        picture(content, name="x")


def test_premultiplied_alpha_is_laid_over_black():
    content = encoded(Image.new("RGBA", (2, 2), (200, 100, 50, 128)))
    pixels = picture(content)
    np.testing.assert_allclose(pixels[0, 0], [100, 50, 25], atol=1)
    stored = encoded(Image.new("RGBA", (2, 2), (100, 50, 25, 128)))
    straight, premultiplied = (struct.pack("<HHIH", 338, 3, 1, n) for n in (2, 1))
    assert straight in stored
    content = stored.replace(straight, premultiplied)
    np.testing.assert_allclose(picture(content)[0, 0], [100, 50, 25], atol=1)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_laid_over_black_at_every_depth(bits):
    white = (1 << bits) - 1
    levels = [0, white] if bits == 1 else [0, 1, white]
    row = 0
    for level in levels:
        row = row << bits | level
    length = -(-len(levels) * bits // 8)
    row <<= 8 * length - len(levels) * bits
    content = png(
        [row.to_bytes(length, "big")],
        size=(1, len(levels)),
        bits=bits,
        transparent=[levels[-1]],
    )
    expected = [round(255 * level / white) for level in levels[:-1]] + [0]
    assert picture(content)[0, :, 0].tolist() == expected


def test_16_bit_colour_keeps_its_upper_byte():
    row = struct.pack(">6H", 0x8000, 0x0100, 0xFFFF, 0, 0x4080, 0x0080)
    pixels = picture(png([row], size=(1, 2), bits=16, kind=2))
    assert pixels.tolist() == [[[128, 1, 255], [0, 64, 0]]]
    content = png([row], size=(1, 2), bits=16, kind=2, transparent=[1, 2, 3])
    with pytest.raises(DataError, match="16-bit colour in which one colour is transp"):
        picture(content)


def test_16_bit_grey_with_alpha_is_grey():
    row = struct.pack(">4H", 0xC800, 0xFFFF, 0xFFFF, 0)
    pixels = picture(png([row], size=(1, 2), bits=16, kind=4))
    assert pixels.tolist() == [[[200], [0]]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "I;16", "RGB", "F"])
def test_the_orientation_is_followed_at_every_depth(orientation, mode):
    stored = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
    image = {
        "L": lambda: Image.fromarray(stored),
        "RGB": lambda: Image.fromarray(np.stack([stored] * 3, axis=2)),
        "I;16": lambda: Image.fromarray(stored.astype(np.uint16) * 257),
        "F": lambda: Image.fromarray(stored.astype(np.float32) / 255),
    }[mode]()
    turned = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: stored[::-1].T,
        7: stored[::-1, ::-1].T,
        8: stored[:, ::-1].T,
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    kinds = ["TIFF"] if mode == "F" else ["TIFF", "PNG"]
    for kind in kinds:
        pixels = picture(encoded(image, kind, exif=exif), colour="grey")
        np.testing.assert_array_equal(pixels[..., 0], turned)

"""Tests of damaged files of every kind: each ends in a DataError, whatever is wrong."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tarfile
import warnings
import zipfile

import numpy as np
import pytest
from PIL import Image

from pellucid.data import load, picture, read_idx
from pellucid.data.cifar10 import read_archive
from pellucid.data.damage import damage_of
from pellucid.errors import DataError, NetworkError

from .conftest import idx_bytes

PIXELS = np.random.default_rng(0).integers(0, 256, (9, 7, 3)).astype(np.uint8)
X, Y = PIXELS.repeat(4, axis=0)[:10, :, :1, None], np.arange(10) % 2


def encoded(image, kind, **options):
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def pictures():
    colour, grey = Image.fromarray(PIXELS), Image.fromarray(PIXELS[..., 0])
    deep = Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)
    exif = Image.Exif()
    exif[0x0112] = 6
    yield encoded(colour, "JPEG", exif=exif)
    yield encoded(colour, "PNG", exif=exif)
    yield encoded(colour, "TIFF", exif=exif)
    for kind in ("GIF", "BMP", "WEBP", "PPM", "ICO", "JPEG2000"):
        yield encoded(colour, kind)
    for kind in ("PNG", "TIFF", "PPM"):
        yield encoded(deep, kind)
    yield encoded(colour.convert("P"), "PNG", transparency=3)
    yield encoded(grey.convert("1"), "PNG")
    yield encoded(Image.fromarray(PIXELS[..., 0].astype(np.float32) / 255), "TIFF")


def zipped(method):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        for name in ("x/a/1.png", "x/b/1.png", "x/b/2.png"):
            archive.writestr(name, encoded(Image.fromarray(PIXELS), "PNG"))
    return stream.getvalue()


def saved(save, **arrays):
    stream = io.BytesIO()
    save(stream, **arrays)
    return stream.getvalue()


def cifar():
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name in [*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]:
            member = tarfile.TarInfo(name)
            member.size = 3073
            archive.addfile(member, io.BytesIO(bytes(3073)))
    return stream.getvalue()


IDX = idx_bytes(PIXELS[..., 0])
FILES = {
    "idx": [IDX, gzip.compress(IDX)],
    "npz": [
        saved(np.savez, images=X, labels=Y, classes=np.array(["a", "b"])),
        saved(np.savez_compressed, x_train=X, y_train=Y, x_test=X, y_test=Y),
    ],
    "zip": [zipped(m) for m in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)],
    "tar.gz": [cifar()],
    "picture": list(pictures()),
}


def mutated(content, rng):
    """Change, leave out, repeat or cut off some bytes, mostly near the beginning."""
    data = bytearray(content)
    how = int(rng.integers(6))
    for _ in range(int(rng.integers(1, 5))):
        if not data:
            break
        at = int(rng.integers(min(len(data), 64) if rng.random() < 0.5 else len(data)))
        if how == 0:
            data[at] = int(rng.integers(256))
        elif how == 1:
            del data[at : at + int(rng.integers(1, 20))]
        elif how == 2:
            data[at:at] = rng.bytes(int(rng.integers(1, 9)))
        elif how == 3:
            del data[at:]
        elif how == 4:
            data[at : at + 4] = b"\xff\xff\xff\xff"
        else:
            other = int(rng.integers(len(data)))
            data[at : at + 9] = data[other : other + 9]
    return bytes(data)


def read(kind, content, folder):
    if kind == "picture":
        return picture(content)
    path = folder / f"x.{kind}"
    path.write_bytes(content)
    if kind == "idx":
        return read_idx(path)
    if kind == "tar.gz":
        with damage_of(path):
            return read_archive(path, sha256=None)
    return load(path, cache=False)


@pytest.mark.parametrize("kind", FILES)
def test_a_damaged_file_ends_in_a_data_error_or_is_read(kind, tmp_path):
    rng = np.random.default_rng(7)
    said = []
    for content in FILES[kind]:
        read(kind, content, tmp_path)
        for _ in range(40):
            damaged = mutated(content, rng)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Pillow tells of some damage
                try:
                    read(kind, damaged, tmp_path)
                except DataError as error:
                    said.append(str(error))
    assert said
    assert not any("\n" in sentence for sentence in said)


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "about.json"])
def test_a_damaged_cache_never_ends_a_start(pictures_folder, own_cache, name):
    expected, _ = load(pictures_folder)
    rng = np.random.default_rng(3)
    for round in range(12):
        (entry,) = (own_cache / "pictures").iterdir()
        whole = (entry / name).read_bytes()
        head = mutated(whole[:128], rng) + whole[128:]
        if name == "about.json" and round % 2:
            head = json.dumps([1]).encode()
        (entry / name).write_bytes(head)
        found, _ = load(pictures_folder)
        assert found.images.shape == expected.images.shape


@pytest.fixture
def pictures_folder(pictures):
    return pictures


@pytest.mark.parametrize("name", ["x.npz", "x.zip", "x.idx"])
def test_a_pipe_is_refused_whatever_it_is_called(tmp_path, name):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(DataError, match="got a named pipe, not a regular file"):
        read_idx(path) if name == "x.idx" else load(path)


@pytest.mark.parametrize("shape", [(2**40,), (2**31, 2**31), (1,), (0,)])
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_an_array_that_announces_another_size_is_refused(tmp_path, shape, version):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}"
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    content = b"\x93NUMPY" + bytes([version, 0]) + length + header.encode() + bytes(9)
    with zipfile.ZipFile(tmp_path / "x.npz", "w") as archive:
        archive.writestr("images.npy", content)
        archive.writestr("labels.npy", content)
    with pytest.raises(DataError, match=r"bytes that its header announces|version \("):
        load(tmp_path / "x.npz")


def test_an_idx_header_that_announces_more_than_gzip_can_hold_is_refused(tmp_path):
    head = struct.pack(">HBBIII", 0, 8, 3, 60000, 280, 280)
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(head + bytes(1 << 20)))
    with pytest.raises(DataError, match="its header announces 4704000000"):
        read_idx(path)


@pytest.mark.parametrize("kind", ["PNG", "PPM", "BMP", "TIFF"])
def test_a_header_with_more_pixels_than_bytes_is_refused(kind):
    side = 7000
    small = bytearray(encoded(Image.new("RGB", (8, 8)), kind))
    if kind == "PPM":
        content = b"P6 %d %d 255\n" % (side, side) + bytes(99)
    elif kind == "BMP":
        small[18:26] = struct.pack("<ii", side, side)
        content = bytes(small)
    elif kind == "PNG":
        import zlib

        small[16:24] = struct.pack(">II", side, side)
        small[29:33] = struct.pack(">I", zlib.crc32(small[12:29]))
        content = bytes(small)
    else:
        content = bytes(small)
        for tag in (256, 257):
            for form in ("<HHIHH", "<HHII"):
                old = (tag, 3, 1, 8, 0) if form == "<HHIHH" else (tag, 4, 1, 8)
                content = content.replace(
                    struct.pack(form, *old), struct.pack("<HHII", tag, 4, 1, side)
                )
    with pytest.raises(DataError, match="cannot hold the 7000 × 7000 pixels"):
        picture(content, name="x")


def test_every_exception_becomes_a_data_error_that_names_the_file():
    with pytest.raises(DataError, match=r"'x' must be whole; got KeyError: 'a'\."):
        raise_within(KeyError("a"))
    with pytest.raises(DataError, match=r"got RecursionError\."):
        raise_within(RecursionError())
    with pytest.raises(NetworkError, match="ours"):
        raise_within(NetworkError("ours"))
    with pytest.raises(KeyboardInterrupt):
        raise_within(KeyboardInterrupt())


def raise_within(error):
    with damage_of("x", "whole"):
        raise error

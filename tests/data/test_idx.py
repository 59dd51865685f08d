"""Tests of the IDX format."""

from __future__ import annotations

import contextlib
import gzip
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pellucid.data import read_idx
from pellucid.data.idx import parse, unpack
from pellucid.errors import DataError

ARRAY = np.arange(24).reshape(2, 3, 4)
WHOLE = struct.pack(">HBB3I", 0, 8, 3, 2, 3, 4) + bytes(range(24))


def zipped(content: bytes) -> bytes:
    """Return gzip's form, the same whatever the time."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize("pack", [bytes, zipped])
def test_idx_reads_plain_and_gzipped(tmp_path, pack):
    path = tmp_path / "x"
    path.write_bytes(pack(WHOLE))
    array = read_idx(path)
    assert array.dtype == np.uint8
    np.testing.assert_array_equal(array, ARRAY)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(9, ">i1"), (11, ">i2"), (12, ">i4"), (13, ">f4"), (14, ">f8")],
)
def test_idx_reads_every_type_in_the_machines_byte_order(code, kind):
    values = np.array([-1, 0, 100], kind)
    content = struct.pack(">HBBI", 0, code, 1, 3) + values.tobytes()
    array = parse(content, "x")
    assert array.dtype.isnative
    assert array.tolist() == [-1, 0, 100]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (WHOLE[:-3], "must have the 40 bytes that its header announces; got 37"),
        (WHOLE + b"!", "must end after the 40 bytes"),
        (zipped(WHOLE + b"!" * 9), "must end after the 40 bytes"),
        (zipped(WHOLE[:-3]), "must have the 40 bytes.*got 37"),
        (zipped(WHOLE)[:-12], "must be a whole gzip file"),
        (zipped(WHOLE)[:20], "must have a header of 16 bytes; got 11"),
        (b"", "must be an IDX file; got 0 bytes"),
        (b"\x00\x00\x08\x03\x00", "header of 16 bytes; got 5. It is cut off"),
        (b"\x89PNG....", "must be an IDX file; got magic number 0x89504e47"),
        (b"\x00\x00\x07\x01aaaa", "must be an IDX file; got magic number"),
        (b"\x00\x00\x08\x00aaaa", "must be an IDX file; got magic number"),
        (b"\x00\x00\x08\x09aaaa", "must be an IDX file; got magic number"),
        (
            zipped(zipped(WHOLE)),
            "got magic number 0x1f8b08.*Is it compressed twice",
        ),
        (
            struct.pack(">HBB3I", 0, 8, 3, 2**31, 2**31, 9),
            "must announce at most 8589934592 bytes; got shape=",
        ),
    ],
)
def test_idx_refuses(tmp_path, content, sentence):
    path = tmp_path / "digits.idx"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"load: '.*digits\.idx' .*({sentence})"):
        read_idx(path)


def test_idx_says_that_there_is_no_file(tmp_path):
    with pytest.raises(DataError, match="file that can be read; got No such file"):
        read_idx(tmp_path / "nothing")


def test_a_gzip_bomb_is_unpacked_no_further_than_its_header_announces():
    bomb = zipped(WHOLE + bytes(50_000_000))
    assert len(unpack(bomb, "bomb")) == len(WHOLE) + 1


@given(st.binary(max_size=60), st.booleans())
def test_any_bytes_are_an_array_or_a_data_error(content, gzipped):
    raw = zipped(content) if gzipped else content
    try:
        array = parse(unpack(raw, "x"), "x")
    except DataError:
        return
    assert isinstance(array, np.ndarray)


@given(st.integers(0, 80), st.integers(0, 255))
def test_a_damaged_gzip_is_an_array_or_a_data_error(position, value):
    raw = bytearray(zipped(WHOLE))
    raw[position % len(raw)] = value
    with contextlib.suppress(DataError):
        assert parse(unpack(bytes(raw), "x"), "x").dtype.kind in "uif"

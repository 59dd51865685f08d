"""Tests of zips that must not be trusted."""

from __future__ import annotations

import zipfile

import pytest

from pellucid.data import archive as module
from pellucid.data.archive import open_archive, read_entry
from pellucid.errors import DataError


@pytest.fixture
def path(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("zeros", bytes(100_000))
        archive.writestr("text", b"hello")
    return tmp_path / "a.zip"


def test_an_entry_is_read(path):
    with open_archive(path) as archive:
        assert read_entry(archive, "text") == b"hello"


def test_an_archive_that_unpacks_to_far_too_much_is_refused(path, monkeypatch):
    monkeypatch.setattr(module, "UNPACKED_LIMIT_BYTES", 50_000)
    with pytest.raises(DataError, match=r"got 100005. It may be a zip bomb"):
        open_archive(path)


def test_an_entry_over_the_limit_is_refused(path, monkeypatch):
    monkeypatch.setattr(module, "ENTRY_LIMIT_BYTES", 1000)
    with (
        open_archive(path) as archive,
        pytest.raises(DataError, match=r"a\.zip/zeros' must have at most 1000 bytes"),
    ):
        read_entry(archive, "zeros")


def test_an_encrypted_entry_is_refused(path):
    raw = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        raw[raw.index(mark) + offset] |= 1
    path.write_bytes(raw)
    with pytest.raises(DataError, match="must not be encrypted; got the encrypted"):
        open_archive(path)


def test_a_damaged_entry_is_named(path):
    raw = bytearray(path.read_bytes())
    start = raw.index(b"zeros") + 5
    raw[start : start + 20] = b"\xff" * 20
    path.write_bytes(raw)
    with (
        open_archive(path) as archive,
        pytest.raises(DataError, match=r"a\.zip/zeros' must be a whole entry"),
    ):
        read_entry(archive, "zeros")


def test_an_entry_that_lies_about_its_size_is_refused(path):
    raw = bytearray(path.read_bytes())
    at = raw.index(b"PK\x01\x02") + 24
    raw[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(raw)
    with open_archive(path) as archive, pytest.raises(DataError, match="whole entry"):
        read_entry(archive, "zeros")


def test_an_entry_that_is_missing_is_named(path):
    with open_archive(path) as archive, pytest.raises(DataError, match="no such entry"):
        read_entry(archive, "nothing")


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(40)])
def test_what_is_no_zip_is_refused(tmp_path, content):
    (tmp_path / "x.zip").write_bytes(content)
    with pytest.raises(DataError, match="must be a whole zip file; got "):
        open_archive(tmp_path / "x.zip")


def test_a_zip_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match="file that can be read; got No such file"):
        open_archive(tmp_path / "x.zip")

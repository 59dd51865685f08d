"""Tests of downloads, from files in place of a network."""

from __future__ import annotations

import hashlib

import pytest

from pellucid.data.download import download
from pellucid.errors import DataError

CONTENT = bytes(range(256)) * 4096
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def url(tmp_path):
    (tmp_path / "there").write_bytes(CONTENT)
    return (tmp_path / "there").as_uri()


def test_a_download_arrives_whole_and_tells_how_far_it_is(url, tmp_path):
    told = []
    target = tmp_path / "deep" / "here"
    download(
        url,
        target,
        sha256=SHA256,
        size_bytes=len(CONTENT),
        progress=lambda done, total, what: told.append((done, total, what)),
    )
    assert target.read_bytes() == CONTENT
    assert told[-1] == (len(CONTENT), len(CONTENT), f"downloading {url}")
    assert [done for done, _, _ in told] == sorted(done for done, _, _ in told)


@pytest.mark.parametrize(
    ("sha256", "size_bytes"), [("0" * 64, len(CONTENT)), (SHA256, 100)]
)
def test_another_file_is_refused_and_nothing_stays(url, tmp_path, sha256, size_bytes):
    folder = tmp_path / "cache"
    with pytest.raises(DataError, match="must be the official file of"):
        download(url, folder / "here", sha256=sha256, size_bytes=size_bytes)
    assert list(folder.iterdir()) == []


def test_an_address_out_of_reach_is_named(tmp_path):
    with pytest.raises(DataError, match="file:///nowhere must be within reach"):
        download("file:///nowhere", tmp_path / "x", sha256="", size_bytes=1)


def test_a_folder_that_cannot_be_made_is_named(url, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"writable; got .*"):
        download(url, tmp_path / "file" / "x", sha256=SHA256, size_bytes=len(CONTENT))

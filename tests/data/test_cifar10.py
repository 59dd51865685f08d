"""Tests of CIFAR-10's binary archive, with a small one of the same form."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest

from pellucid.data import cifar10
from pellucid.data.cifar10 import ARCHIVE, NAME, find_cifar10, read_archive
from pellucid.errors import DataError

BATCHES = [f"data_batch_{number}.bin" for number in range(1, 6)] + ["test_batch.bin"]


def write(path, batches):
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, content in batches.items():
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def batches():
    rng = np.random.default_rng(0)
    records = rng.integers(0, 256, (len(BATCHES), 2, 3073)).astype(np.uint8)
    records[..., 0] %= 10
    return {n: r.tobytes() for n, r in zip(BATCHES, records, strict=True)}


def test_the_archive_is_read_record_by_record(tmp_path, batches):
    train, test = read_archive(write(tmp_path / ARCHIVE, batches), sha256=None)
    assert train.images.shape == (10, 32, 32, 3)
    assert len(test) == 2
    record = batches["data_batch_1.bin"][3073:]
    assert train.labels[1] == record[0]
    red, green, blue = (record[1 + plane * 1024 + 32 * 5 + 7] for plane in range(3))
    assert train.images[1, 5, 7].tolist() == [red, green, blue]
    assert train.classes[3] == "cat"


def test_the_archive_is_found_in_the_cache_and_checked(batches, own_cache):
    path = write(own_cache / NAME / ARCHIVE, batches)
    assert find_cifar10() == path
    with pytest.raises(DataError, match="must have SHA-256 c4a38c50"):
        cifar10.read_cifar10()


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("test_batch.bin", None, "must hold 'test_batch.bin'; got none"),
        ("test_batch.bin", b"\0" * 3000, "records of 3073 bytes; got 3000 bytes"),
        ("test_batch.bin", b"", "records of 3073 bytes; got 0 bytes"),
        ("data_batch_2.bin", b"\x0b" + bytes(3072), "labels must lie in 0 … 9"),
    ],
)
def test_a_damaged_member_is_named(tmp_path, batches, name, content, sentence):
    del batches[name]
    if content is not None:
        batches[name] = content
    with pytest.raises(DataError, match=sentence):
        read_archive(write(tmp_path / ARCHIVE, batches), sha256=None)


@pytest.mark.parametrize("cut", [10, 1000])
def test_an_archive_that_is_cut_off_is_refused(tmp_path, batches, cut):
    path = write(tmp_path / ARCHIVE, batches)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(DataError, match=r"must be a whole \.tar\.gz archive"):
        read_archive(path, sha256=None)


def test_a_member_that_is_too_large_is_refused(tmp_path, batches, monkeypatch):
    monkeypatch.setattr(cifar10, "_MEMBER_LIMIT_BYTES", 100)
    with pytest.raises(DataError, match="must have at most 100 bytes; got 6146"):
        read_archive(write(tmp_path / ARCHIVE, batches), sha256=None)


def test_cifar10_says_how_to_get_it_without_a_network(own_cache):
    with pytest.raises(
        DataError, match=r"'cifar10' must be on this machine.*Put https://.*kriz"
    ):
        cifar10.read_cifar10(url="file:///nowhere/")

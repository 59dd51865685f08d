"""Tests of datasets of four IDX files."""

from __future__ import annotations

import gzip
import re

import pytest

from pellucid.data import load
from pellucid.data.idx_folder import holds_idx, read_idx_folder
from pellucid.errors import DataError


def test_a_folder_of_idx_files_is_loaded(idx_folder):
    train, test = load(idx_folder)
    assert train.images.shape == (6, 4, 5, 1)
    assert test.labels.tolist() == [0, 1, 2]


def test_the_files_may_be_plain(idx_folder):
    path = idx_folder / "t10k-labels-idx1-ubyte.gz"
    path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
    path.unlink()
    assert holds_idx(idx_folder)
    assert len(load(idx_folder)[1]) == 3


def test_swapped_images_and_labels_are_named(idx_folder):
    a, b = (idx_folder / f"train-{k}-ubyte.gz" for k in ("images-idx3", "labels-idx1"))
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)
    with pytest.raises(DataError, match=r"must hold images.*shape \(6,\).*swapped\?"):
        load(idx_folder)


def test_a_missing_file_is_named(idx_folder):
    (idx_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    assert not holds_idx(idx_folder)
    with pytest.raises(DataError, match=r"must hold 't10k-labels-idx1-ubyte.gz'"):
        read_idx_folder(idx_folder)


def test_another_checksum_is_refused(idx_folder):
    sums = {"train-images-idx3-ubyte.gz": "0" * 64}
    sentence = re.escape("train-images-idx3-ubyte.gz' must have SHA-256 0000")
    with pytest.raises(DataError, match=sentence):
        read_idx_folder(idx_folder, sha256=sums)


def test_images_and_labels_of_two_lengths_are_refused(idx_folder):
    train = idx_folder / "train-labels-idx1-ubyte.gz"
    train.write_bytes((idx_folder / "t10k-labels-idx1-ubyte.gz").read_bytes())
    with pytest.raises(DataError, match="got 6 images, 3 labels"):
        load(idx_folder)

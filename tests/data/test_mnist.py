"""Tests of the MNIST that comes with the package."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from pellucid.data import load
from pellucid.data.mnist import FOLDER, read_mnist
from pellucid.errors import DataError


def test_mnist_is_all_of_mnist():
    train, test = load("mnist")
    assert train.images.shape == (60_000, 28, 28, 1)
    assert test.images.shape == (10_000, 28, 28, 1)
    assert train.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    assert train.classes == tuple("0123456789")
    assert np.bincount(train.labels).tolist()[:3] == [5923, 6742, 5958]
    # the published statistics of the training pixels on [0, 1]
    assert train.images.mean() / 255 == pytest.approx(0.1307, abs=5e-5)
    assert train.images.std() / 255 == pytest.approx(0.3081, abs=5e-5)


def test_mnist_names_a_file_that_is_not_the_original(tmp_path):
    folder = shutil.copytree(FOLDER, tmp_path / "mnist")
    path = folder / "t10k-labels-idx1-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1] + b"\x01")
    with pytest.raises(DataError, match=r"t10k-labels.* must have SHA-256 b91679a"):
        read_mnist(folder)


def test_mnist_names_a_file_that_is_missing(tmp_path):
    with pytest.raises(DataError, match=r"train-images.*must be a file that can be"):
        read_mnist(tmp_path)


def test_mnist_states_its_licence():
    assert "Share Alike 3.0" in (FOLDER / "LICENSE.md").read_text()

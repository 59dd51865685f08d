"""Tests of Fashion-MNIST."""

from __future__ import annotations

import hashlib
import shutil

import pytest

from pellucid.data import fashion_mnist, load
from pellucid.data.fashion_mnist import (
    NAME,
    find_fashion_mnist,
    read_fashion_mnist,
)
from pellucid.errors import DataError

FOUND = find_fashion_mnist()


@pytest.fixture
def official(idx_folder, monkeypatch):
    """A small folder that passes for the official one."""
    sums = {
        path.name: (path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in idx_folder.iterdir()
    }
    monkeypatch.setattr(fashion_mnist, "_DOWNLOADS", sums)
    monkeypatch.setattr(fashion_mnist, "_CONTENT_SHA256", {})
    monkeypatch.setattr(
        fashion_mnist,
        "data_folders",
        lambda name: (fashion_mnist.cache_folder() / name,),
    )
    return idx_folder


def test_fashion_mnist_is_found_where_the_user_says(idx_folder, monkeypatch, tmp_path):
    shutil.copytree(idx_folder, tmp_path / "data" / NAME)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "data"))
    assert find_fashion_mnist() == tmp_path / "data" / NAME


def test_fashion_mnist_refuses_files_that_are_not_the_official_ones(
    idx_folder, monkeypatch, tmp_path
):
    shutil.copytree(idx_folder, tmp_path / "data" / NAME)
    monkeypatch.setenv("PELLUCID_DATA", str(tmp_path / "data"))
    with pytest.raises(DataError, match="must have SHA-256 c59f468a"):
        load("fashion-mnist")


def test_fashion_mnist_is_downloaded_once(official, own_cache):
    told = []
    train, _ = read_fashion_mnist(
        url=official.as_uri() + "/", progress=lambda *now: told.append(now)
    )
    assert len(train) == 6
    assert told[-1][0] == told[-1][1]
    assert find_fashion_mnist() == own_cache / NAME
    train, _ = read_fashion_mnist(url="file:///nowhere/")
    assert len(train) == 6


def test_fashion_mnist_says_how_to_get_it_without_a_network(official, own_cache):
    with pytest.raises(
        DataError,
        match=r"'fashion-mnist' must be on this machine.*apt install "
        r"dataset-fashion-mnist, or put the four files .*pellucid",
    ):
        read_fashion_mnist(url="file:///nowhere/")


@pytest.mark.skipif(FOUND is None, reason="Fashion-MNIST is not on this machine")
def test_fashion_mnist_is_all_of_fashion_mnist(monkeypatch):
    monkeypatch.setattr(fashion_mnist, "data_folders", lambda name: (FOUND,))
    train, test = load("fashion-mnist")
    assert (len(train), len(test)) == (60_000, 10_000)
    assert train.labels[:5].tolist() == [9, 0, 0, 3, 0]

"""Formats of our own: the same network, the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_the_same_bits_come_back(suffix, zoo_model, tmp_path):
    path = exchange.write(zoo_model, tmp_path / f"model{suffix}")
    back = exchange.read(path, engine="numpy")
    assert back.network == zoo_model.network
    assert back.network.name == zoo_model.network.name
    for name, array in zoo_model.weights.items():
        np.testing.assert_array_equal(back.weights[name], array)


def test_a_pellucid_file_reads_as_safetensors(small_model, tmp_path):
    small_model.save(tmp_path / "model.pellucid")
    back = exchange.read(
        tmp_path / "model.pellucid", engine="numpy", format="safetensors"
    )
    assert back.network == small_model.network


@pytest.mark.parametrize("name", ["npz", "safetensors"])
def test_weights_without_a_network_are_refused_with_advice(name, tmp_path):
    path = tmp_path / f"weights.{name}"
    array = np.zeros(3, np.float32)
    if name == "npz":
        np.savez(path, w=array)
    else:
        from safetensors.numpy import save_file

        save_file({"w": array}, path)
    with pytest.raises(pl.ExchangeError, match=r"Model\.load_weights|Give the network"):
        exchange.read(path, engine="numpy")

"""TorchScript archives, loaded as PyTorch loads them."""

from __future__ import annotations

import json
import warnings

import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import verify_export

torch = pytest.importorskip("torch", reason="torch is not installed")


def test_each_layer_gives_the_same_in_pytorch(case_model, images_of, tmp_path):
    path = exchange.write(case_model, tmp_path / "model.torchscript")
    proof = verify_export(case_model, path, images_of(case_model))
    assert proof.relative <= 1e-5
    assert proof.runtime.startswith("torch")


def test_zoo_networks_give_the_same_in_pytorch(zoo_model, images_of, tmp_path):
    path = exchange.write(zoo_model, tmp_path / "model.torchscript")
    assert verify_export(zoo_model, path, images_of(zoo_model)).relative <= 1e-5


def test_the_archive_holds_classes_and_no_code_of_ours(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.torchscript")
    extra = {"pellucid_card.json": ""}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = torch.jit.load(path, _extra_files=extra)
    assert json.loads(extra["pellucid_card.json"])["classes"] == ["a", "b", "c"]
    assert loaded(torch.zeros(5, 1, 6, 6)).shape == (5, 3)


def test_torchscript_is_not_read(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.torchscript")
    with pytest.raises(pl.ExchangeError, match="only written"):
        exchange.read(path)

"""Two doors: formats by name, failures that leave nothing."""

from __future__ import annotations

import importlib.util
import os

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import FORMATS, disk


def test_the_ending_tells_the_format(small_model, images_of, agree, tmp_path):
    path = exchange.write(small_model, tmp_path / "Model.NPZ")
    images = images_of(small_model)
    back = exchange.read(path, engine="numpy")
    agree(back.predict(images), small_model.predict(images), 0)


def test_an_unknown_ending_names_those_that_are_known(small_model, tmp_path):
    with pytest.raises(pl.ExchangeError, match=r"file must end in one of .*\.onnx"):
        exchange.write(small_model, tmp_path / "model.xyz")


def test_an_unknown_format_names_those_that_are_known(small_model, tmp_path):
    with pytest.raises(
        pl.ExchangeError, match=r"format: must be one of .*; got 'caffe'"
    ):
        exchange.write(small_model, tmp_path / "model", format="caffe")


def test_what_is_no_path_is_refused():
    with pytest.raises(pl.ExchangeError, match=r"source must be a path, .*; got int"):
        exchange.read(3)


def test_constants_belong_to_onnx(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.npz")
    with pytest.raises(
        pl.ExchangeError, match="constants must be given with onnx only"
    ):
        exchange.read(path, constants={"W": 1.0})


def test_a_missing_package_is_named_with_the_line_that_installs_it(
    small_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        pl.MissingExtraError, match=r"pip install 'pellucid\[exchange\]'"
    ):
        exchange.write(small_model, tmp_path / "model.onnx")


def test_a_float64_model_goes_only_where_its_numbers_stay(tmp_path):
    model = pl.Model(pl.zoo("xor-one-hidden"), engine="numpy", dtype="float64")
    back = exchange.read(exchange.write(model, tmp_path / "m.npz"), engine="numpy")
    assert back.dtype == "float64"
    with pytest.raises(pl.ExchangeError, match="must be float32 for onnx; got float64"):
        exchange.write(model, tmp_path / "model.onnx")


@pytest.mark.parametrize("name", [f.name for f in FORMATS.values() if f.is_written])
def test_an_export_that_cannot_be_written_leaves_nothing(
    name, small_model, tmp_path, monkeypatch
):
    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    entry = FORMATS[name]
    if any(importlib.util.find_spec(package) is None for package in entry.needs):
        pytest.skip(f"{entry.needs} is not installed")
    images = np.ones((2, *small_model.network.input_shape), np.float32)
    calibration = images if entry.is_calibrated else None
    monkeypatch.setattr(os, "replace", fails)
    path = tmp_path / "out" / ".." / "model"
    with pytest.raises(pl.ExchangeError, match="No space left on device"):
        exchange.write(small_model, path, format=name, calibration=calibration)
    assert list(tmp_path.iterdir()) == []


def _write_folder(path, files):
    disk.write_sets({path: disk.Contents(files, "model.json")})


def test_a_folder_that_holds_other_things_is_not_replaced(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(pl.ExchangeError, match="must be a new folder"):
        _write_folder(tmp_path, {"model.json": b"{}"})
    assert (tmp_path / "keep.txt").read_text() == "mine"


def test_a_folder_of_the_format_is_replaced_whole(tmp_path):
    target = tmp_path / "model"
    _write_folder(target, {"model.json": b"1", "old.bin": b""})
    _write_folder(target, {"model.json": b"2", "a/b.bin": b""})
    names = sorted(str(p.relative_to(target)) for p in target.rglob("*") if p.is_file())
    assert names == ["a/b.bin", "model.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


@pytest.mark.parametrize(
    ("former", "current"), [("Proof", "ExportReport"), ("prove", "verify_export")]
)
def test_a_former_public_name_warns_and_is_the_current_one(former, current):
    with pytest.warns(DeprecationWarning, match=f"is now pellucid.exchange.{current}"):
        assert getattr(pl.exchange, former) is getattr(pl.exchange, current)

"""ONNX out: onnxruntime and onnx's own evaluator give what we give."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx.reference import ReferenceEvaluator

import pellucid as pl
from pellucid import exchange

onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")


def channels_first(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 3, 1, 2) if array.ndim == 4 else array


def in_onnxruntime(path: Path, images: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(path)
    name = session.get_inputs()[0].name
    return session.run(None, {name: channels_first(images)})[0]


def test_zoo_networks_give_the_same_in_onnxruntime(
    zoo_model, images_of, agree, tmp_path
):
    path = exchange.write(zoo_model, tmp_path / "model.onnx")
    images = images_of(zoo_model)
    agree(in_onnxruntime(path, images), zoo_model.predict(images))


def test_every_layer_gives_the_same_in_onnxruntime(
    case_model, images_of, agree, tmp_path
):
    path = exchange.write(case_model, tmp_path / "model.onnx")
    images = images_of(case_model)
    expected = channels_first(case_model.predict(images))
    agree(in_onnxruntime(path, images), expected)


def test_onnx_itself_evaluates_the_file_to_the_same(
    zoo_model, images_of, agree, tmp_path
):
    path = exchange.write(zoo_model, tmp_path / "model.onnx")
    images = images_of(zoo_model, count=1)
    evaluator = ReferenceEvaluator(onnx.load(path))
    output = evaluator.run(None, {evaluator.input_names[0]: channels_first(images)})[0]
    agree(output, zoo_model.predict(images))


def test_the_file_takes_any_batch_size(small_model, images_of, agree, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.onnx")
    for count in (1, 2, 33):
        images = images_of(small_model, count)
        agree(in_onnxruntime(path, images), small_model.predict(images))


def test_the_header_names_opset_and_producer(small_model, tmp_path):
    model = onnx.load(exchange.write(small_model, tmp_path / "model.onnx"))
    assert [(entry.domain, entry.version) for entry in model.opset_import] == [("", 20)]
    assert model.producer_name == "pellucid"


def test_output_padding_that_onnx_cannot_have_is_refused(model_of, tmp_path):
    layer = pl.ConvTranspose2D(3, kernel_size=3, output_padding=2, name="up")
    model = model_of(pl.Sequential(pl.Input(5, 5, 2), layer))
    with pytest.raises(pl.ExchangeError, match="ConvTranspose2D 'up': output_padding"):
        exchange.write(model, tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())

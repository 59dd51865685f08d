""".tflite files as LiteRT's own interpreter reads them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.runtimes import RUNTIMES

litert = pytest.importorskip(
    "ai_edge_litert.interpreter", reason="ai-edge-litert is not installed"
)
#: LiteRT averages over its own paddings only, and has no cubic polynomials
REFUSED = {
    "avg_pool_uneven": "padding must be 'valid' or 'same'",
    "resize_bicubic": "there is no rule bicubic",
}


def in_litert(model, path, images):
    return RUNTIMES["tflite"](path, model.network, images).outputs


def test_every_layer_gives_the_same_in_litert(
    case_name, case_model, images_of, agree, tmp_path
):
    path = tmp_path / "model.tflite"
    if case_name in REFUSED:
        with pytest.raises(pl.ExchangeError, match=REFUSED[case_name]):
            exchange.write(case_model, path)
        return
    exchange.write(case_model, path)
    images = images_of(case_model)
    agree(in_litert(case_model, path, images), case_model.predict(images))


def test_zoo_networks_give_the_same_in_litert(zoo_model, images_of, agree, tmp_path):
    path = exchange.write(zoo_model, tmp_path / "model.tflite")
    images = images_of(zoo_model)
    agree(in_litert(zoo_model, path, images), zoo_model.predict(images))


def test_any_batch_size_is_taken(small_model, images_of, agree, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.tflite")
    images = images_of(small_model, 5)
    interpreter = litert.Interpreter(model_path=str(path))
    interpreter.resize_tensor_input(0, images.shape)
    runner = interpreter.get_signature_runner()
    (output,) = runner(input=images).values()
    agree(output, small_model.predict(images))


def test_batch_norm_and_relu_go_into_the_convolution(model_of, tmp_path):
    convolution = pl.Conv2D(4, kernel_size=3, bias=False)
    layers = pl.Input(6, 6, 1), convolution, pl.BatchNorm(), pl.ReLU()
    model = model_of(pl.Sequential(*layers))
    path = exchange.write(model, tmp_path / "model.tflite")
    interpreter = litert.Interpreter(
        model_path=str(path),
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_REF,
    )
    interpreter.allocate_tensors()
    assert [op["op_name"] for op in interpreter._get_ops_details()] == ["CONV_2D"]


def test_the_proof_names_runtime_and_times(small_model, images_of, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.tflite")
    proof = exchange.verify_export(small_model, path, images_of(small_model))
    assert proof.runtime.startswith("ai-edge-litert 2")
    assert proof.relative <= 1e-5
    assert proof.latency_s > 0


def test_writing_needs_neither_tensorflow_nor_litert(small_model, tmp_path):
    small_model.save(tmp_path / "small.pellucid")
    code = (
        "import sys, pellucid as pl; sys.modules['numba'] = None;"
        f"m = pl.load({str(tmp_path / 'small.pellucid')!r}, engine='numpy');"
        f"pl.exchange.write(m, {str(tmp_path / 'small.tflite')!r});"
        "print([p for p in ('tensorflow', 'ai_edge_litert') if p in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_the_same_network_makes_the_same_bytes(small_model, tmp_path):
    paths = [exchange.write(small_model, tmp_path / f"{n}.tflite") for n in "ab"]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_float64_is_refused(tmp_path):
    network = pl.Sequential(pl.Input(2), pl.Dense(3))
    model = pl.Model(network, engine="numpy", dtype="float64")
    with pytest.raises(pl.ExchangeError, match="must be float32 for tflite"):
        exchange.write(model, tmp_path / "model.tflite")
    assert not np.any([path.suffix == ".tflite" for path in tmp_path.iterdir()])

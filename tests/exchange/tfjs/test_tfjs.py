"""Layers-models of TensorFlow.js: what is written, and what comes in."""

from __future__ import annotations

import json
import subprocess

import networks
import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import verify_export
from pellucid.exchange.tfjs.read import read_array

#: layers that TensorFlow.js has not, or has otherwise
REFUSED = {
    "clip": "there is no layer for Clip",
    "conv_1d": "groups must be 1",
    "group_norm": "there is no such layer",
    "recurrent_gru": "reset_after must be False",
    "instance_norm": "there is no such layer",
    "l2_normalize": "there is no such layer",
    "resize_bicubic": "cubic polynomials",
    "attention": "there is no layer for ZerosLike",
    "attention_cross": "there is no layer for Matmul",
    "avg_pool_uneven": "padding must be 'valid' or 'same'",
    "conv_grouped": "groups must be 1",
    "conv_transpose_grouped": "groups must be 1",
    "hard_sigmoid": "there is no activation 'hard_sigmoid'",
    "hard_swish": "there is no activation 'hard_silu'",
    "local_response_norm": "there is no such layer",
    "local_response_norm_wide": "there is no such layer",
    "max_pool_uneven": "padding must be 'valid' or 'same'",
    "resize": "mode must be 'nearest'",
    "upsample_bilinear": "mode must be 'nearest'",
}
#: one a kind of arithmetic in TensorFlow.js; each takes a process of Node
IN_NODE = ("branches", "conv_depthwise", "conv_transpose_extended", "vectors")


def test_each_layer_goes_out_and_comes_back(
    case_name, case_model, images_of, agree, tmp_path
):
    path = tmp_path / "model.tfjs"
    if case_name in REFUSED:
        with pytest.raises(pl.ExchangeError, match=REFUSED[case_name]):
            exchange.write(case_model, path)
        assert not path.exists()
        return
    exchange.write(case_model, path)
    back = exchange.read(path, engine="numpy")
    images = images_of(case_model)
    agree(back.predict(images), case_model.predict(images))


@pytest.mark.parametrize("name", IN_NODE)
def test_tensorflow_js_gives_the_same(
    name, model_of, images_of, tfjs_package, tmp_path
):
    case_model = model_of(networks.CASES[name]())
    path = exchange.write(case_model, tmp_path / "model.tfjs")
    proof = verify_export(case_model, path, images_of(case_model))
    assert proof.relative <= 1e-5
    assert proof.runtime.startswith("TensorFlow.js 4")


def test_every_network_of_the_zoo_runs_in_tensorflow_js(
    zoo_model, images_of, tfjs_package, tmp_path
):
    path = exchange.write(zoo_model, tmp_path / "model.tfjs")
    assert verify_export(zoo_model, path, images_of(zoo_model, 1)).relative <= 1e-5
    back = exchange.read(path / "model.json", engine="numpy")
    assert back.network.parameter_count == zoo_model.network.parameter_count


def test_classes_and_preprocessing_come_back(small_model, tmp_path):
    back = exchange.read(exchange.write(small_model, tmp_path / "m.tfjs"))
    assert back.classes == small_model.classes
    assert back.preprocessing == small_model.preprocessing


MADE_THERE = """
const tf = require("@tensorflow/tfjs/dist/tf.min.js"), fs = require("node:fs");
const model = tf.sequential();
model.add(tf.layers.conv2d({ inputShape: [8, 8, 2], filters: 3, kernelSize: 3,
  activation: "relu", padding: "same", biasInitializer: "randomNormal" }));
model.add(tf.layers.batchNormalization());
model.add(tf.layers.maxPooling2d({ poolSize: 2 }));
model.add(tf.layers.flatten());
model.add(tf.layers.dense({ units: 4, activation: "softmax" }));
const x = tf.tensor(JSON.parse(process.argv[2]), [2, 8, 8, 2]);
const y = Array.from(model.predict(x).dataSync());
model.save(tf.io.withSaveHandler(async (made) => {
  fs.writeFileSync("a.bin", Buffer.from(made.weightData).subarray(0, 100));
  fs.writeFileSync("b.bin", Buffer.from(made.weightData).subarray(100));
  fs.writeFileSync("model.json", JSON.stringify({
    format: made.format, modelTopology: made.modelTopology,
    weightsManifest: [{ paths: ["a.bin", "b.bin"], weights: made.weightSpecs }] }));
  return { modelArtifactsInfo: { dateSaved: new Date() } };
})).then(() => console.log(JSON.stringify(y)));
"""


def test_a_model_made_in_tensorflow_js_comes_in(tfjs_package, agree, tmp_path):
    (tmp_path / "make.cjs").write_text(MADE_THERE)
    x = np.random.default_rng(0).normal(size=(2, 8, 8, 2)).astype(np.float32)
    command = ["node", "make.cjs", json.dumps(x.ravel().tolist())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    expected = np.reshape(json.loads(done.stdout.splitlines()[-1]), (2, 4))
    model = exchange.read(tmp_path / "model.json", engine="numpy")
    agree(model.predict(x), expected)


def changed(path, **changes):
    """Write other weights' entries into model.json."""
    document = json.loads((path / "model.json").read_text())
    document["weightsManifest"][0] |= changes
    (path / "model.json").write_text(json.dumps(document))


@pytest.mark.parametrize("name", ["../out.bin", "/etc/hostname", "a/../../out.bin"])
def test_weights_outside_the_folder_are_refused(name, small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "m.tfjs")
    (tmp_path / "out.bin").write_bytes((path / "weights.bin").read_bytes())
    changed(path, paths=[name])
    with pytest.raises(pl.ExchangeError, match=r"weights must lie beside model\.json"):
        exchange.read(path)


def quantize(path, kind):
    """Store all weights in another type, as TensorFlow.js's converter does."""
    document = json.loads((path / "model.json").read_text())
    content, start = (path / "weights.bin").read_bytes(), 0
    parts, specs = [], document["weightsManifest"][0]["weights"]
    for spec in specs:
        array, start = read_array(spec, content, start)
        how = {"dtype": kind, "original_dtype": "float32"}
        if kind != "float16":
            steps = np.iinfo(kind).max
            scale = float(np.ptp(array)) / steps or 1.0
            how |= {"scale": scale, "min": float(array.min())}
            array = np.round((array - how["min"]) / scale)
        spec["quantization"] = how
        parts.append(array.astype(kind).tobytes())
    (path / "model.json").write_text(json.dumps(document))
    (path / "weights.bin").write_bytes(b"".join(parts))


@pytest.mark.parametrize(
    ("kind", "within"), [("uint8", 1e-2), ("uint16", 1e-4), ("float16", 1e-3)]
)
def test_quantized_weights_come_in(kind, within, small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "m.tfjs")
    quantize(path, kind)
    model = exchange.read(path, engine="numpy")
    for name, array in model.weights.items():
        right = small_model.weights[name]
        assert array.dtype == np.float32
        assert np.abs(array - right).max() <= within * max(np.abs(right).max(), 1)


@pytest.mark.parametrize("kind", ["uint8", "uint16", "float16"])
def test_tensorflow_js_reads_quantized_weights_alike(
    kind, tfjs_package, small_model, images_of, tmp_path
):
    path = exchange.write(small_model, tmp_path / "m.tfjs")
    quantize(path, kind)
    model = exchange.read(path, engine="numpy")
    assert verify_export(model, path, images_of(model)).relative <= 1e-5


def test_other_types_of_weights_are_refused_by_name(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "m.tfjs")
    spec = {"name": "conv2d/kernel", "shape": [3], "dtype": "float32"}
    for change in ({"quantization": {"dtype": "int4"}}, {"dtype": "string"}):
        changed(path, weights=[{**spec, **change}])
        with pytest.raises(pl.ExchangeError, match="'conv2d/kernel' must be float32,"):
            exchange.read(path)


def test_another_kind_of_model_is_refused(tmp_path):
    (tmp_path / "model.json").write_text('{"format": "tree-model"}')
    with pytest.raises(pl.ExchangeError, match="or graph-model; got 'tree-model'"):
        exchange.read(tmp_path)


def test_too_few_weights_are_refused(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "m.tfjs")
    whole = (path / "weights.bin").read_bytes()
    (path / "weights.bin").write_bytes(whole[:-5])
    with pytest.raises(pl.ExchangeError, match="must lie in the weights' file"):
        exchange.read(path)
    (path / "weights.bin").write_bytes(whole + b"more")
    with pytest.raises(pl.ExchangeError, match="weights must have"):
        exchange.read(path)


def test_without_tensorflow_js_the_sentence_says_what_to_run(
    small_model, images_of, tmp_path, monkeypatch, needs_tool
):
    needs_tool("node")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NODE_PATH", raising=False)
    path = exchange.write(small_model, tmp_path / "m.tfjs")
    with pytest.raises(pl.MissingExtraError, match="npm install @tensorflow/tfjs@"):
        verify_export(small_model, path, images_of(small_model))

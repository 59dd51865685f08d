"""ES modules that networks become, run in Node."""

from __future__ import annotations

import json
import shutil
import subprocess

import numpy as np
import pytest

from pellucid import exchange

NODE = shutil.which("node")
pytestmark = [
    pytest.mark.skipif(NODE is None, reason="Node is not installed"),
    pytest.mark.sweep(every=2),
]

DRIVER = """
import { readFileSync } from "node:fs";
import * as model from "./model.mjs";
const bytes = readFileSync("./images.bin");
const size = model.inputShape.reduce((a, b) => a * b, 1);
const images = model[process.argv[2]] === model.predictPixels
  ? bytes : new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const outputs = [];
for (let i = 0; i < images.length; i += size)
  outputs.push(Array.from(model[process.argv[2]](images.subarray(i, i + size))));
console.log(JSON.stringify({ outputs, classes: model.classes }));
"""


def run(model, images, folder, function="predict"):
    exchange.write(model, folder / "model.mjs")
    (folder / "driver.mjs").write_text(DRIVER)
    (folder / "images.bin").write_bytes(images.tobytes())
    command = [NODE, "driver.mjs", function]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    outputs = np.asarray(answer["outputs"])
    return outputs.reshape(len(images), *model.network.output_shape), answer["classes"]


def test_every_layer_gives_the_same_in_node(case_model, images_of, agree, tmp_path):
    images = images_of(case_model)
    got, _ = run(case_model, images, tmp_path)
    agree(got, case_model.predict(images))


def test_zoo_networks_give_the_same_in_node(zoo_model, images_of, agree, tmp_path):
    images = images_of(zoo_model)
    got, _ = run(zoo_model, images, tmp_path)
    agree(got, zoo_model.predict(images))


def test_bytes_are_scaled_as_in_training(small_model, agree, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (4, 6, 6, 1), np.uint8)
    got, classes = run(small_model, pixels, tmp_path, "predictPixels")
    agree(got, small_model.predict(pixels))
    assert classes == ["a", "b", "c"]


def test_an_image_of_another_size_is_refused(small_model, tmp_path):
    exchange.write(small_model, tmp_path / "model.mjs")
    code = "import('./model.mjs').then((m) => m.predict(new Float32Array(35)))"
    done = subprocess.run([NODE, "-e", code], cwd=tmp_path, capture_output=True)
    assert b"image must have 36 numbers; got 35" in done.stderr


def test_the_module_imports_nothing(small_model, tmp_path):
    text = exchange.write(small_model, tmp_path / "model.mjs").read_text()
    code = [line for line in text.splitlines() if not line.startswith("//")]
    assert not [line for line in code if "import" in line or "require" in line]

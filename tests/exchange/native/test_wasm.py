"""WebAssembly modules, run in Node: predictions, activations, training."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from oracles.several_ports import triplet, two_branches

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.native.memory import memory_of
from pellucid.exchange.native.targets import TARGETS
from pellucid.exchange.native.training import verify_training

pytestmark = pytest.mark.skipif(
    shutil.which("wasm-ld") is None or shutil.which("node") is None,
    reason="there is no wasm-ld or no Node",
)
DRIVER = """
import { readFileSync } from "node:fs";
import * as model from "./m.wasm.mjs";
const bytes = readFileSync("images.bin"), pixels = readFileSync("pixels.bin");
const images = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const labels = JSON.parse(process.argv[2]), one = 48;
const said = {};
said.predicted = [...model.predict(images)];
said.pixels = [...model.predictPixels(pixels)];
said.activations = Object.fromEntries(Object.entries(
  model.activations(images.subarray(0, one))).map(([k, v]) => [k, [...v.data]]));
const step = (n) => model.trainStep(images.subarray(0, n * one), labels.slice(0, n));
said.losses = [step(8), step(5)];
const kept = model.saveState();
said.losses.push(step(8));
said.trained = [...model.predict(images)];
said.weights = Object.fromEntries(Object.entries(
  model.weights()).map(([k, v]) => [k, [...v.data]]));
model.loadState(kept);
said.again = step(8);
const begun = JSON.parse(readFileSync("weights.json"));
model.loadWeights(begun);
said.anew = [step(8), step(5)];
said.errors = [];
for (const wrong of [
  () => model.predict(new Float32Array(50)),
  () => model.activations(images),
  () => model.trainStep(images, labels),
  () => model.trainStep(images.subarray(0, one), [3]),
  () => model.loadState(new Uint8Array(3)),
  () => model.loadWeights({}),
]) try { wrong(); } catch (e) { said.errors.push(`${e.name} ${e.message}`); }
said.classes = model.classes;
console.log(JSON.stringify(said));
"""


def network() -> pl.Network:
    image = pl.Input(8, 6, 1)
    x = pl.Conv2D(4, kernel_size=3, padding="same", activation="relu")(image)
    twice = pl.Conv2D(4, kernel_size=3, padding="same")
    y = pl.Sigmoid()(twice(pl.Sigmoid()(twice(x))))
    z = pl.MaxPool2D(2)(pl.Add()(x, y))
    return pl.Network(inputs=image, outputs=pl.Dense(3)(pl.Flatten()(z)))


def test_a_module_predicts_shows_and_trains_as_the_engine_does(tmp_path: Path) -> None:
    model = pl.Model(
        network(),
        engine="compiled",
        loss="cross_entropy",
        optimizer=pl.Adam(1e-2),
        classes=("a", "b", "c"),
        seed=4,
    )
    random = np.random.default_rng(0)
    images = random.normal(size=(20, 8, 6, 1)).astype(np.float32)
    pixels = random.integers(0, 256, (3, 8, 6, 1), np.uint8)
    labels = random.integers(0, 3, 20)
    exchange.write(model, tmp_path / "m.wasm.mjs", train=True, batch_size=8)
    begun = {name: array.ravel().tolist() for name, array in model.weights.items()}
    (tmp_path / "weights.json").write_text(json.dumps(begun))
    (tmp_path / "images.bin").write_bytes(images.tobytes())
    (tmp_path / "pixels.bin").write_bytes(pixels.tobytes())
    (tmp_path / "driver.mjs").write_text(DRIVER)
    command = ["node", "driver.mjs", json.dumps(labels.tolist())]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)

    def agree(name: str, expected: Any) -> None:
        got = np.reshape(said[name], np.shape(expected))
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)

    agree("predicted", model.predict(images))
    agree("pixels", model.predict(pixels))
    shown = model.activations(images[:1])
    assert list(said["activations"]) == list(shown)
    for name, array in shown.items():
        got = np.reshape(said["activations"][name], array[0].shape)
        np.testing.assert_allclose(got, array[0], rtol=1e-4, atol=1e-5)
    losses = [model.train_step(images[:n], labels[:n]) for n in (8, 5, 8)]
    agree("losses", losses)
    agree("trained", model.predict(images))
    assert list(said["weights"]) == list(model.weights)
    for name, array in model.weights.items():
        got = np.reshape(said["weights"][name], array.shape)
        np.testing.assert_allclose(got, array, rtol=1e-4, atol=1e-5)
    agree("anew", losses[:2])
    agree("again", losses[2])
    assert said["classes"] == ["a", "b", "c"]
    assert [error.split(":")[0] for error in said["errors"]] == [
        "RangeError predict",
        "RangeError activations",
        "RangeError trainStep",
        "RangeError trainStep",
        "RangeError loadState",
        "RangeError loadWeights",
    ]
    assert "images must be 1 to 8 examples of 48 numbers" in said["errors"][2]
    assert "class numbers from 0 to 2; got 3" in said["errors"][3]
    types = (tmp_path / "m.wasm.d.mts").read_text()
    assert "export function trainStep(" in types


def learner() -> pl.Model:
    options: Any = {"loss": "cross_entropy", "optimizer": pl.Adam(1e-2)}
    return pl.Model(network(), engine="numpy", seed=4, **options)


@pytest.mark.parametrize("kind", ["threads", "relaxed", "scalar"])
def test_each_target_predicts_and_trains(kind: str, tmp_path: Path) -> None:
    model = learner()
    shape = (9, *model.network.input_shape)
    images = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    path = tmp_path / "m.wasm.mjs"
    exchange.write(model, path, train=True, batch_size=9, target=f"wasm32-{kind}")
    assert exchange.verify_export(model, path, images).relative < 1e-5
    assert verify_training(model, path, "wasm", images) < 1e-5
    exchange.write(model, path, target=f"wasm32-{kind}")
    assert exchange.verify_export(model, path, images).relative < 1e-5
    assert f"{TARGETS[f'wasm32-{kind}'].about}." in path.read_text()


THREADS = """
import { isDeepStrictEqual } from "node:util";
const images = Float32Array.from({ length: 20 * 48 }, (_, i) => Math.sin(i * i));
const labels = Array.from({ length: 20 }, (_, i) => i % 3), found = [];
for (const threads of [1, 2, 5, "none"]) {
  if (threads === "none") globalThis.crossOriginIsolated = false;
  const model = await import(`./m.wasm.mjs?threads=${threads}`);
  const come = await model.ready, made = [model.predict(images)];
  for (const n of [20, 3, 20])
    made.push(model.trainStep(images.subarray(0, n * 48), labels.slice(0, n)));
  made.push(model.predict(images), model.weights());
  found.push(made);
  console.log(model.threads, come.filter((one) => one.status === "fulfilled").length,
    isDeepStrictEqual(made, found[0]));
}
"""


def test_any_number_of_threads_gives_the_same_bits(tmp_path: Path) -> None:
    path = tmp_path / "m.wasm.mjs"
    exchange.write(learner(), path, train=True, batch_size=20, target="wasm32-threads")
    (tmp_path / "driver.mjs").write_text(THREADS)
    command = ["node", "driver.mjs"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n")[:4] == [
        "1 0 true",
        "2 1 true",
        "5 4 true",
        "1 0 true",
    ]
    assert "export const threads: number;" in (tmp_path / "m.wasm.d.mts").read_text()


def test_threads_and_other_processors_are_refused_where_there_are_none(
    tmp_path: Path,
) -> None:
    with pytest.raises(pl.ExchangeError, match="target of format wasm must be one of"):
        exchange.write(learner(), tmp_path / "m.wasm.mjs", target="aarch64")
    with pytest.raises(pl.ExchangeError, match="wasm32-threads must go with format w"):
        exchange.write(learner(), tmp_path / "m.a", target="wasm32-threads")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("make", [two_branches, triplet])
def test_several_inputs_and_outputs_go_by_name(make: Any, tmp_path: Path) -> None:
    model = pl.Model(make(), engine="numpy", seed=2)
    path = exchange.write(model, tmp_path / "m.wasm.mjs")
    random, shapes = np.random.default_rng(0), model.network.shapes
    images = tuple(
        random.normal(size=(3, *shapes[name])).astype(np.float32)
        for name in model.network.inputs
    )
    assert exchange.verify_export(model, path, images).relative < 1e-5
    every = sum(int(np.prod(shape)) for shape in shapes.values())
    assert memory_of(path, "wasm") > 4 * every  # that of activations alone


@pytest.mark.parametrize("form", ["symmetric", "asymmetric", "uint8"])
def test_integers_of_each_image_are_rounded_without_a_library(form, tmp_path):
    layer = pl.Hybrid(pl.Dense(4), form=form)
    network = pl.Sequential(pl.Input(8), layer)
    random = np.random.default_rng(0)
    weight = random.integers(-127, 128, (8, 4), np.int8)
    named = {"hybrid.weight": weight, "hybrid.scale": np.full(4, 0.1, np.float32)}
    model = pl.Model(network, engine="numpy")
    model.load_weights({**model.weights, **named})
    images = random.normal(size=(4, 8)).astype(np.float32)
    # every step is 1, and there are halves between two of them
    images[0] = -127, 127, 0.5, -0.5, 1.5, -1.5, np.nextafter(np.float32(0.5), 0), -2.5
    path = exchange.write(model, tmp_path / "m.wasm.mjs")
    assert exchange.verify_export(model, path, images).relative < 1e-6


def test_types_are_named_as_typescript_looks_for_them(tmp_path: Path) -> None:
    model = pl.Model(pl.Sequential(pl.Input(2), pl.Dense(2)), engine="numpy")
    for name in ("m.js", "a b", "n.mjs"):
        exchange.write(model, tmp_path / name, format="wasm")
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == ["a b", "a b.d.mts", "m.d.ts", "m.js", "n.d.mts", "n.mjs"]


def test_without_a_linker_it_is_said_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    model = pl.Model(network(), engine="numpy")
    with pytest.raises(pl.MissingExtraError, match=r"no wasm-ld\. Install lld, or run"):
        exchange.write(model, tmp_path / "m.wasm.mjs")
    assert not list(tmp_path.iterdir())

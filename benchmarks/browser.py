"""Prediction and training in Chromium: WebAssembly beside other runtimes, as a table.

Usage: python benchmarks/browser.py [NETWORK] [--rounds 15] [--folder FOLDER]

TensorFlow.js (WebAssembly, JavaScript, WebGL by software) and ONNX Runtime Web run in
one page with it on one thread, in turns. The packages come from npm and stay in the
folder, if one is named. Needs npm, and Chromium by Playwright.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from pages import page_of

import pellucid as pl

PACKAGES = ("@tensorflow/tfjs", "@tensorflow/tfjs-backend-wasm", "onnxruntime-web")
BATCH = 64
PAGE = """<!doctype html><title>benchmark</title>
<script src="node_modules/@tensorflow/tfjs/dist/tf.es2017.min.js"></script>
<script
 src="node_modules/@tensorflow/tfjs-backend-wasm/dist/tf-backend-wasm.es2017.min.js">
</script>
<script type="module">
import * as ort from "./node_modules/onnxruntime-web/dist/ort.wasm.min.mjs";
import * as ours from "./ours.wasm.mjs";
const tf = window.tf, BATCH = %(batch)d;
const size = ours.inputShape.reduce((a, b) => a * b);
let seed = 1;
const draw = () => (seed = (seed * 16807) %% 2147483647) / 2147483647;
const many = Float32Array.from({ length: BATCH * size }, draw);
const one = many.slice(0, size);
const labels = Array.from({ length: BATCH }, (_, i) => i %% 10);
const shape = (n) => [n, ...ours.inputShape];
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmPaths = new URL("./node_modules/onnxruntime-web/dist/",
                                 location.href).href;
const session = await ort.InferenceSession.create("./net.onnx");
const order = session.inputMetadata?.[0]?.shape?.at(-1) === shape(1).at(-1);
const runOnnx = async (x, n) => {
  const [h, w, c] = ours.inputShape;
  const fed = new ort.Tensor("float32", x, order ? shape(n) : [n, c, h, w]);
  const found = await session.run({ [session.inputNames[0]]: fed });
  return found[session.outputNames[0]].data;
};
tf.wasm.setWasmPaths("./node_modules/@tensorflow/tfjs-backend-wasm/dist/");
tf.wasm.setThreadsCount(1);
const models = {}, usable = [];
for (const backend of ["wasm", "cpu", "webgl"]) {
  try {
    if (!await tf.setBackend(backend)) continue;
    await tf.ready();
    models[backend] = await tf.loadLayersModel("./net-tfjs/model.json");
    usable.push(backend);
  } catch (error) { console.log(`${backend}: ${error.message}`); }
}
const runTensor = (backend) => async (x, n) => {
  if (tf.getBackend() !== backend) await tf.setBackend(backend);
  const fed = tf.tensor(x, shape(n)), made = models[backend].predict(fed);
  const found = await made.data();
  fed.dispose(); made.dispose();
  return found;
};
const optimizers = {};
const stepTensor = (backend) => async () => {
  if (tf.getBackend() !== backend) await tf.setBackend(backend);
  optimizers[backend] ??= tf.train.adam(1e-3, 0.9, 0.999, 1e-8);
  const x = tf.tensor(many, shape(BATCH));
  const y = tf.oneHot(tf.tensor1d(labels, "int32"), 10);
  const loss = optimizers[backend].minimize(() => tf.losses.softmaxCrossEntropy(
    y, models[backend].apply(x, { training: true })), true);
  const [found] = await loss.data();
  tf.dispose([x, y, loss]);
  return found;
};
const contenders = { pellucid: {
  one: () => ours.predict(one), many: () => ours.predict(many),
  step: () => ours.trainStep(many, labels, 1e-3) } };
contenders["ONNX Runtime Web, wasm"] = {
  one: () => runOnnx(one, 1), many: () => runOnnx(many, BATCH) };
for (const backend of usable)
  contenders[`TensorFlow.js, ${backend}`] = {
    one: () => runTensor(backend)(one, 1), many: () => runTensor(backend)(many, BATCH),
    step: stepTensor(backend) };
const calls = { one: 50, many: 5, step: 3 };
window.outputs = async () => {
  const found = {};
  for (const [name, c] of Object.entries(contenders))
    found[name] = Array.from(await c.many());
  return found;
};
const slow = (name) => /cpu|webgl/.test(name);
window.measure = async (what, rounds) => {
  const times = {}, last = {};
  const named = Object.entries(contenders).filter(([, c]) => c[what]);
  for (let round = -1; round < rounds; round++) // the first is to warm up
    for (const [name, c] of named) {
      if (last[name] === null || (slow(name) && round > 2)) continue;
      try {
        const count = slow(name) ? 1 : calls[what];
        const begin = performance.now();
        for (let i = 0; i < count; i++) last[name] = await c[what]();
        const took = (performance.now() - begin) / count;
        if (round >= 0) (times[name] ??= []).push(took);
      } catch (error) { last[name] = null; console.log(`${name}: ${error.message}`); }
    }
  return times;
};
window.losses = async () => {
  const found = {};
  for (const [name, c] of Object.entries(contenders))
    if (c.step) try { found[name] = [await c.step(), await c.step(), await c.step()]; }
      catch (error) { found[name] = error.message; }
  return found;
};
window.ready = true;
</script>"""


def prepare(folder: Path, network: str) -> None:
    """Write the network in each format, the page, and get the packages."""
    model = pl.Model(
        pl.zoo(network), engine="numpy", loss="cross_entropy", optimizer="adam"
    )
    options = {"train": True, "batch_size": BATCH}
    pl.exchange.write(model, folder / "ours.wasm.mjs", **options)
    pl.exchange.write(model, folder / "net.onnx")
    pl.exchange.write(model, folder / "net-tfjs", format="tfjs")
    (folder / "index.html").write_text(PAGE % {"batch": BATCH})
    if not (folder / "node_modules").exists():
        command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run([*command, *PACKAGES], cwd=folder, check=True)


def versions(folder: Path) -> str:
    """Return the packages with their versions."""
    found = []
    for name in PACKAGES:
        text = (folder / "node_modules" / name / "package.json").read_text()
        found.append(f"{name} {json.loads(text)['version']}")
    return ", ".join(found)


def measure(folder: Path, rounds: int) -> dict[str, Any]:
    """Return times in ms by what and by contender, outputs and losses."""
    with page_of(folder) as page:
        page.wait_for_function("window.ready")
        found = {"outputs": page.evaluate("window.outputs()")}
        found["losses"] = page.evaluate("window.losses()")
        for what in ("one", "many", "step"):
            asked = f"window.measure({json.dumps(what)}, {rounds})"
            found[what] = page.evaluate(asked)
        found["browser"] = f"Chromium {page.context.browser.version}"
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("network", nargs="?", default="mnist-torch")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--folder", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = given.folder or Path(made)
        folder.mkdir(parents=True, exist_ok=True)
        prepare(folder, given.network)
        found = measure(folder, given.rounds)
        print(f"{found['browser']}, {versions(folder)}; one thread, in turns")
    ours = found["outputs"]["pellucid"]
    for name, outputs in found["outputs"].items():
        apart = max(abs(a - b) for a, b in zip(ours, outputs, strict=True))
        print(f"{name}: outputs within {apart:.1e}; losses {found['losses'].get(name)}")
    print("\n| | one image | 64 images | training step of 64 |\n|---|---:|---:|---:|")
    best: dict[str, float] = {}
    for name in found["outputs"]:
        cells = []
        for what in ("one", "many", "step"):
            times = found[what].get(name)
            if not times:
                cells.append("–")
                continue
            middle = statistics.median(times)
            best.setdefault(what, middle)
            ratio = "" if name == "pellucid" else f" ({middle / best[what]:.1f} ×)"
            cells.append(f"{middle:.3g} ms{ratio}")
        print(f"| {name} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()

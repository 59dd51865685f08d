"""Run exported JavaScript in Node, alone and with TensorFlow.js."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.exchange.runtime_timing import Array, RuntimeMeasurement
from pellucid.network import Network

TFJS = "@tensorflow/tfjs@4.22.0"  # what files are tried on
_NOT_THERE = 3  # the exit code for that

#: what lets Node 20 run relaxed SIMD, which later ones do as they are
RELAXED = """
if (parseInt(process.versions.node) < 21)
  (await import("node:v8")).setFlagsFromString("--experimental-wasm-relaxed-simd");
"""

_MODULE = """
import { pathToFileURL } from "node:url";
const begin = performance.now();
const model = await import(pathToFileURL(process.argv[1]));
const load = performance.now() - begin;
const { inputShape, inputShapes } = model;
const many = (shape) => shape.reduce((a, b) => a * b, 1);
const shape = [Object.values(inputShapes ?? { inputShape }).map(many)
  .reduce((a, b) => a + b)];
// several inputs and outputs lie behind each other
const given = (values) => {
  if (!inputShapes) return values;
  let begin = 0;
  return Object.fromEntries(Object.entries(inputShapes).map(([name, shape]) =>
    [name, values.subarray(begin, begin += many(shape))]));
};
const predict = (values) => {
  const made = model.predict(given(values));
  return ArrayBuffer.isView(made) ? made
    : Object.values(made).flatMap((output) => [...output]);
};
const version = `Node ${process.version}`;
"""

# found from the working folder upwards, then in $NODE_PATH
_LAYERS = """
import { createRequire } from "node:module";
const require = createRequire(process.cwd() + "/");
let place;
try { place = require.resolve("@tensorflow/tfjs/dist/tf.min.js"); }
catch { process.exit(3); }
console.warn = console.error; // TensorFlow.js greets on the way
const tf = require(place), given = process.argv[1];
const file = given.endsWith(".json") ? given : `${given}/model.json`;
const folder = file.slice(0, file.lastIndexOf("/"));
const document = JSON.parse(readFileSync(file));
const manifest = document.weightsManifest;
const parts = manifest.flatMap((group) => group.paths)
  .map((path) => readFileSync(`${folder}/${path}`));
const whole = Buffer.concat(parts);
const begin = performance.now();
await tf.setBackend("cpu");
const isGraph = "node" in document.modelTopology;
const load_ = isGraph ? tf.loadGraphModel : tf.loadLayersModel;
const model = await load_(tf.io.fromMemory({
  modelTopology: document.modelTopology,
  signature: document.signature,
  userDefinedMetadata: document.userDefinedMetadata,
  weightSpecs: manifest.flatMap((group) => group.weights),
  weightData: whole.buffer.slice(whole.byteOffset, whole.byteOffset + whole.length),
}));
const load = performance.now() - begin;
const shapes = JSON.parse(process.argv[2]); // of the inputs, which lie packed
const sizes = shapes.map((one) => one.reduce((a, b) => a * b, 1));
const shape = [sizes.reduce((a, b) => a + b, 0)];
const predict = (packed) => tf.tidy(() => {
  let start = 0;
  const given = shapes.map((one, i) =>
    tf.tensor(packed.subarray(start, start += sizes[i]), [1, ...one]));
  const made = model.predict(given.length === 1 ? given[0] : given);
  const several = Array.isArray(made) ? made : [made];
  return several.flatMap((tensor) => [...tensor.dataSync()]);
});
const version = `TensorFlow.js ${tf.version.tfjs} in Node ${process.version}`;
"""

_RUN = """
const bytes = readFileSync(0);
const images = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
const size = shape.reduce((a, b) => a * b, 1);
const outputs = [];
for (let i = 0; i < images.length; i += size)
  outputs.push(...predict(images.subarray(i, i + size)));
const times = [], until = performance.now() + 1000;
while (times.length < 50 && (times.length === 0 || performance.now() < until)) {
  const start = performance.now();
  predict(images.subarray(0, size));
  times.push(performance.now() - start);
}
times.sort((a, b) => a - b);
const latency = times[times.length >> 1];
console.log(JSON.stringify({ version, outputs, load, latency }));
"""


def javascript(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Run a module in Node, which keeps the clock itself."""
    return _run_in_node(_MODULE, path, network, images)


def tfjs(path: Path, network: Network, images: Array) -> RuntimeMeasurement:
    """Load a model with TensorFlow.js, on its plain JavaScript backend."""
    return _run_in_node(_LAYERS, path, network, images)


def _run_in_node(
    opening: str, path: Path, network: Network, images: Array
) -> RuntimeMeasurement:
    node = shutil.which("node")
    if node is None:
        raise ExchangeError(
            "export: JavaScript must be checked in Node; got none. Install Node."
        )
    script = 'import { readFileSync } from "node:fs";' + RELAXED + opening + _RUN
    command = [node, "--input-type=module", "--eval"]
    shapes = json.dumps([network.shapes[name] for name in network.inputs])
    done = subprocess.run(
        [*command, script, "--", str(path.resolve()), shapes],
        input=np.ascontiguousarray(images, np.float32).tobytes(),
        capture_output=True,
        check=False,
    )
    if done.returncode == _NOT_THERE:
        raise MissingExtraError(
            "format 'tfjs' must be checked in TensorFlow.js; got no such package in "
            f"node_modules or $NODE_PATH. Run: npm install {TFJS}."
        )
    if done.returncode:
        raise ExchangeError(
            f"export: '{path}' must run in Node; got {done.stderr.decode()[-300:]}"
        )
    answer = json.loads(done.stdout)
    is_packed = len(network.inputs) > 1 or len(network.outputs) > 1
    gives = (len(images), *((-1,) if is_packed else network.output_shape))
    return RuntimeMeasurement(
        runtime=answer["version"],
        outputs=np.asarray(answer["outputs"], np.float32).reshape(gives),
        load_s=answer["load"] / 1000,
        latency_s=answer["latency"] / 1000,
    )

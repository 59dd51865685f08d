"""Framework's artifact in JavaScript: ONNX Runtime of npm.

Its packages are found as Node finds them: in ``node_modules`` from the working folder
upwards, then in ``$NODE_PATH``.
"""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import numpy as np

from pellucid.compare.study.exports import exports_of
from pellucid.compare.study.languages.browser import in_page
from pellucid.compare.study.languages.ours import Run
from pellucid.compare.study.languages.programs import Array, called, tool
from pellucid.model import Model

NODE, WEB = "onnxruntime-node", "onnxruntime-web"

_NODE = """
const [place, path, dimensions] = process.argv.slice(1);
const runtime = require(place);
const fs = require("fs");
(async () => {
  const session = await runtime.InferenceSession.create(path);
  const shape = JSON.parse(dimensions);
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = fs.readFileSync(0);
  const images = new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const outputs = [];
  for (let i = 0; i < images.length; i += size) {
    const x = new runtime.Tensor("float32", images.slice(i, i + size), shape);
    const y = await session.run({ [session.inputNames[0]]: x });
    outputs.push(...y[session.outputNames[0]].data);
  }
  console.log(JSON.stringify(outputs));
})();
"""

_PAGE = """
async ([encoded, shape]) => {
  const runtime = await import("/ort.wasm.min.mjs");
  runtime.env.wasm.numThreads = 1;
  const session = await runtime.InferenceSession.create("/model.onnx");
  const size = shape.reduce((a, b) => a * b, 1);
  const bytes = Uint8Array.from(atob(encoded), (c) => c.charCodeAt(0));
  const images = new Float32Array(bytes.buffer);
  const outputs = [];
  for (let i = 0; i < images.length; i += size) {
    const x = new runtime.Tensor("float32", images.slice(i, i + size), shape);
    const y = await session.run({ [session.inputNames[0]]: x });
    outputs.push(...y[session.outputNames[0]].data);
  }
  return outputs;
}
"""
_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


def npm_package(name: str) -> Path:
    """Return the folder of a package of npm.

    Raises
    ------
    ModuleNotFoundError
        If it is not installed.
    """
    here = Path.cwd()
    places = [folder / "node_modules" for folder in (here, *here.parents)]
    places += [Path(p) for p in os.environ.get("NODE_PATH", "").split(os.pathsep) if p]
    for place in places:
        if (place / name / "package.json").is_file():
            return place / name
    raise ModuleNotFoundError(
        f"its runtime is not installed here; run npm install {name}"
    )


def in_node(engine: str, exporter: str, *, channels_first: bool) -> Run:
    """Return what runs an engine's ONNX file in Node."""

    def run(model: Model, images: Array, folder: Path) -> Array:
        place, node = npm_package(NODE), tool("node")
        written = exports_of(engine)[exporter](model, images, folder)
        given = _laid_out(images, channels_first)
        shape = json.dumps([1, *given.shape[1:]])
        words = ["--eval", _NODE, "--", str(place), str(written.path), shape]
        return np.asarray(json.loads(called([node, *words], given.tobytes())))

    return run


def in_browser(engine: str, exporter: str, *, channels_first: bool) -> Run:
    """Return what runs an engine's ONNX file in Chromium, as WebAssembly."""

    def run(model: Model, images: Array, folder: Path) -> Array:
        place = npm_package(WEB) / "dist"
        written = exports_of(engine)[exporter](model, images, folder)
        given = _laid_out(images, channels_first)
        encoded = base64.b64encode(given.tobytes()).decode()
        files = {name: place / name for name in _FILES}
        files["model.onnx"] = written.path
        return in_page(_PAGE, [encoded, [1, *given.shape[1:]]], files)

    return run


def _laid_out(images: Array, channels_first: bool) -> Array:
    return np.ascontiguousarray(
        images.transpose(0, 3, 1, 2) if channels_first else images
    )

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

from pellucid.compare.methods.exports import get_exporters
from pellucid.compare.methods.languages.browser import run_in_page
from pellucid.compare.methods.languages.ours import Run
from pellucid.compare.methods.languages.programs import (
    Array,
    find_tool,
    read_source,
    run_program,
)
from pellucid.model import Model

NODE, WEB = "onnxruntime-node", "onnxruntime-web"


_FILES = (
    "ort.wasm.min.mjs",
    "ort-wasm-simd-threaded.mjs",
    "ort-wasm-simd-threaded.wasm",
)


def find_npm_package(name: str) -> Path:
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


def run_in_node(engine: str, exporter: str, *, channels_first: bool) -> Run:
    """Return what runs an engine's ONNX file in Node."""

    def run(model: Model, images: Array, folder: Path) -> Array:
        place, node = find_npm_package(NODE), find_tool("node")
        written = get_exporters(engine)[exporter](model, images, folder)
        given = _to_layout(images, channels_first)
        shape = json.dumps([1, *given.shape[1:]])
        words = [
            "--eval",
            read_source("onnx_node.js"),
            "--",
            str(place),
            str(written.path),
            shape,
        ]
        return np.asarray(json.loads(run_program([node, *words], given.tobytes())))

    return run


def run_in_browser(engine: str, exporter: str, *, channels_first: bool) -> Run:
    """Return what runs an engine's ONNX file in Chromium, as WebAssembly."""

    def run(model: Model, images: Array, folder: Path) -> Array:
        place = find_npm_package(WEB) / "dist"
        written = get_exporters(engine)[exporter](model, images, folder)
        given = _to_layout(images, channels_first)
        encoded = base64.b64encode(given.tobytes()).decode()
        files = {name: place / name for name in _FILES}
        files["model.onnx"] = written.path
        return run_in_page(
            read_source("onnx_page.js"), [encoded, [1, *given.shape[1:]]], files
        )

    return run


def _to_layout(images: Array, channels_first: bool) -> Array:
    return np.ascontiguousarray(
        images.transpose(0, 3, 1, 2) if channels_first else images
    )

"""Pellucid's C and JavaScript, run from five languages."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from pellucid import exchange
from pellucid.compare.methods.languages.browser import run_in_page
from pellucid.compare.methods.languages.programs import (
    Array,
    Functions,
    compile_object,
    find_c_compiler,
    read_source,
    run_in_c,
    run_in_cpp,
    run_in_java,
)
from pellucid.exchange.verify_export import run as run_format
from pellucid.model import Model

#: from a model, images and an empty folder to outputs
Run = Callable[[Model, Array, Path], Array]


def _make_run(program: Callable[[Functions, Array, Path], Array]) -> Run:
    def run(model: Model, images: Array, folder: Path) -> Array:
        exchange.write(model, folder / "model.c", format="c")
        compiler, source = find_c_compiler(), folder / "model.c"
        functions = Functions(
            objects=(
                compile_object(
                    source.read_text(encoding="utf-8"), source, compiler, "-O2"
                ),
                compile_object(
                    read_source("pellucid.c"), folder / "functions.c", compiler, "-O2"
                ),
            ),
            libraries=("-lm",),
            inputs=int(np.prod(model.network.input_shape)),
            outputs=int(np.prod(model.network.output_shape)),
        )
        return program(functions, images, folder)

    return run


def _run_in_node(model: Model, images: Array, folder: Path) -> Array:
    path = folder / "model.mjs"
    exchange.write(model, path)
    return run_format(path, "javascript", model.network, images).outputs


def _run_in_browser(model: Model, images: Array, folder: Path) -> Array:
    path = folder / "model.mjs"
    exchange.write(model, path)
    encoded = base64.b64encode(images.tobytes()).decode()
    size = int(np.prod(model.network.input_shape))
    return run_in_page(
        read_source("pellucid_page.js"), [encoded, size], {"model.mjs": path}
    )


OURS: Mapping[str, Run] = {
    "C": _make_run(run_in_c),
    "C++": _make_run(run_in_cpp),
    "JavaScript in Node": _run_in_node,
    "JavaScript in a browser": _run_in_browser,
    "Java": _make_run(run_in_java),
}

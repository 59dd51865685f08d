"""SavedModel in TensorFlow's C library, from C, C++ and Java."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.compare.methods.exports import get_exporters
from pellucid.compare.methods.languages.ours import Run
from pellucid.compare.methods.languages.programs import (
    Array,
    Functions,
    compile_object,
    find_c_compiler,
    read_source,
    run_program,
)
from pellucid.errors import ExchangeError
from pellucid.model import Model

_LIBRARY = "libtensorflow_cc.so.2"


def from_saved_model(
    engine: str, exporter: str, program: Callable[[Functions, Array, Path], Array]
) -> Run:
    """Return what runs an engine's SavedModel in a program of another language."""

    def run(model: Model, images: Array, folder: Path) -> Array:
        written = get_exporters(engine)[exporter](model, images, folder)
        inputs = int(np.prod(images.shape[1:]))
        text = read_source("tensorflow.c").replace(
            "SHAPE", ", ".join(map(str, (1, *images.shape[1:])))
        )
        text = text.replace("INPUTS", str(inputs))
        home = _find_package()
        headers = f"-I{home / 'include'}"
        source = folder / "functions.c"
        functions = Functions(
            objects=(compile_object(text, source, find_c_compiler(), "-O2", headers),),
            libraries=(_write_stand_in(text, folder), f"-Wl,-rpath,{home}"),
            arguments=(str(written.path), *_read_operations(written.path)),
            inputs=inputs,
            outputs=int(np.prod(model.network.output_shape)),
        )
        return program(functions, images, folder)

    return run


def _find_package() -> Path:
    module: Any = importlib.import_module("tensorflow")
    home = Path(module.__file__).parent
    if not (home / _LIBRARY).exists() or not (home / "include").is_dir():
        raise ExchangeError(
            "languages: TensorFlow's C library must be in its package; got none."
        )
    return home


def _write_stand_in(text: str, folder: Path) -> str:
    """Return a library for the linker alone, with the names that a text calls.

    The true one has 1 GiB, which a linker reads for seconds; it is loaded when the
    program runs.
    """
    names = sorted({*re.findall(r"\bTF_[A-Z]\w+(?=\()", text)})
    source, path = folder / "names.c", folder / _LIBRARY
    lines = [f"void {name}(void) {{}}" for name in names]
    source.write_text("\n".join(lines), encoding="utf-8")
    flags = ["-shared", "-fPIC", f"-Wl,-soname,{_LIBRARY}"]
    run_program([find_c_compiler(), *flags, str(source), "-o", str(path)])
    return str(path)


def _read_operations(path: Path) -> tuple[str, str]:
    """Return the names of a SavedModel's input and output in its graph."""
    messages = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    saved = messages.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    into = next(iter(signature.inputs.values()))
    out = next(iter(signature.outputs.values()))
    return into.name.partition(":")[0], out.name.partition(":")[0]

"""TorchScript in libtorch, from C++ and Java."""

from __future__ import annotations

import importlib
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
    find_cpp_compiler,
    read_source,
)
from pellucid.model import Model


def run_libtorch(
    engine: str, program: Callable[[Functions, Array, Path], Array]
) -> Run:
    """Return what runs a traced module in a program of another language."""

    def run(model: Model, images: Array, folder: Path) -> Array:
        exporter = get_exporters(engine)["TorchScript (torch.jit.trace)"]
        written = exporter(model, images, folder)
        first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        shape = ", ".join(map(str, (1, *first.shape[1:])))
        module: Any = importlib.import_module("torch")
        home = Path(module.__file__).parent
        places = (home / "include", home / "include/torch/csrc/api/include")
        flags = ["-O0", "-std=c++20", *(f"-I{place}" for place in places)]
        text, source = (
            read_source("libtorch.cpp").replace("SHAPE", shape),
            folder / "functions.cpp",
        )
        link = [f"-L{home / 'lib'}", f"-Wl,-rpath,{home / 'lib'}", "-Wl,--no-as-needed"]
        functions = Functions(
            objects=(compile_object(text, source, find_cpp_compiler(), *flags),),
            libraries=(*link, "-ltorch", "-ltorch_cpu", "-lc10", "-lstdc++"),
            arguments=(str(written.path),),
            inputs=int(np.prod(first.shape[1:])),
            outputs=int(np.prod(model.network.output_shape)),
        )
        return program(functions, first, folder)

    return run


def refuse_c(model: Model, images: Array, folder: Path) -> Array:
    """Say that libtorch cannot be called from C."""
    raise ModuleNotFoundError("libtorch is C++, it has no C interface")

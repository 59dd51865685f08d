"""Frameworks' artifacts, run from other languages."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
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
    run_in_c,
    run_in_cpp,
    run_in_java,
)
from pellucid.compare.methods.languages.tensorflow_c import from_saved_model
from pellucid.compare.methods.languages.web import run_in_browser, run_in_node
from pellucid.model import Model

_LIBTORCH = """
#include <cstdio>
#include <cstring>
#include <torch/script.h>
#include "functions.h"

static torch::jit::Module model;

int model_start(char **arguments) {
    model = torch::jit::load(arguments[0]);
    return 0;
}

void model_run(const float *image, float *output) {
    torch::NoGradGuard no_gradient;
    torch::Tensor x = torch::from_blob(const_cast<float *>(image), {SHAPE});
    torch::Tensor y = model.forward({x}).toTensor().contiguous();
    std::memcpy(output, y.data_ptr<float>(), y.numel() * sizeof(float));
}
"""


def _libtorch(program: Callable[[Functions, Array, Path], Array]) -> Run:
    def run(model: Model, images: Array, folder: Path) -> Array:
        exporter = get_exporters("torch")["TorchScript (torch.jit.trace)"]
        written = exporter(model, images, folder)
        first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        shape = ", ".join(map(str, (1, *first.shape[1:])))
        module: Any = importlib.import_module("torch")
        home = Path(module.__file__).parent
        places = (home / "include", home / "include/torch/csrc/api/include")
        flags = ["-O0", "-std=c++20", *(f"-I{place}" for place in places)]
        text, source = _LIBTORCH.replace("SHAPE", shape), folder / "functions.cpp"
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


def _no_c(model: Model, images: Array, folder: Path) -> Array:
    raise ModuleNotFoundError("libtorch is C++, it has no C interface")


_TF, _JAX = "SavedModel", "SavedModel (jax2tf)"
_TORCH_ONNX, _KERAS_ONNX = "ONNX (dynamo=False)", "ONNX (Model.export)"
_JAX_ONNX = "ONNX (jax2tf, tf2onnx)"

THEIRS: Mapping[str, Mapping[str, Run]] = {
    "torch": {
        "C": _no_c,
        "C++": _libtorch(run_in_cpp),
        "JavaScript in Node": run_in_node("torch", _TORCH_ONNX, channels_first=True),
        "JavaScript in a browser": run_in_browser(
            "torch", _TORCH_ONNX, channels_first=True
        ),
        "Java": _libtorch(run_in_java),
    },
    "tensorflow": {
        "C": from_saved_model("tensorflow", _TF, run_in_c),
        "C++": from_saved_model("tensorflow", _TF, run_in_cpp),
        "JavaScript in Node": run_in_node(
            "tensorflow", _KERAS_ONNX, channels_first=False
        ),
        "JavaScript in a browser": run_in_browser(
            "tensorflow", _KERAS_ONNX, channels_first=False
        ),
        "Java": from_saved_model("tensorflow", _TF, run_in_java),
    },
    "jax": {
        "C": from_saved_model("jax", _JAX, run_in_c),
        "C++": from_saved_model("jax", _JAX, run_in_cpp),
        "JavaScript in Node": run_in_node("jax", _JAX_ONNX, channels_first=False),
        "JavaScript in a browser": run_in_browser(
            "jax", _JAX_ONNX, channels_first=False
        ),
        "Java": from_saved_model("jax", _JAX, run_in_java),
    },
}

#: what takes a minute to compile
SLOW = (("torch", "C++"), ("torch", "Java"))

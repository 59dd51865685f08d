"""This file is the frameworks' artifacts, run from other languages."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.compare.study.exports import exports_of
from pellucid.compare.study.languages.ours import Array, Run, called, floats, tool
from pellucid.errors import ExchangeError
from pellucid.model import Model

#: TensorFlow's C interface: load a SavedModel, feed one image after the other
_TENSORFLOW_C = """
#include <stdio.h>
#include <string.h>
#include <tensorflow/c/c_api.h>

static void keep(void *data, size_t length, void *argument) {
    (void)data; (void)length; (void)argument;
}

static float image[INPUTS];

int main(int count, char **arguments) {
    (void)count;
    const char *tags[] = {"serve"};
    TF_Status *status = TF_NewStatus();
    TF_Graph *graph = TF_NewGraph();
    TF_SessionOptions *options = TF_NewSessionOptions();
    TF_Session *session = TF_LoadSessionFromSavedModel(
        options, NULL, arguments[1], tags, 1, graph, NULL, status);
    if (TF_GetCode(status) != TF_OK) {
        fprintf(stderr, "%s", TF_Message(status));
        return 1;
    }
    TF_Output in = {TF_GraphOperationByName(graph, arguments[2]), 0};
    TF_Output out = {TF_GraphOperationByName(graph, arguments[3]), 0};
    const int64_t shape[] = {SHAPE};
    while (fread(image, sizeof(float), INPUTS, stdin) == INPUTS) {
        TF_Tensor *y = NULL;
        TF_Tensor *x = TF_NewTensor(
            TF_FLOAT, shape, 4, image, sizeof(image), keep, NULL);
        TF_SessionRun(session, NULL, &in, &x, 1, &out, &y, 1, NULL, 0, NULL, status);
        if (TF_GetCode(status) != TF_OK) {
            fprintf(stderr, "%s", TF_Message(status));
            return 1;
        }
        fwrite(TF_TensorData(y), 1, TF_TensorByteSize(y), stdout);
        TF_DeleteTensor(y);
        TF_DeleteTensor(x);
    }
    return 0;
}
"""

_TORCH_CPP = """
#include <cstdio>
#include <vector>
#include <torch/script.h>

int main(int, char **arguments) {
    torch::NoGradGuard no_gradient;
    torch::jit::Module model = torch::jit::load(arguments[1]);
    std::vector<float> image(INPUTS);
    while (std::fread(image.data(), sizeof(float), INPUTS, stdin) == INPUTS) {
        torch::Tensor x = torch::from_blob(image.data(), {SHAPE});
        torch::Tensor y = model.forward({x}).toTensor().contiguous();
        std::fwrite(y.data_ptr<float>(), sizeof(float), y.numel(), stdout);
    }
    return 0;
}
"""

_NODE = """
const runtime = require("onnxruntime-node");
const fs = require("fs");
(async () => {
  const session = await runtime.InferenceSession.create(process.argv[1]);
  const shape = JSON.parse(process.argv[2]);
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


def _library(package: str) -> Path:
    module: Any = importlib.import_module(package)
    return Path(module.__file__).parent


def _saved_model(saver: str, engine: str, name: str = "main.c") -> Run:
    def run(model: Model, images: Array, folder: Path) -> Array:
        written = exports_of(engine)[saver](model, images, folder)
        into, out = _operations(written.path)
        home = _library("tensorflow")
        shape = ", ".join(map(str, (1, *images.shape[1:])))
        text = _TENSORFLOW_C.replace("SHAPE", shape)
        text = text.replace("INPUTS", str(int(np.prod(images.shape[1:]))))
        source, program = folder / name, folder / "program"
        source.write_text(text, encoding="utf-8")
        libraries = [str(p) for p in sorted(home.glob("libtensorflow_*.so.2"))]
        if not libraries or not (home / "include/tensorflow/c/c_api.h").is_file():
            raise ExchangeError(
                "languages: TensorFlow's C library must be in its package; got none."
            )
        path = f"-Wl,-rpath,{home}"
        flags = ["-O2", f"-I{home / 'include'}", str(source), *libraries, path]
        compiler = tool("gcc", "cc") if name == "main.c" else tool("g++", "c++")
        called([compiler, *flags, "-o", str(program)])
        command = [str(program), str(written.path), into, out]
        return floats(called(command, images.tobytes()))

    return run


def _operations(path: Path) -> tuple[str, str]:
    """Return the names of a SavedModel's input and output in its graph."""
    messages = importlib.import_module("tensorflow.core.protobuf.saved_model_pb2")
    saved = messages.SavedModel()
    saved.ParseFromString((path / "saved_model.pb").read_bytes())
    signature = saved.meta_graphs[0].signature_def["serving_default"]
    into = next(iter(signature.inputs.values()))
    out = next(iter(signature.outputs.values()))
    return into.name.partition(":")[0], out.name.partition(":")[0]


def _libtorch(model: Model, images: Array, folder: Path) -> Array:
    written = exports_of("torch")["TorchScript (torch.jit.trace)"](
        model, images, folder
    )
    first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    text = _TORCH_CPP.replace("SHAPE", ", ".join(map(str, (1, *first.shape[1:]))))
    text = text.replace("INPUTS", str(int(np.prod(first.shape[1:]))))
    source, program, home = folder / "main.cpp", folder / "program", _library("torch")
    source.write_text(text, encoding="utf-8")
    include = [f"-I{home / 'include'}", f"-I{home / 'include/torch/csrc/api/include'}"]
    link = [f"-L{home / 'lib'}", f"-Wl,-rpath,{home / 'lib'}"]
    names = ["-Wl,--no-as-needed", "-ltorch", "-ltorch_cpu", "-lc10"]
    command = [tool("g++", "clang++"), "-O0", "-std=c++20", *include, str(source)]
    called([*command, *link, *names, "-o", str(program)])
    return floats(called([str(program), str(written.path)], first.tobytes()))


def _onnx_in_node(model: Model, images: Array, folder: Path) -> Array:
    written = exports_of("torch")["ONNX (dynamo=False)"](model, images, folder)
    first = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
    shape = json.dumps([1, *first.shape[1:]])
    command = [tool("node"), "--eval", _NODE, "--", str(written.path), shape]
    return np.asarray(json.loads(called(command, first.tobytes())), np.float32)


def _absent(reason: str) -> Run:
    def run(model: Model, images: Array, folder: Path) -> Array:
        raise ModuleNotFoundError(reason)

    return run


_JAVA = _absent("its Java library comes from Maven, not from Python's package index")
_WEB = _absent("its runtime for browsers comes from npm and is not installed here")
_NO_C = _absent("it has no C interface: libtorch is C++")

THEIRS: Mapping[str, Mapping[str, Run]] = {
    "torch": {
        "C": _NO_C,
        "C++": _libtorch,
        "JavaScript in Node": _onnx_in_node,
        "JavaScript in a browser": _WEB,
        "Java": _JAVA,
    },
    "tensorflow": {
        "C": _saved_model("SavedModel", "tensorflow"),
        "C++": _saved_model("SavedModel", "tensorflow", "main.cpp"),
        "JavaScript in Node": _WEB,
        "JavaScript in a browser": _WEB,
        "Java": _JAVA,
    },
    "jax": {
        "C": _saved_model("SavedModel (jax2tf)", "jax"),
        "C++": _saved_model("SavedModel (jax2tf)", "jax", "main.cpp"),
        "JavaScript in Node": _absent("it has no runtime for JavaScript"),
        "JavaScript in a browser": _absent("it has no runtime for JavaScript"),
        "Java": _absent("it has no runtime for Java"),
    },
}

#: what takes a minute to compile
SLOW = (("torch", "C++"),)

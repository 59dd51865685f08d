"""PyTorch's exporters, each as its documentation says."""

from __future__ import annotations

import importlib
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pellucid.compare.methods.exports import open_files
from pellucid.compare.methods.exports.table import (
    Array,
    Export,
    ExportedFile,
    Predict,
    run_one_by_one,
)
from pellucid.model import Model


def _prepare(model: Model, images: Array) -> tuple[Any, torch.Tensor]:
    return model.native.eval(), torch.from_numpy(
        open_files.to_channels_first(images[:1])
    )


def _make_predict(module: Any) -> Predict:
    def predict(images: Array) -> Array:
        with torch.no_grad():
            outputs = [
                module(
                    torch.from_numpy(open_files.to_channels_first(images[i : i + 1]))
                )
                for i in range(len(images))
            ]
        return np.asarray(torch.cat(outputs).numpy())

    return predict


def _export(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    path = folder / "model.pt2"
    torch.export.save(torch.export.export(module, (example,)), path)
    return ExportedFile(path, lambda: _make_predict(torch.export.load(path).module()))


def _trace(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    path, script = folder / "model.pt", importlib.import_module("torch.jit")
    with torch.no_grad():
        script.trace(module, example).save(str(path))
    return ExportedFile(path, lambda: _make_predict(script.load(str(path))))


def _weights(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, _ = _prepare(model, images)
    path = folder / "weights.pt"
    torch.save(module.state_dict(), path)

    def open_() -> Predict:
        module.load_state_dict(torch.load(path, weights_only=True))
        return _make_predict(module)

    return ExportedFile(path, open_)


def _inductor(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    path = folder / "model_aoti.pt2"
    inductor: Any = importlib.import_module("torch._inductor")
    program = torch.export.export(module, (example,))
    inductor.aoti_compile_and_package(program, package_path=str(path))
    return ExportedFile(
        path, lambda: _make_predict(inductor.aoti_load_package(str(path)))
    )


def _onnx(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    path = folder / "model.onnx"
    torch.onnx.export(module, (example,), str(path))
    return ExportedFile(
        path, lambda: run_one_by_one(open_files.open_onnx(path, channels_first=True))
    )


def _old_onnx(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    path = folder / "traced.onnx"
    torch.onnx.export(module, (example,), str(path), dynamo=False)
    return ExportedFile(
        path, lambda: run_one_by_one(open_files.open_onnx(path, channels_first=True))
    )


def _openvino(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    openvino = importlib.import_module("openvino")
    path = folder / "model.xml"
    converted = openvino.convert_model(module, example_input=example)
    openvino.save_model(converted, path, compress_to_fp16=False)  # as all others
    return ExportedFile(
        path, lambda: open_files.open_openvino(path, channels_first=True)
    )


def _make_contiguous(tensor: torch.Tensor) -> torch.Tensor:
    """Return a copy whose rows lie behind each other, axes of length 1 too."""
    return tensor.clone(memory_format=torch.contiguous_format)


def _executorch(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    # its passes take no weights that lie channels last, as ours do to be fast
    module = deepcopy(module)
    for tensor in (*module.parameters(), *module.buffers()):
        tensor.data = _make_contiguous(tensor.data)
    exir = importlib.import_module("executorch.exir")
    runtime = importlib.import_module("executorch.runtime")
    partition = importlib.import_module(
        "executorch.backends.xnnpack.partition.xnnpack_partitioner"
    )
    lowered = exir.to_edge_transform_and_lower(
        torch.export.export(module, (_make_contiguous(example),)),
        partitioner=[partition.XnnpackPartitioner()],
    )
    path = folder / "model.pte"
    path.write_bytes(lowered.to_executorch().buffer)

    def open_() -> Predict:
        program = runtime.Runtime.get().load_program(path)
        method = program.load_method("forward")
        predict = _make_predict(
            lambda x: method.execute([_make_contiguous(x)])[0].clone()
        )
        # the method reads from the program, which nothing else would keep
        predict.program = program  # type: ignore[attr-defined]
        return predict

    return ExportedFile(path, open_)


def _litert(model: Model, images: Array, folder: Path) -> ExportedFile:
    module, example = _prepare(model, images)
    converter = importlib.import_module("litert_torch")
    path = folder / "model.tflite"
    converter.convert(module, (example,)).export(str(path))
    return ExportedFile(path, lambda: open_files.open_litert(path))


def _coreml(model: Model, images: Array, folder: Path) -> ExportedFile:
    importlib.import_module("coremltools")
    raise OSError("Core ML files run on Apple's systems only")


EXPORTS: dict[str, Export] = {
    "torch.export (.pt2)": _export,
    "TorchScript (torch.jit.trace)": _trace,
    "state_dict": _weights,
    "AOTInductor package": _inductor,
    "ONNX (torch.onnx.export)": _onnx,
    "ONNX (dynamo=False)": _old_onnx,
    "OpenVINO": _openvino,
    "ExecuTorch (.pte)": _executorch,
    "LiteRT (.tflite)": _litert,
    "Core ML": _coreml,
}

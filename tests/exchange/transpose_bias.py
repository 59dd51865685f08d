"""MediaPipe's transposed convolution with a bias, from and to LiteRT's own operator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

CUSTOM, PLAIN = 32, 67  # of BuiltinOperator
_NAME = b"Convolution2DTransposeBias"


def _open(content: bytes) -> Any:
    from ai_edge_litert import schema_py_generated as schema

    return schema.ModelT.InitFromPackedBuf(content, 0)


def _pack(model: Any) -> bytes:
    import flatbuffers

    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def as_plain(content: bytes) -> bytes:
    """Return a file whose custom operators are TRANSPOSE_CONV, which LiteRT runs."""
    from ai_edge_litert import schema_py_generated as schema

    model = _open(content)
    codes = [code.customCode == _NAME for code in model.operatorCodes]
    (graph,) = model.subgraphs
    for operator in graph.operators:
        if not codes[operator.opcodeIndex]:
            continue
        x, weight, bias = operator.inputs
        output = graph.tensors[operator.outputs[0]].shape
        buffer = schema.BufferT()
        buffer.data = np.asarray(output, np.int32).view(np.uint8)
        model.buffers.append(buffer)
        sizes = schema.TensorT()
        sizes.name, sizes.shape, sizes.type = b"sizes", [4], schema.TensorType.INT32
        sizes.buffer = len(model.buffers) - 1
        graph.tensors.append(sizes)
        padding, columns, rows = np.asarray(operator.customOptions, np.uint8).view(
            "<i4"
        )
        options = schema.TransposeConvOptionsT()
        options.padding = int(padding) - 1
        options.strideW, options.strideH = int(columns), int(rows)
        operator.inputs = [len(graph.tensors) - 1, weight, x, bias]
        operator.builtinOptionsType = schema.BuiltinOptions.TransposeConvOptions
        operator.builtinOptions, operator.customOptions = options, None
    for code, is_ours in zip(model.operatorCodes, codes, strict=True):
        if is_ours:
            code.customCode, code.version = None, 3
            code.builtinCode = code.deprecatedBuiltinCode = PLAIN
    return _pack(model)


def as_custom(content: bytes) -> bytes:
    """Return a file whose TRANSPOSE_CONVs are MediaPipe's operator."""
    model = _open(content)
    (graph,) = model.subgraphs
    codes = [code.builtinCode == PLAIN for code in model.operatorCodes]
    for operator in graph.operators:
        if codes[operator.opcodeIndex]:
            _, weight, x, bias = operator.inputs
            given = operator.builtinOptions
            options = [given.padding + 1, given.strideW, given.strideH]
            operator.inputs = [x, weight, bias]
            operator.customOptions = np.asarray(options, "<i4").view(np.uint8)
            operator.builtinOptionsType, operator.builtinOptions = 0, None
    for code, is_ours in zip(model.operatorCodes, codes, strict=True):
        if is_ours:
            code.customCode = _NAME
            code.builtinCode = code.deprecatedBuiltinCode = CUSTOM
    return _pack(model)


def run_as_plain(path: Path) -> tuple[Any, Any, str]:
    """Return inputs, and outputs of the file in LiteRT with its own operator."""
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=as_plain(path.read_bytes()))
    interpreter.allocate_tensors()
    entry, end = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    images = np.random.default_rng(0).normal(size=entry["shape"]).astype(np.float32)
    interpreter.set_tensor(entry["index"], images)
    interpreter.invoke()
    version = getattr(ai_edge_litert, "__version__", "")
    runtime = f"ai-edge-litert {version} with TRANSPOSE_CONV".replace("  ", " ")
    return images, (interpreter.get_tensor(end["index"]),), runtime

"""Load ONNX files: parsing, size limits, tensors as arrays."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import external_data_helper as external
from onnx import numpy_helper

from pellucid.errors import ExchangeError
from pellucid.exchange.disk import read_bytes
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.onnx.half import HALVES

Array = npt.NDArray[Any]
OLDEST_OPSET = 1
NODE_LIMIT = 100_000


def load(path: Path) -> onnx.ModelProto:
    """Parse a file; tensors outside it stay unread until they are asked for.

    Raises
    ------
    ExchangeError
        If it is no ONNX file, or of an opset that is too old or unknown.
    """
    content = read_bytes(path)
    with translate_errors(path, "ONNX file"):
        model = onnx.ModelProto()
        model.ParseFromString(content)
    if not model.graph.node and not model.graph.output:
        raise ExchangeError(
            f"import: '{path}' must be an ONNX file with a graph; got none."
        )
    if len(model.graph.node) > NODE_LIMIT:
        raise ExchangeError(
            f"import: '{path}' must have at most {NODE_LIMIT} nodes; "
            f"got {len(model.graph.node)}."
        )
    _name_types(model)
    return model


#: fields of an attribute → its type, which the oldest files do not say
_FIELDS = {
    "ints": onnx.AttributeProto.INTS,
    "floats": onnx.AttributeProto.FLOATS,
    "strings": onnx.AttributeProto.STRINGS,
    "t": onnx.AttributeProto.TENSOR,
    "s": onnx.AttributeProto.STRING,
    "i": onnx.AttributeProto.INT,
    "f": onnx.AttributeProto.FLOAT,
}


def _name_types(model: onnx.ModelProto) -> None:
    """Say the type of each attribute by what it holds, where the file does not."""
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.UNDEFINED:
                held = {field.name for field, _ in attribute.ListFields()}
                kinds = [kind for name, kind in _FIELDS.items() if name in held]
                attribute.type = kinds[0] if kinds else onnx.AttributeProto.UNDEFINED


def opset_of(model: onnx.ModelProto) -> int:
    """Return the version of ONNX's own operators.

    Raises
    ------
    ExchangeError
        If it is older than 6, or newer than the installed package knows.
    """
    versions = [e.version for e in model.opset_import if e.domain in ("", "ai.onnx")]
    newest = onnx.defs.onnx_opset_version()
    opset = versions[0] if versions else 1
    if not OLDEST_OPSET <= opset <= newest:
        raise ExchangeError(
            f"import: ONNX opset must be {OLDEST_OPSET} … {newest}; got {opset}."
        )
    return int(opset)


def to_array(tensor: onnx.TensorProto, folder: Path | None) -> Array:
    """Return a tensor's numbers; those in another file only from the same folder.

    Numbers of 16 bits come as float32, which holds them exactly.

    Raises
    ------
    ExchangeError
        If they lie outside the folder, or are fewer than the shape says.
    """
    array = _to_array(tensor, folder)
    return array.astype(np.float32) if tensor.data_type in HALVES else array


def _to_array(tensor: onnx.TensorProto, folder: Path | None) -> Array:
    if tensor.data_location != onnx.TensorProto.EXTERNAL:
        return np.asarray(numpy_helper.to_array(tensor))
    raw = onnx.TensorProto()
    raw.CopyFrom(tensor)
    raw.data_location = onnx.TensorProto.DEFAULT
    del raw.external_data[:]
    raw.raw_data = _external(tensor, folder)
    return np.asarray(numpy_helper.to_array(raw))


def _external(tensor: onnx.TensorProto, folder: Path | None) -> bytes:
    info = external.ExternalDataInfo(tensor)
    who = f"import: tensor '{tensor.name}'"
    path = None if folder is None else folder / info.location
    inside = path is not None and path.resolve().is_relative_to(
        folder.resolve()  # type: ignore[union-attr]
    )
    if path is None or not inside or path.is_symlink() or not path.is_file():
        raise ExchangeError(
            f"{who} must lie in a file beside the model; got {info.location!r}."
        )
    offset, size = info.offset or 0, path.stat().st_size
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    expected = prod(tensor.dims) * np.dtype(dtype).itemsize
    length = info.length if info.length is not None else expected
    if offset < 0 or length != expected or offset + length > size:
        raise ExchangeError(
            f"{who} must be whole in {info.location!r}; got {length} bytes at "
            f"{offset} of {size}, where its shape takes {expected}."
        )
    with path.open("rb") as file:
        file.seek(offset)
        return file.read(length)

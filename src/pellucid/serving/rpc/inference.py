"""Inference by the Open Inference Protocol v2 over gRPC.

References
----------
Open Inference Protocol v2, gRPC: https://github.com/kserve/open-inference-protocol.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.serving import answers, tensors
from pellucid.serving.errors import RequestError, refuse_unreadable
from pellucid.serving.http import LARGE, apart
from pellucid.serving.open_inference import wrong_name
from pellucid.serving.rpc.messages import message
from pellucid.serving.served_model import ServedModel

Array = npt.NDArray[Any]
#: where a message holds numbers of a datatype; FP16 has no place and comes raw
_FIELDS = {
    "UINT8": "uint_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
_AT_ONCE = 1 << 16  # numbers that are copied without letting others run
_MOST_AXES = 8
_Response = message("ModelInferResponse")


async def infer(served: ServedModel, request: Any) -> Any:
    """Return the answer to an inference request; raw where the request was raw.

    Raises
    ------
    PellucidError
        If the request is not one, or does not fit the model.
    """
    with refuse_unreadable("infer"):
        wanted = _parse_outputs(served, request)
        images = await _inputs(served, request)
    outputs = await served.run(images)
    is_large = sum(output.size for output in outputs.values()) > LARGE // 8
    return await apart(is_large, _answer, served, request, outputs, wanted)


async def _inputs(served: ServedModel, request: Any) -> dict[str, Array]:
    """Return each input's array; BYTES are pictures."""
    names = served.inputs
    if len(request.inputs) != len(names):
        count = "one input" if len(names) == 1 else f"{len(names)} inputs"
        raise RequestError(
            f"infer: 'inputs' must be a list of {count}; got {len(request.inputs)}."
        )
    raws, found = _raws(request), dict[str, Array]()
    for entry, raw in zip(request.inputs, raws, strict=True):
        if entry.name not in names or entry.name in found:
            raise wrong_name("input", names, entry.name)
        found[entry.name] = await _images(served, entry, raw)
    return found


async def _images(served: ServedModel, entry: Any, raw: bytes | None) -> Array:
    name = entry.name
    if len(entry.shape) > _MOST_AXES:
        raise RequestError(
            f"infer: shape of input '{name}' must have at most {_MOST_AXES} axes; "
            f"got {len(entry.shape)}."
        )
    limits = served.settings.limits
    shape = tensors.parse_shape(name, list(entry.shape), limits)
    if entry.datatype == "BYTES":
        return await _pictures(served, name, shape, entry.contents, raw)
    dtype = tensors.parse_dtype(name, entry.datatype)
    if raw is not None:
        return tensors.from_bytes(name, raw, dtype, shape)
    return await apart(prod(shape) > LARGE // 8, _to_array, name, entry, dtype, shape)


def _raws(request: Any) -> list[bytes | None]:
    """Return each input's bytes of raw_input_contents; None where all come typed."""
    parts, count = request.raw_input_contents, len(request.inputs)
    if not parts:
        return [None] * count
    typed = [entry for entry in request.inputs if entry.contents.ListFields()]
    if len(parts) != count or typed:
        name = (typed or request.inputs)[0].name
        given = f"{len(parts)} of them" + (" and contents" if typed else "")
        wanted = "one" if count == 1 else f"{count}"
        raise RequestError(
            f"infer: input '{name}' must have either contents or one of "
            f"raw_input_contents; got {given}."
            if count == 1
            else f"infer: raw_input_contents must be {wanted}, one for each input, "
            f"without contents; got {given}."
        )
    return list(parts)


def _to_array(
    name: str, entry: Any, dtype: np.dtype[Any], shape: tuple[int, ...]
) -> Array:
    """Return numbers that come in the field of their type."""
    field = _FIELDS.get(entry.datatype)
    if field is None:
        raise RequestError(
            f"infer: {entry.datatype} of input '{name}' must come as "
            "raw_input_contents; got contents."
        )
    others = [f.name for f, _ in entry.contents.ListFields() if f.name != field]
    if others:
        raise RequestError(
            f"infer: {entry.datatype} of input '{name}' must come in {field}; "
            f"got {', '.join(others)}."
        )
    contents = getattr(entry.contents, field)
    if len(contents) != prod(shape):
        raise RequestError(
            f"infer: contents of input '{name}' must fill shape {list(shape)}; "
            f"got {len(contents)} numbers."
        )
    values = np.empty(len(contents), np.float64)
    for start in range(0, len(contents), _AT_ONCE):  # others may run in between
        values[start : start + _AT_ONCE] = contents[start : start + _AT_ONCE]
    if dtype.kind == "u" and (values > 255).any():
        raise RequestError(
            f"infer: UINT8 contents of input '{name}' must be integers from 0 to 255; "
            "got others."
        )
    return values.astype(dtype).reshape(shape)


async def _pictures(
    served: ServedModel,
    name: str,
    shape: tuple[int, ...],
    contents: Any,
    raw: bytes | None,
) -> Array:
    if len(shape) not in (1, 2) or shape[1:] not in ((), (1,)):
        raise RequestError(
            f"infer: BYTES of input '{name}' must be pictures of shape [N] or [N, 1]; "
            f"got shape {list(shape)}."
        )
    if raw is not None:
        return await served.read_pictures(
            name, tensors.byte_strings(name, raw, shape[0])
        )
    pictures = list(contents.bytes_contents)
    if len(pictures) != shape[0]:
        raise RequestError(
            f"infer: bytes_contents of input '{name}' must be {shape[0]} pictures; "
            f"got {len(pictures)}."
        )
    return await served.read_pictures(name, pictures)


def _parse_outputs(served: ServedModel, request: Any) -> dict[str, int]:
    """Return the outputs that are wanted, and as how many classes (0: as it is)."""
    names, found = served.outputs, dict[str, int]()
    for output in request.outputs:
        if output.name not in names or output.name in found:
            raise wrong_name("output", names, output.name)
        found[output.name] = _class_count(served, output)
    return found or dict.fromkeys(names, 0)


def _class_count(served: ServedModel, output: Any) -> int:
    """Return how many classes are asked for instead of numbers; 0: none."""
    if "classification" not in output.parameters:
        return 0
    given = output.parameters["classification"]
    kind = given.WhichOneof("parameter_choice")
    if kind not in ("int64_param", "uint64_param") or getattr(given, kind) < 0:
        raise RequestError(
            "infer: classification must be a number of classes; got another thing."
        )
    if getattr(given, kind):
        answers.check_has_classes("infer", served.meaning(output.name))
    return int(getattr(given, kind))


def _answer(
    served: ServedModel,
    request: Any,
    outputs: dict[str, Array],
    wanted: dict[str, int],
) -> Any:
    response = _Response(
        model_name=served.name, model_version=served.version, id=request.id
    )
    # a response is raw as a whole, and classes come raw as others' do
    is_raw = bool(request.raw_input_contents) or any(wanted.values())
    for name, classes in wanted.items():
        entry, values = response.outputs.add(name=name), outputs[name]
        if classes:
            data = _describe_classes(served, entry, values, classes)
            response.raw_output_contents.append(data)
            continue
        entry.datatype = tensors.datatype_of(served.model.dtype)
        entry.shape.extend(values.shape)
        if is_raw:
            data = np.ascontiguousarray(values).tobytes()
            response.raw_output_contents.append(data)
            continue
        flat, contents = (
            values.ravel(),
            getattr(entry.contents, _FIELDS[entry.datatype]),
        )
        for start in range(0, len(flat), _AT_ONCE):
            contents.extend(flat[start : start + _AT_ONCE].tolist())
    return response


def _describe_classes(
    served: ServedModel, entry: Any, values: Array, classes: int
) -> bytes:
    """Describe each image's best classes, and return them as bytes."""
    meaning, names = served.meaning(entry.name), served.class_names(entry.name)
    texts = answers.format_classes(meaning, names, values, classes)
    entry.datatype = "BYTES"
    entry.shape.extend([len(values), len(texts[0]) if texts else 0])
    return tensors.to_byte_strings([text for row in texts for text in row])

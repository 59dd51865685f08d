"""OpenAPI description of the inference routes."""

from __future__ import annotations

from typing import Any

from pellucid.serving.security import LIVE, READY
from pellucid.serving.upload import FORM, PICTURES, RAW

_TEXT = {"type": "string"}
_REFUSED = {
    "description": "Refused, with the reason.",
    "content": {
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["error"],
                "properties": {"error": _TEXT},
            }
        }
    },
}
_STATUSES = ("400", "404", "408", "413", "415", "422", "429", "503", "504")
_REFUSALS = dict.fromkeys(_STATUSES, _REFUSED)
_SHAPE = {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 8}
_NUMBERS = {"type": "array", "description": "Numbers, nested or flat.", "items": {}}
_CLASSIFY = "Name the classes of each example as TensorFlow Serving does."
_REGRESS = "Give the value of each example as TensorFlow Serving does."
_PARAMETERS = {"type": "object", "additionalProperties": True}


def paths() -> dict[str, Any]:
    """Return OpenAPI's path items of what `AsgiApp` answers itself."""
    items: dict[str, Any] = {
        LIVE: {"get": _health("live", "Say that the process answers.")},
        READY: {"get": _health("ready", "Say whether every model answers.")},
        "/metrics": {"get": _metrics()},
        "/predict": {"post": _plain()},
    }
    kinds = (
        ("/v2/models/{name}", "/infer", _open_inference()),
        ("/v1/models/{name}", ":predict", _tensorflow_predict()),
        ("/v1/models/{name}", ":classify", _tensorflow_examples("classify", _CLASSIFY)),
        ("/v1/models/{name}", ":regress", _tensorflow_examples("regress", _REGRESS)),
    )
    for start, end, operation in kinds:
        items[start + end] = {
            "post": _add_path_parameters(operation, has_version=False)
        }
        items[f"{start}/versions/{{version}}{end}"] = {
            "post": _add_path_parameters(operation, has_version=True)
        }
    return items


def _metrics() -> dict[str, Any]:
    answer = {"description": "OK", "content": {"text/plain": {"schema": _TEXT}}}
    return {
        "operationId": "metrics",
        "tags": ["health"],
        "summary": "Return counters as Prometheus reads them.",
        "responses": {"200": answer},
    }


def _health(name: str, summary: str) -> dict[str, Any]:
    answer = {"type": "object", "properties": {name: {"type": "boolean"}}}
    done = {"description": "Yes.", "content": _json(answer)}
    refusals = {} if name == "live" else {"503": _REFUSED}
    return {
        "operationId": f"server_{name}",
        "summary": summary,
        "tags": ["health"],
        "responses": {"200": done, **refusals},
    }


def _add_path_parameters(
    operation: dict[str, Any], *, has_version: bool
) -> dict[str, Any]:
    """Return an operation with its model's name, and version."""
    places = ["name", "version"] if has_version else ["name"]
    own = [
        {
            "name": place,
            "in": "path",
            "required": True,
            "schema": {"type": "string", "minLength": 1},
        }
        for place in places
    ]
    suffix = "_of_version" if has_version else ""
    return {
        **operation,
        "operationId": operation["operationId"] + suffix,
        "parameters": [*own, *operation.get("parameters", [])],
    }


def _operation(
    name: str, summary: str, tag: str, body: dict[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    return {
        "operationId": name,
        "summary": summary,
        "tags": [tag],
        "requestBody": {"required": True, "content": body},
        "responses": {
            "200": {"description": "The answer.", "content": answer},
            **_REFUSALS,
        },
    }


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _object(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _plain() -> dict[str, Any]:
    binary = {"schema": {"type": "string", "format": "binary"}}
    form = {"schema": {"type": "object", "additionalProperties": binary["schema"]}}
    names = {"type": "array", "items": _TEXT}
    prediction = {
        "type": "object",
        "description": "A class: label, index, probabilities. Labels: those given, "
        "their indices, probabilities. A regression: values. Per pixel: indices (or "
        "given, of labels) and probabilities.",
        "properties": {
            "label": _TEXT,
            "index": {"type": "integer"},
            "labels": names,
            "indices": {"type": "array", "items": {}},
            "given": {"type": "array", "items": {}},
            "probabilities": _NUMBERS,
            "values": _NUMBERS,
        },
    }
    answer = _object(
        ["model", "version", "predictions"],
        {
            "model": _TEXT,
            "version": _TEXT,
            "classes": {
                "description": "Names of the classes; of several outputs by output.",
                "anyOf": [names, {"type": "object", "additionalProperties": names}],
            },
            "predictions": {
                "type": "array",
                "items": {
                    "anyOf": [
                        prediction,
                        {
                            "type": "object",
                            "description": "Of several outputs, by output.",
                            "additionalProperties": prediction,
                        },
                    ]
                },
            },
        },
    )
    operation = _operation(
        "predict",
        "A picture in, what it shows out; or raw numbers, little-endian. Several "
        "inputs come as the files of a form, by name.",
        "plain",
        {**dict.fromkeys((*PICTURES, RAW), binary), FORM: form},
        _json(answer),
    )
    chosen = [
        {"name": name, "in": "query", "required": False, "schema": _TEXT}
        for name in ("model", "version")
    ]
    return {**operation, "parameters": chosen}


def _open_inference() -> dict[str, Any]:
    entry = _object(
        ["name", "shape", "datatype"],
        {
            "name": _TEXT,
            "shape": _SHAPE,
            "datatype": {"enum": ["UINT8", "FP16", "FP32", "FP64", "BYTES"]},
            "parameters": _PARAMETERS,
            "data": _NUMBERS,
        },
    )
    output = _object(
        ["name"], {"name": _TEXT, "parameters": _PARAMETERS, "data": _NUMBERS}
    )
    request = _object(
        ["inputs"],
        {
            "id": _TEXT,
            "parameters": _PARAMETERS,
            "inputs": {
                "type": "array",
                "items": entry,
                "minItems": 1,
            },
            "outputs": {"type": "array", "items": output},
        },
    )
    answer = _object(
        ["model_name", "outputs"],
        {
            "model_name": _TEXT,
            "model_version": _TEXT,
            "id": _TEXT,
            "outputs": {"type": "array", "items": output},
        },
    )
    binary = {
        "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
    }
    operation = _operation(
        "infer",
        "Infer by the Open Inference Protocol v2; tensors may follow as bytes.",
        "Open Inference Protocol",
        {**_json(request), **binary},
        {**_json(answer), **binary},
    )
    length = {
        "name": "Inference-Header-Content-Length",
        "in": "header",
        "required": False,
        "schema": {"type": "integer", "minimum": 0},
        "description": "Length in bytes of the JSON before the tensors.",
    }
    return {**operation, "parameters": [length]}


def _tensorflow_predict() -> dict[str, Any]:
    images = {
        "description": "Images as lists of numbers, or pictures as {b64: …}; of "
        "several inputs an object with each by its name."
    }
    request = {
        "type": "object",
        "properties": {
            "signature_name": _TEXT,
            "instances": {"type": "array", **images},
            "inputs": images,
        },
    }
    several = {"description": "Numbers; of several outputs an object of them."}
    properties = {"predictions": _NUMBERS, "outputs": several}
    answer = {"type": "object", "properties": properties}
    return _operation(
        "tensorflow_predict",
        "Predict as TensorFlow Serving does.",
        "TensorFlow Serving",
        _json(request),
        _json(answer),
    )


def _tensorflow_examples(name: str, summary: str) -> dict[str, Any]:
    request = _object(
        ["examples"],
        {
            "signature_name": _TEXT,
            "examples": {"type": "array", "items": {"type": "object"}},
        },
    )
    results = {"type": "array", "items": {}}
    return _operation(
        f"tensorflow_{name}",
        summary,
        "TensorFlow Serving",
        _json(request),
        _json(_object(["results"], {"results": results})),
    )

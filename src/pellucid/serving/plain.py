"""This file is inference the plain way: a picture in, what it shows out."""

from __future__ import annotations

from math import prod
from typing import Any
from urllib.parse import parse_qs

import numpy as np
import numpy.typing as npt

from pellucid.errors import DataError
from pellucid.serving.http import Answer, Request, answer_json
from pellucid.serving.refusal import RequestError
from pellucid.serving.repository import Repository
from pellucid.serving.served import Served

Array = npt.NDArray[Any]
_PICTURES = (
    "image/png",
    "image/jpeg",
    "image/webp",
    "image/gif",
    "image/bmp",
    "image/tiff",
)
_RAW = "application/octet-stream"


async def predict(repository: Repository, request: Request) -> Answer:
    """Answer ``POST /predict``.

    The body is a picture, or (as application/octet-stream) the numbers of one or more
    images in the model's dtype, little-endian. ``?model=`` and ``?version=`` choose;
    where one model is served they may be left out.
    """
    served = _chosen(repository, request)
    content_type = request.header(b"content-type").partition(";")[0].strip().lower()
    if content_type in _PICTURES:
        images = await served.read_pictures([request.body])
    elif content_type == _RAW:
        images = _raw(served, request.body)
    else:
        raise RequestError(
            f"predict: Content-Type must be {', '.join(_PICTURES)} or {_RAW}; "
            f"got {content_type[:60]!r}.",
            status=415,
        )
    output = await served.run(images)
    return answer_json(_document(served, output))


def _chosen(repository: Repository, request: Request) -> Served:
    if not request.query:
        return repository.only()
    query = parse_qs(request.query.decode("latin-1"), keep_blank_values=True)
    unknown = sorted(set(query) - {"model", "version"})
    if unknown:
        raise RequestError(
            f"predict: the query must have model and version; got {unknown[0][:40]!r}."
        )
    if "model" not in query:
        return repository.only()
    version = query.get("version", [None])[0]
    return repository.get(query["model"][0], version)


def _raw(served: Served, body: bytes) -> Array:
    """Return the images that bytes hold; they are as many as fit."""
    shape = served.network.input_shape
    dtype = np.dtype(served.model.dtype).newbyteorder("<")
    size = prod(shape) * dtype.itemsize
    if not body or len(body) % size:
        raise DataError(
            f"predict: a body must have {size} bytes for each image of shape "
            f"{list(shape)} in {dtype.name}; got {len(body)}."
        )
    return np.frombuffer(body, dtype).reshape(-1, *shape)


def _document(served: Served, output: Array) -> dict[str, Any]:
    shares = served.probabilities(output)
    rows = shares.reshape(len(shares), -1)
    best = rows.argmax(axis=1).tolist()
    predictions = [
        {"label": served.label(index), "index": index, "probabilities": row}
        for index, row in zip(best, rows.tolist(), strict=True)
    ]
    return {
        "model": served.name,
        "version": served.version,
        "predictions": predictions,
    }

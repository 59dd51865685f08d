"""What a .tflite file says of its pictures and classes: TensorFlow's own metadata.

References
----------
``metadata_schema.fbs`` of tflite-support: NormalizationOptions, AssociatedFile.
"""

from __future__ import annotations

import io
import struct
import zipfile
from typing import Any

from pellucid.exchange.litert.flatbuffer import (
    Fields,
    Numbers,
    Scalar,
    Table,
    Text,
    Union,
    decode,
)
from pellucid.exchange.metadata import ModelMetadata
from pellucid.network import Preprocessing

NAME, IDENTIFIER = "TFLITE_METADATA", b"M001"
NORMALIZATION, AXIS_LABELS = 1, 2
_LABELS_LIMIT_BYTES = 2**20
_BYTE = Scalar("B")

_FILE: Fields = {"name": (0, Text()), "type": (2, Scalar("b"))}
_UNIT: Fields = {
    "options_type": (0, _BYTE),
    "options": (
        1,
        Union(
            "options_type",
            {NORMALIZATION: {"mean": (0, Numbers("<f4")), "std": (1, Numbers("<f4"))}},
        ),
    ),
}
_TENSOR: Fields = {
    "process_units": (4, Table(_UNIT, is_vector=True)),
    "associated_files": (6, Table(_FILE, is_vector=True)),
}
_GRAPH: Fields = {
    "inputs": (2, Table(_TENSOR, is_vector=True)),
    "outputs": (3, Table(_TENSOR, is_vector=True)),
}
SCHEMA: Fields = {"graphs": (3, Table(_GRAPH, is_vector=True))}


def read_about(metadata: bytes, content: bytes) -> ModelMetadata:
    """Return preprocessing and classes as far as a file says them.

    Parameters
    ----------
    metadata : bytes
        Of the entry ``TFLITE_METADATA``; what is damaged in it says nothing.
    content : bytes
        The whole file, behind which the files of labels lie as a zip.
    """
    try:
        (graph,) = decode(SCHEMA, metadata, identifier=IDENTIFIER)["graphs"]
        how = _preprocessing((graph["inputs"] or [{}])[0])
        classes = _labels((graph["outputs"] or [{}])[0], content)
    except (ValueError, KeyError, TypeError, struct.error):
        return ModelMetadata()
    return ModelMetadata(preprocessing=how or Preprocessing.unknown(), classes=classes)


def _preprocessing(tensor: dict[str, Any]) -> Preprocessing | None:
    """Return ``(pixel − mean) / std``, pixels in 0 … 255."""
    for unit in tensor.get("process_units") or []:
        options = unit["options"]
        if options is None or options["mean"] is None or options["std"] is None:
            continue
        means, stds = options["mean"].tolist(), options["std"].tolist()
        if len(means) == len(stds) and all(std > 0 for std in stds):
            scale = tuple(1 / std for std in stds)
            pairs = zip(means, stds, strict=True)
            return Preprocessing(scale=scale, offset=tuple(-m / s for m, s in pairs))
    return None


def _labels(tensor: dict[str, Any], content: bytes) -> tuple[str, ...]:
    """Return the lines of the file that names the classes."""
    files = tensor.get("associated_files") or []
    names = [file["name"] for file in files if file["type"] == AXIS_LABELS]
    if not names or not zipfile.is_zipfile(io.BytesIO(content)):
        return ()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        try:
            with archive.open(names[0]) as stream:
                text = stream.read(_LABELS_LIMIT_BYTES).decode()
        except (KeyError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
            return ()
    return tuple(line.strip() for line in text.splitlines() if line.strip())

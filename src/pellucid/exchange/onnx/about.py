"""What an ONNX file says of its pictures and classes in its metadata.

References
----------
ONNX, MetadataProps: Image.BitmapPixelFormat, Image.NominalPixelRange.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping

from pellucid.exchange.metadata import ModelMetadata
from pellucid.network import Preprocessing

_RANGES = {
    "NominalRange_0_255": Preprocessing.raw(),
    "Normalized_0_1": Preprocessing.unit(),
    "Normalized_1_1": Preprocessing.signed(),
}
_NAMES_LIMIT = 2**20  # letters of a list of classes


def read_about(properties: Mapping[str, str], *, dtype: str) -> ModelMetadata:
    """Return preprocessing and classes as far as a file says them.

    Parameters
    ----------
    properties : mapping of str to str
        The file's ``metadata_props``: ONNX's own words for pictures, or those of
        Ultralytics, whose networks take rgb in [0, 1] and whose classes are ``names``.
    dtype : {"float32", "float64"}
        Of the graph.
    """
    how = _RANGES.get(properties.get("Image.NominalPixelRange", ""))
    pixels = properties.get("Image.BitmapPixelFormat", "")
    is_ultralytics = properties.get("author") == "Ultralytics"
    if how is None and is_ultralytics:
        how = Preprocessing.unit()
    if how is not None and pixels.lower().startswith("bgr"):
        how = Preprocessing(scale=how.scale, offset=how.offset, channel_order="bgr")
    return ModelMetadata(
        preprocessing=how or Preprocessing.unknown(),
        classes=_names(properties.get("names", "")) if is_ultralytics else (),
        dtype=dtype,
    )


def _names(text: str) -> tuple[str, ...]:
    """Return the classes of ``{0: 'cat', 1: 'dog'}``; none where it is no such."""
    if len(text) > _NAMES_LIMIT:
        return ()
    try:
        found = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return ()
    if not isinstance(found, dict) or sorted(found) != list(range(len(found))):
        return ()
    return tuple(str(found[i]) for i in range(len(found)))

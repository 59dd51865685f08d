"""Read a SavedModel through TensorFlow's own converter to LiteRT."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pellucid.errors import ExchangeError
from pellucid.exchange import probe
from pellucid.exchange.graph.input_sizes import close_sizes
from pellucid.exchange.litert import read as litert
from pellucid.exchange.savedmodel.write import silence
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile


def read_as_litert(folder: Path, input_shape: Shape | None) -> ModelFile:
    """Return the model of a folder's ``serving_default``, for images of one size.

    Raises
    ------
    ExchangeError
        If there is no such signature of one input, TensorFlow cannot convert it, or
        it holds what cannot be represented exactly.
    """
    from pellucid.engines.tensorflow.imports import tf

    with silence():
        loaded = tf.saved_model.load(str(folder))
    signature = _signature(loaded, folder)
    ((name, spec),) = signature.structured_input_signature[1].items()
    sizes = close_sizes(name, spec.shape.as_list()[1:], input_shape)
    content = _convert(signature, name, tf.TensorSpec((1, *sizes), spec.dtype), loaded)
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"{folder.stem}.tflite"
        path.write_bytes(content)
        file: ModelFile = litert(path)
    _check(file, signature, name)
    return file


def _signature(loaded: Any, folder: Path) -> Any:
    """Return the serving signature of one input."""
    found = loaded.signatures
    if "serving_default" not in found:
        raise ExchangeError(
            f"import: '{folder}' must have a signature serving_default; got "
            f"{', '.join(found) or 'none'}."
        )
    signature = found["serving_default"]
    inputs = signature.structured_input_signature[1]
    if len(inputs) != 1:
        raise ExchangeError(
            f"import: '{folder}' must have one input; got {', '.join(inputs)}."
        )
    return signature


def _convert(signature: Any, name: str, spec: Any, loaded: Any) -> bytes:
    """Return a signature as a .tflite file, for a batch of one."""
    from pellucid.engines.tensorflow.imports import tf

    def call(x: Any) -> Any:
        return signature(**{name: x})

    with silence():
        concrete = tf.function(call, input_signature=[spec]).get_concrete_function()
        converter: Any = tf.lite.TFLiteConverter
        try:
            made = converter.from_concrete_functions([concrete], loaded).convert()
        except Exception as error:  # its passes raise what they like
            reason = " ".join(str(error).split())[:200]
            raise ExchangeError(
                "import: a SavedModel must be one that TensorFlow converts to LiteRT; "
                f"got {reason}"
            ) from error
    return bytes(made)


def _check(file: ModelFile, signature: Any, name: str) -> None:
    """Probe the network against the signature that TensorFlow runs."""
    from pellucid.engines.tensorflow.imports import tf

    outputs = signature.structured_outputs
    if not probe.is_small(file) or len(outputs) != 1:
        return
    spec = signature.structured_input_signature[1][name]
    batch = spec.shape.as_list()[0] or probe.examples(file)
    x = probe.draw((batch, *file.network.input_shape), file.dtype)
    with silence():
        (y,) = (made.numpy() for made in signature(**{name: tf.constant(x)}).values())
    probe.check(file, x, y, reference="TensorFlow")

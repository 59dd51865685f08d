"""Read a SavedModel through TensorFlow's own converter to LiteRT."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pellucid.engines.ports import join
from pellucid.errors import ExchangeError
from pellucid.exchange import probe
from pellucid.exchange.graph.input_sizes import close_sizes
from pellucid.exchange.litert.read import read as read_litert
from pellucid.exchange.savedmodel.signature import Signature
from pellucid.exchange.savedmodel.write import silence
from pellucid.network.layers import Shape
from pellucid.runs import ModelFile


def read_as_litert(signature: Signature, input_shape: Shape | None) -> ModelFile:
    """Return the model of a signature, for images of one size.

    Raises
    ------
    ExchangeError
        If TensorFlow cannot convert it, or it holds what cannot be represented
        exactly.
    """
    from pellucid.engines.tensorflow.imports import tf

    specs = []
    for name, spec in zip(signature.inputs, signature.specs, strict=True):
        sizes = close_sizes(name, spec.shape.as_list()[1:], input_shape)
        specs.append(tf.TensorSpec((1, *sizes), spec.dtype, name=name))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / f"{signature.folder.stem}.tflite"
        path.write_bytes(_convert(signature, specs))
        file: ModelFile = read_litert(path)
    _check(file, signature)
    return file


def _convert(signature: Signature, specs: list[Any]) -> bytes:
    """Return a signature as a .tflite file, for a batch of one."""
    from pellucid.engines.tensorflow.imports import tf

    def call(*given: Any) -> Any:
        made = signature.function(**dict(zip(signature.inputs, given, strict=True)))
        return [made[name] for name in signature.outputs]

    with silence():
        concrete = tf.function(call, input_signature=specs).get_concrete_function()
        converter: Any = tf.lite.TFLiteConverter
        try:
            functions = [concrete], signature.loaded
            made = converter.from_concrete_functions(*functions).convert()
        except Exception as error:  # its passes raise what they like
            reason = " ".join(str(error).split())[:200]
            raise ExchangeError(
                "import: a SavedModel must be one that TensorFlow converts to LiteRT; "
                f"got {reason}"
            ) from error
    return bytes(made)


def _check(file: ModelFile, signature: Signature) -> None:
    """Probe the network against the signature that TensorFlow runs."""
    network = file.network
    if not probe.is_small(file) or len(network.inputs) != len(signature.inputs):
        return
    batch = signature.specs[0].shape.as_list()[0] or probe.examples(file)
    shapes = [network.shapes[name] for name in network.inputs]
    x = [probe.draw((batch, *shape), file.dtype) for shape in shapes]
    for index, y in enumerate(signature.run_in_order(x)):
        probe.check(file, join(x), y, reference="TensorFlow", index=index)

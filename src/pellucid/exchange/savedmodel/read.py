"""Read a SavedModel's serving signature, converted to ONNX or to LiteRT.

Where tf2onnx is installed it is tried first, as ONNX keeps batch normalizations apart
from convolutions. TensorFlow's own converter to LiteRT does the rest, and all of it
where tf2onnx is not there.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from pellucid.errors import ExchangeError, NetworkError
from pellucid.exchange import probe
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph.tensor import LAST
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.onnx.read import Graph
from pellucid.exchange.savedmodel.inference_only import MAIN, inference_only
from pellucid.exchange.savedmodel.through_litert import read_as_litert
from pellucid.exchange.savedmodel.write import CARD, silence
from pellucid.network.layers import Shape
from pellucid.network.ports import require_single
from pellucid.runs import ModelFile

_OPSET = 18  # the newest that tf2onnx writes
_CARD_LIMIT_BYTES = 2**20
_FOR_XLA = "_XlaMustCompile"


def read(path: Path, *, input_shape: Shape | None = None) -> ModelFile:
    """Read a folder's ``serving_default``; TensorFlow loads it.

    ``input_shape`` names sizes that the signature leaves free.

    Raises
    ------
    ExchangeError
        If it is damaged, or holds what cannot be represented exactly.
    """
    folder = path.parent if path.name == MAIN else path
    if not (folder / MAIN).is_file():
        raise ExchangeError(f"import: '{path}' must hold a {MAIN}; got none.")
    with translate_errors(path, "SavedModel"):
        with inference_only(folder) as place:
            file = _read_either(place, input_shape)
        return _add_metadata(file, folder / CARD)


def _read_either(folder: Path, input_shape: Shape | None) -> ModelFile:
    """Return the model through ONNX, or where that is not possible through LiteRT."""
    try:
        return _read_as_onnx(folder, input_shape)
    except (ExchangeError, ImportError, NetworkError, ValueError) as error:
        refusal = error
    try:
        return read_as_litert(folder, input_shape)
    except ExchangeError as error:
        raise (error if isinstance(refusal, ImportError) else refusal) from error


def _read_as_onnx(folder: Path, input_shape: Shape | None) -> ModelFile:
    model = _convert_to_onnx(folder)
    graph = Graph(model, None, {}, images=LAST, input_shape=input_shape)
    file = graph.file(folder.stem)
    require_single("import: savedmodel", file.network, sharing=True)
    _check(folder, graph, file)
    return file


def _check(folder: Path, graph: Graph, file: ModelFile) -> None:
    """Probe the network against the signature that TensorFlow runs."""
    from pellucid.engines.tensorflow.imports import tf

    if not probe.is_small(file):
        return
    batch = graph.builder.batch or probe.examples(file)
    x = probe.draw((batch, *graph.entry.foreign_shape[1:]), file.dtype)
    with silence():
        loaded = tf.saved_model.load(str(folder))
        signature = loaded.signatures["serving_default"]
        (name,) = signature.structured_input_signature[1]
        outputs = [y.numpy() for y in signature(**{name: tf.constant(x)}).values()]
    if len(outputs) == 1:
        probe.check(
            file,
            graph.entry.from_foreign(x),
            outputs[0],
            reference="TensorFlow",
            layout=graph.output.to_foreign,
        )


def _convert_to_onnx(folder: Path) -> onnx.ModelProto:
    with silence():
        loader: Any = importlib.import_module("tf2onnx.tf_loader")
        convert: Any = importlib.import_module("tf2onnx.convert")
    with silence(), np.errstate(all="ignore"):
        graph, inputs, outputs, renamed = loader.from_saved_model(
            str(folder), None, None, return_tensors_to_rename=True
        )
        model, _ = convert._convert_common(
            _remove_xla(graph, inputs, outputs),
            name=folder.stem,
            input_names=inputs,
            output_names=outputs,
            opset=_OPSET,
            tensors_to_rename=renamed,
        )
    made: onnx.ModelProto = model
    return made


def _remove_xla(graph: Any, inputs: list[str], outputs: list[str]) -> Any:
    """Take grouped convolutions out of the functions meant for XLA.

    On a CPU Keras hands them to it; they are plain operators inside.
    """
    functions = (function.node_def for function in graph.library.function)
    marked = [
        node
        for node in (*graph.node, *chain.from_iterable(functions))
        if node.attr.pop(_FOR_XLA, None) is not None
    ]
    return _inline(graph, [*inputs, *outputs]) if marked else graph


def _inline(graph: Any, kept: list[str]) -> Any:
    """Put the bodies of functions where they are called."""
    from pellucid.engines.tensorflow.imports import tf

    protobuf: Any = importlib.import_module("tensorflow.core.protobuf.config_pb2")
    optimizer: Any = importlib.import_module("tensorflow.python.grappler.tf_optimizer")
    config = protobuf.ConfigProto()
    rewriting = config.graph_options.rewrite_options
    rewriting.min_graph_nodes = -1
    rewriting.optimizers.append("function")
    rewriting.function_optimization = rewriting.AGGRESSIVE
    with tf.Graph().as_default():
        tf.import_graph_def(graph, name="")
        whole = tf.compat.v1.train.export_meta_graph(graph_def=graph)
    whole.collection_def["train_op"].node_list.value.extend(kept)
    return optimizer.OptimizeGraph(config, whole)


def _add_metadata(file: ModelFile, path: Path) -> ModelFile:
    """Add preprocessing, classes and meaning, where they lie beside the model."""
    if not path.is_file() or path.stat().st_size > _CARD_LIMIT_BYTES:
        return file
    card = ModelMetadata.from_json(json.loads(path.read_text(encoding="utf-8")))
    return replace(
        file,
        preprocessing=card.preprocessing,
        classes=card.classes,
        output_meaning=card.output_meaning,
    )

"""Read a SavedModel's serving signature, converted to ONNX or to LiteRT.

Where tf2onnx is installed it is tried first, as ONNX keeps batch normalizations apart
from convolutions. TensorFlow's own converter to LiteRT does the rest, and all of it
where tf2onnx is not there.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from pellucid.errors import ExchangeError, NetworkError
from pellucid.exchange import probe
from pellucid.exchange.errors import translate_errors
from pellucid.exchange.graph.input_sizes import require_one_input
from pellucid.exchange.graph.tensor import LAST
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.onnx.read import Graph
from pellucid.exchange.savedmodel.inference_only import MAIN, inference_only
from pellucid.exchange.savedmodel.signature import Signature
from pellucid.exchange.savedmodel.through_litert import read_as_litert
from pellucid.exchange.savedmodel.write import CARD, silence
from pellucid.network.layers import Shape
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
        card = read_card(folder / CARD)
        with inference_only(folder) as place:
            signature = Signature.load(place, card)
            require_one_input(signature.inputs, input_shape)
            file = _read_either(signature, input_shape)
        return file if card is None else _add_metadata(file, card)


def _read_either(signature: Signature, input_shape: Shape | None) -> ModelFile:
    """Return the model through ONNX, or where that is not possible through LiteRT."""
    try:
        return _read_as_onnx(signature, input_shape)
    except (ExchangeError, ImportError, NetworkError, ValueError) as error:
        refusal = error
    try:
        return read_as_litert(signature, input_shape)
    except ExchangeError as error:
        raise (error if isinstance(refusal, ImportError) else refusal) from error


def _read_as_onnx(signature: Signature, input_shape: Shape | None) -> ModelFile:
    model = _convert_to_onnx(signature.folder)
    _sort(model.graph.input, signature.inputs)
    _sort(model.graph.output, signature.outputs)
    graph = Graph(model, None, {}, images=LAST, input_shape=input_shape)
    file = graph.file(signature.folder.stem)
    if probe.is_small(file):
        x = graph.ports.draw(file)
        found = signature.run(x)
        made = [found[name] for name in graph.output_names]
        graph.ports.check(file, x, made, reference="TensorFlow")
    return file


def _sort(values: Any, names: Sequence[str]) -> None:
    """Put inputs or outputs of a graph into the signature's order."""
    places = {name: place for place, name in enumerate(names)}
    ordered = sorted(values, key=lambda value: places.get(value.name, len(places)))
    del values[:]
    values.extend(ordered)


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


def read_card(path: Path) -> Any:
    """Return the card that lies beside the model; None where there is none."""
    if not path.is_file() or path.stat().st_size > _CARD_LIMIT_BYTES:
        return None
    return json.loads(path.read_text(encoding="utf-8"))


def _add_metadata(file: ModelFile, document: Any) -> ModelFile:
    """Add preprocessing, classes and meaning."""
    card = ModelMetadata.from_json(document)
    return replace(
        file,
        preprocessing=card.preprocessing,
        classes=card.classes,
        output_meaning=card.output_meaning,
    )

"""Write a network as an ONNX file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper

from pellucid.exchange.channels_first import find_flattened_images
from pellucid.exchange.errors import find_writer
from pellucid.exchange.metadata import ModelMetadata
from pellucid.exchange.onnx import integers
from pellucid.exchange.onnx.builder import GraphBuilder
from pellucid.exchange.onnx.layers import WRITERS
from pellucid.exchange.onnx.read import CARD
from pellucid.exchange.onnx.write_context import WriteContext
from pellucid.network import Network
from pellucid.network.layers import (
    Dequantize,
    Input,
    Layer,
    Quantize,
    Quantized,
    Rescale,
    Shape,
)
from pellucid.network.quantization import Quantization
from pellucid.runs import ModelFile

OPSET = 20  # the first with Gelu
IR_VERSION = 9  # what runtimes of that opset read
#: opset and IR version where a layer needs later ones: GroupNormalization per channel
LATER = 21, 10
Array = npt.NDArray[Any]


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the file. Images are (N, C, H, W), of any batch size.

    Raises
    ------
    ExchangeError
        If a layer has no exact form in ONNX.
    """
    return {name: build_model(file).SerializeToString()}


def build_model(file: ModelFile) -> onnx.ModelProto:
    """Return the model as onnx's own object, checked by it."""
    network = file.network
    builder = GraphBuilder(shares=bool(network.shared))
    values = _write_nodes(builder, network, file.weights)
    entries = {name: values[name] for name in network.inputs}
    _name_outputs(builder, network, values)
    graph = helper.make_graph(
        builder.nodes,
        network.name,
        [_info(value, network.shapes[name]) for name, value in entries.items()],
        [_info(values[name], network.shapes[name]) for name in network.outputs],
        builder.initializers,
    )
    needs_later = any(node.op_type == "GroupNormalization" for node in builder.nodes)
    opset, ir_version = LATER if needs_later else (OPSET, IR_VERSION)
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", opset)],
        producer_name="pellucid",
        ir_version=ir_version,
    )
    helper.set_model_props(model, {CARD: json.dumps(ModelMetadata.of(file).to_json())})
    onnx.checker.check_model(model)
    return model


def _write_nodes(
    builder: GraphBuilder, network: Network, weights: Mapping[str, Array]
) -> dict[str, str]:
    """Write each node; return the name of its value."""
    orders = find_flattened_images(_operations(network))
    values: dict[str, str] = {}
    known: dict[str, Quantization | None] = {}
    for node in network.nodes:
        if isinstance(node.layer, Input):
            values[node.name] = builder.name(node.name)
            continue
        given = {
            "builder": builder,
            "node": node,
            "inputs": [values[source] for source in node.inputs],
            "shapes": network.input_shapes(node),
            "weights": {
                spec.role: np.asarray(
                    weights[f"{node.owner}.{spec.role}"], spec.dtype or np.float32
                )
                for spec in node.layer.weights(*network.input_shapes(node))
            },
            "image_shape": orders.get(node.name),
        }
        before = [known.get(name) for name in node.inputs]
        how = known[node.name] = integers.quantization_of(node.layer, before)
        made = _write_node(node.layer, given)
        if how is not None:
            made = integers.add_pair(builder, node.name, made, how)
        values[node.name] = made
    return values


def _write_node(layer: Layer, given: dict[str, Any]) -> str:
    """Write a layer and return the name of its value."""
    made: str = given["inputs"][0]
    if isinstance(layer, Quantized):
        context = integers.IntegerContext(
            layer=layer.operation, quantized=layer, **given
        )
        if layer.operation != Rescale():
            made = find_writer(WRITERS, layer.operation, "ONNX")(context)
        return integers.clamp(context, made)
    if isinstance(layer, Quantize | Dequantize):
        return made
    made = find_writer(WRITERS, layer, "ONNX")(WriteContext(layer=layer, **given))
    return made


def _operations(network: Network) -> Network:
    """Return a network with the operations of its integer layers in their place."""
    nodes = [
        node.with_layer(replace(node.layer.operation, name=node.name))
        if isinstance(node.layer, Quantized)
        else node
        for node in network.nodes
    ]
    return network.with_nodes(nodes)


def _name_outputs(
    builder: GraphBuilder, network: Network, values: dict[str, str]
) -> None:
    """Give each output a value of its own, where it is an input or another output."""
    taken = {values[name] for name in network.inputs}
    for name in network.outputs:
        if values[name] in taken:
            plain = "output" if len(network.outputs) == 1 else name
            values[name] = builder.add("Identity", [values[name]], plain)
        taken.add(values[name])


def _info(name: str, shape: Shape) -> onnx.ValueInfoProto:
    first = (shape[2], *shape[:2]) if len(shape) == 3 else shape
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["N", *first])

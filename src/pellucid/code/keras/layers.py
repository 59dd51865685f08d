"""Keras layers as text, from the table that the engine builds them by."""

from __future__ import annotations

from typing import Any

from pellucid.code.pointwise import Functions
from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import call_words, number
from pellucid.engines.framework_layers import LayerCall
from pellucid.engines.framework_layers.keras import CALLS
from pellucid.network import Node
from pellucid.network import layers as nl
from pellucid.network.initializers import Constant, Normal, Uniform
from pellucid.objectives import AdamW

Words = list[str]


Layer = tuple[str, Words]


Built = tuple[list[Layer], str, Words, list[Layer]]


_MANY = 3  # layers of one kind that share their arguments


def shared_words(spec: ScriptSpec) -> Words:
    """Return the arguments that three layers or more begin and decay by."""
    all_words = [start_words(spec, node) for node in spec.nodes]
    often = [words for words in all_words if words and all_words.count(words) >= _MANY]
    return often[0] if often else []


def start_words(spec: ScriptSpec, node: Node) -> Words:
    """Return the initialisers and decay that differ from Keras' own."""
    words = []
    if not spec.weights_file:
        for field, word in (
            ("weight_initializer", "kernel_initializer"),
            ("bias_initializer", "bias_initializer"),
        ):
            kind = getattr(node.layer, field, None)
            if kind is not None and kind != "zeros":
                words.append(f"{word}={_start(spec, node, kind)}")
    decays = isinstance(node.layer, nl.Conv2D | nl.ConvTranspose2D | nl.Dense)
    if spec.weight_decay and decays and not isinstance(spec.optimizer, AdamW):
        words.append("kernel_regularizer=DECAY")
    return words


def _start(spec: ScriptSpec, node: Node, kind: Any) -> str:
    if isinstance(kind, Uniform):
        low, high = number(kind.low), number(kind.high)
        return f"keras.initializers.RandomUniform({low}, {high})"
    if isinstance(kind, Normal):
        return f"keras.initializers.RandomNormal(stddev={number(kind.std)})"
    if isinstance(kind, Constant):
        return f"keras.initializers.Constant({number(kind.value)})"
    if kind in ("dirac", "fan_in_uniform"):
        raise spec.refuse(node, f"keras has no {kind}")
    return f'"{kind}"'


def _around(pads: Any) -> str:
    (top, bottom), (left, right) = pads
    return f"(({top}, {bottom}), ({left}, {right}))"


def layer_texts(spec: ScriptSpec, node: Node, functions: Functions) -> Built:
    """Return a node's layers: those before it, its class and words, those after it.

    Raises
    ------
    UnsupportedLayerError
        If Keras' own layers do not compute exactly the same.
    """
    if isinstance(node.layer, nl.Pointwise) and type(node.layer) not in CALLS:
        shown = functions.apply(node.layer.stem, node.layer.expression, {"x": "x"})
        function = shown[: -len("(x)")] if shown.endswith("(x)") else None
        if function is None or not function.isidentifier():
            function = f"lambda x: {shown}"
        return [], "Activation", [function], []
    if type(node.layer) not in CALLS:
        raise spec.refuse(node, "there is no such layer")
    call = CALLS[type(node.layer)](node.layer, spec.shape(node))
    _check(spec, node, call)
    words = call_words(call)
    if call.pads is None:
        return [], call.name, words, []
    if call.name == "Conv2DTranspose":
        return [], call.name, words, [("layers.Cropping2D", [_around(call.pads)])]
    return [("layers.ZeroPadding2D", [_around(call.pads)])], call.name, words, []


def _check(spec: ScriptSpec, node: Node, call: LayerCall) -> None:
    """Refuse what Keras' layer does not do as the others do."""
    layer: Any = node.layer
    if isinstance(layer, nl.Conv2D):
        if max(layer.strides) > 1 and max(layer.dilations) > 1:
            raise spec.refuse(node, "Keras does not stride and dilate at once")
    elif isinstance(layer, nl.ConvTranspose2D):
        if layer.groups != 1 or layer.dilations != (1, 1):
            raise spec.refuse(node, "Keras' has no groups and an inexact dilation")
        if any(side < 0 for sides in call.pads or () for side in sides):
            raise spec.refuse(node, "it adds rows or columns to the output")
        # Keras' output of "valid" has stride - kernel rows more where stride is larger
        if any(s > k for s, k in zip(layer.strides, layer.kernel, strict=True)):
            raise spec.refuse(node, "its stride is larger than its kernel")
    elif isinstance(layer, nl.PReLU):
        raise spec.refuse(node, "Keras' has the derivative 0 at 0")
    elif isinstance(layer, nl.L2Normalize):
        if layer.epsilon != 1e-12:
            raise spec.refuse(node, "Keras' epsilon is 1e-12")
    elif isinstance(layer, nl.Rescale):
        if isinstance(layer.scale, tuple) or isinstance(layer.offset, tuple):
            raise spec.refuse(node, "Keras' has one scale and one offset")
    elif call.pads is not None:
        raise spec.refuse(node, "Keras pads pools by 'same' or not at all")

"""This file is how each layer is written in Keras."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.code.script_spec import ScriptSpec
from pellucid.code.text import number, one_or_pair
from pellucid.network import Node, window
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
    if kind == "fan_in_uniform":
        raise spec.refuse(node, f"keras has no {kind}")
    return f'"{kind}"'


def _around(pads: Any) -> str:
    (top, bottom), (left, right) = pads
    return f"(({top}, {bottom}), ({left}, {right}))"


def _convolution(spec: ScriptSpec, node: Node) -> Built:
    layer: Any = node.layer
    size = spec.shape(node)[0], spec.shape(node)[1]
    if max(layer.strides) > 1 and max(layer.dilations) > 1:
        raise spec.refuse(node, "Keras does not stride and dilate at once")
    words = [str(layer.out_channels), one_or_pair(layer.kernel)]
    words += _keywords(layer)
    pads = layer.pads(size)
    if pads == ((0, 0), (0, 0)):
        return [], "Conv2D", words, []
    same = window.pads("same", size, layer.kernel, layer.strides, layer.dilations)
    if pads == same:
        return [], "Conv2D", [*words, 'padding="same"'], []
    return [("layers.ZeroPadding2D", [_around(pads)])], "Conv2D", words, []


def _keywords(layer: Any) -> Words:
    words = []
    if layer.strides != (1, 1):
        words.append(f"strides={one_or_pair(layer.strides)}")
    if layer.dilations != (1, 1):
        words.append(f"dilation_rate={one_or_pair(layer.dilations)}")
    if layer.groups != 1:
        words.append(f"groups={layer.groups}")
    return words if layer.bias else [*words, "use_bias=False"]


def _transposed(spec: ScriptSpec, node: Node) -> Built:
    layer: Any = node.layer
    pads = layer.pads(spec.shape(node)[:2])
    if layer.groups != 1 or layer.dilations != (1, 1):
        raise spec.refuse(node, "Keras' has no groups and an inexact dilation")
    if any(side < 0 for sides in pads for side in sides):
        raise spec.refuse(node, "it adds rows or columns to the output")
    words = [str(layer.out_channels), one_or_pair(layer.kernel), *_keywords(layer)]
    # Keras' output of "valid" has stride - kernel rows more where stride is larger
    if any(s > k for s, k in zip(layer.strides, layer.kernel, strict=True)):
        raise spec.refuse(node, "its stride is larger than its kernel")
    after = [("layers.Cropping2D", [_around(pads)])] if pads != ((0, 0), (0, 0)) else []
    return [], "Conv2DTranspose", words, after


def _pool(spec: ScriptSpec, node: Node) -> Built:
    layer: Any = node.layer
    size = spec.shape(node)[0], spec.shape(node)[1]
    name = "MaxPooling2D" if isinstance(layer, nl.MaxPool2D) else "AveragePooling2D"
    words = [one_or_pair(layer.kernel)]
    if layer.strides != layer.kernel:
        words.append(f"strides={one_or_pair(layer.strides)}")
    pads = layer.pads(size)
    if pads == ((0, 0), (0, 0)):
        return [], name, words, []
    if pads != window.pads("same", size, layer.kernel, layer.strides, (1, 1)):
        raise spec.refuse(node, "Keras pads pools by 'same' or not at all")
    return [], name, [*words, 'padding="same"'], []


def _dense(spec: ScriptSpec, node: Node) -> Built:
    del spec
    layer: Any = node.layer
    bias = [] if layer.bias else ["use_bias=False"]
    return [], "Dense", [str(layer.units), *bias], []


def _batch_norm(spec: ScriptSpec, node: Node) -> Built:
    del spec
    layer: Any = node.layer
    words = [f"momentum={number(layer.momentum)}", f"epsilon={number(layer.epsilon)}"]
    return [], "BatchNormalization", words, []


def _upsample(spec: ScriptSpec, node: Node) -> Built:
    del spec
    layer: Any = node.layer
    mode = [] if layer.mode == "nearest" else ['interpolation="bilinear"']
    return [], "UpSampling2D", [one_or_pair(layer.factors), *mode], []


def _plain(name: str, *words: str) -> Callable[[ScriptSpec, Node], Built]:
    return lambda spec, node: (
        [],
        name,
        [word.format(node.layer) for word in words],
        [],
    )


BUILDERS: dict[type[nl.Layer], Callable[[ScriptSpec, Node], Built]] = {
    nl.Add: _plain("Add"),
    nl.AvgPool2D: _pool,
    nl.BatchNorm: _batch_norm,
    nl.Concat: _plain("Concatenate"),
    nl.Conv2D: _convolution,
    nl.ConvTranspose2D: _transposed,
    nl.Dense: _dense,
    nl.Dropout: _plain("Dropout", "{0.rate:g}"),
    nl.Flatten: _plain("Flatten"),
    nl.GELU: _plain("Activation", '"gelu"'),
    nl.GlobalAvgPool2D: _plain("GlobalAveragePooling2D"),
    nl.LayerNorm: _plain("LayerNormalization", "epsilon={0.epsilon:g}"),
    nl.LeakyReLU: _plain("LeakyReLU", "negative_slope={0.slope:g}"),
    nl.MaxPool2D: _pool,
    nl.ReLU: _plain("ReLU"),
    nl.SiLU: _plain("Activation", '"silu"'),
    nl.Sigmoid: _plain("Activation", '"sigmoid"'),
    nl.Softmax: _plain("Softmax"),
    nl.Tanh: _plain("Activation", '"tanh"'),
    nl.Upsample2D: _upsample,
    nl.ZeroPad2D: lambda spec, node: (
        [],
        "ZeroPadding2D",
        [_around(node.layer.sides)],  # type: ignore[attr-defined]
        [],
    ),
}

"""This file is how each layer becomes Keras', and the network a functional model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pellucid.engines.tensorflow import modules
from pellucid.engines.tensorflow.imports import keras
from pellucid.network import Network
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Shape

Tensors = dict[str, Any]


def keras_layers(
    network: Network, policy: Any, *, is_distributed: bool = False
) -> dict[str, Any]:
    """Return a Keras layer per node, with the node's name.

    ``is_distributed``: the batch lies in several processes, and batch norms take the
    statistics of the whole.
    """
    made = {}
    for node in network.nodes:
        if isinstance(node.layer, pl.Input):
            continue
        shapes = network.input_shapes(node)
        layer = _BUILDERS[type(node.layer)](
            node.layer, *shapes, name=node.name, dtype=policy
        )
        # a frozen BatchNormalization also keeps to its running statistics
        layer.trainable = getattr(node.layer, "trainable", True)
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = is_distributed
        made[node.name] = layer
    return made


def connect(
    network: Network,
    layers: Mapping[str, Any],
    images: Any,
    masks: Mapping[str, Any],
) -> Tensors:
    """Return every node's symbolic value; the layers may be connected repeatedly."""
    values = {network.inputs[0]: images}
    for node in network.nodes:
        if isinstance(node.layer, pl.Input):
            continue
        inputs = [values[source] for source in node.inputs]
        given = {"keep": masks[node.name]} if node.name in masks else {}
        layer = layers[node.name]
        values[node.name] = layer(inputs[0] if len(inputs) == 1 else inputs, **given)
    return values


def _convolution(layer: pl.Conv2D, shape: Shape, **arguments: Any) -> Any:
    arguments |= {
        "kernel_size": layer.kernel,
        "strides": layer.strides,
        "dilation_rate": layer.dilations,
        "groups": layer.groups,
        "use_bias": layer.bias,
    }
    pads = layer.pads((shape[0], shape[1]))
    is_both = max(layer.strides) > 1 and max(layer.dilations) > 1
    padding = _keras_padding(layer, shape)
    if padding is not None and not is_both:
        return keras.layers.Conv2D(layer.out_channels, padding=padding, **arguments)
    return modules.Conv2D(
        layer.out_channels, pads=pads, shape=layer.output_shape(shape), **arguments
    )


def _keras_padding(layer: Any, shape: Shape) -> str | None:
    """Return what Keras calls the padding, if it has a name.

    Numbers often come to one. Zeros put around beforehand are another pass over memory.
    """
    size = shape[0], shape[1]
    for name in ("valid", "same"):
        if replace(layer, padding=name).pads(size) == layer.pads(size):
            return name
    return None


def _transposed(layer: pl.ConvTranspose2D, shape: Shape, **arguments: Any) -> Any:
    pads = layer.pads((shape[0], shape[1]))
    return modules.ConvTranspose2D(
        kernel_size=layer.kernel,
        strides=layer.strides,
        dilations=layer.dilations,
        groups=layer.groups,
        use_bias=layer.bias,
        pads=pads,
        shape=layer.output_shape(shape),
        **arguments,
    )


def _pool(theirs: Any, ours: Any) -> Callable[..., Any]:
    """Return a builder of Keras' pool where its padding will do, else of ours."""

    def build(layer: Any, shape: Shape, **arguments: Any) -> Any:
        pads = layer.pads((shape[0], shape[1]))
        padding = _keras_padding(layer, shape)
        if padding is not None:
            return theirs(layer.kernel, layer.strides, padding, **arguments)
        return ours(
            pool_size=layer.kernel, strides=layer.strides, pads=pads, **arguments
        )

    return build


def _upsample(layer: pl.Upsample2D, shape: Shape, **arguments: Any) -> Any:
    del shape
    if layer.mode == "bilinear":
        return modules.Bilinear(layer.factors, **arguments)
    return keras.layers.UpSampling2D(layer.factors, **arguments)


def _activation(function: Any) -> Callable[..., Any]:
    return lambda layer, shape, **arguments: keras.layers.Activation(
        function, **arguments
    )


_BUILDERS: dict[type[Layer], Callable[..., Any]] = {
    pl.Add: lambda layer, *shapes, **a: keras.layers.Add(**a),
    pl.AvgPool2D: _pool(keras.layers.AveragePooling2D, modules.AvgPool2D),
    pl.BatchNorm: lambda layer, shape, **a: keras.layers.BatchNormalization(
        momentum=layer.momentum, epsilon=layer.epsilon, **a
    ),
    pl.Concat: lambda layer, *shapes, **a: keras.layers.Concatenate(axis=-1, **a),
    pl.Conv2D: _convolution,
    pl.ConvTranspose2D: _transposed,
    pl.Dense: lambda layer, shape, **a: keras.layers.Dense(
        layer.units, use_bias=layer.bias, **a
    ),
    pl.Dropout: lambda layer, shape, **a: modules.Dropout(layer.rate, **a),
    pl.Flatten: lambda layer, shape, **a: keras.layers.Flatten(**a),
    pl.GELU: _activation(modules.gelu),
    pl.GlobalAvgPool2D: lambda layer, shape, **a: keras.layers.GlobalAveragePooling2D(
        **a
    ),
    pl.LayerNorm: lambda layer, shape, **a: keras.layers.LayerNormalization(
        epsilon=layer.epsilon, **a
    ),
    pl.LeakyReLU: lambda layer, shape, **a: modules.LeakyReLU(layer.slope, **a),
    pl.LocalResponseNorm: lambda layer, shape, **a: modules.LocalResponseNorm(
        reach=layer.reach(shape[-1]),
        offset=layer.bias,
        share=layer.alpha / layer.size,
        beta=layer.beta,
        **a,
    ),
    pl.MaxPool2D: _pool(keras.layers.MaxPooling2D, modules.MaxPool2D),
    pl.ReLU: lambda layer, shape, **a: keras.layers.ReLU(**a),
    pl.SiLU: _activation("silu"),
    pl.Sigmoid: _activation("sigmoid"),
    pl.Softmax: lambda layer, shape, **a: keras.layers.Softmax(axis=-1, **a),
    pl.Tanh: _activation("tanh"),
    pl.Upsample2D: _upsample,
    pl.ZeroPad2D: lambda layer, shape, **a: keras.layers.ZeroPadding2D(
        layer.sides, **a
    ),
}

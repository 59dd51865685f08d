"""Keras layers of a network, and their connection to a functional model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pellucid.engines.framework_layers.keras import CALLS
from pellucid.engines.registry import unsupported_layer
from pellucid.engines.tensorflow import modules
from pellucid.engines.tensorflow.fake_quantized import round_kernel
from pellucid.engines.tensorflow.imports import keras
from pellucid.engines.tensorflow.pointwise import Pointwise
from pellucid.engines.tensorflow.recurrent import recurrent
from pellucid.network import Network, Node
from pellucid.network import layers as pl
from pellucid.network.layers import Layer, Rearrangement, Shape, find_entry

Tensors = dict[str, Any]


def keras_layers(
    network: Network, policy: Any, *, is_distributed: bool = False
) -> dict[str, Any]:
    """Return a Keras layer per node, with the node's name; one for nodes that share.

    ``is_distributed``: the batch lies in several processes, and batch norms take the
    statistics of the whole.
    """
    made = {}
    for node in network.nodes:
        if isinstance(node.layer, pl.Input):
            continue
        shapes = network.input_shapes(node)
        if node.weights_of is not None:
            _check_can_share(network, node)
            continue
        fake = node.layer if isinstance(node.layer, pl.FakeQuantized) else None
        described = node.layer if fake is None else fake.operation
        is_own = pl.is_own(described)
        build = modules.OwnLayer if is_own else find_entry(_BUILDERS, described)
        layer = build(described, *shapes, name=node.name, dtype=policy)
        if fake is not None:
            round_kernel(layer, fake)
        # a frozen BatchNormalization also keeps to its running statistics
        layer.trainable = getattr(node.layer, "trainable", True)
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.synchronized = is_distributed
        made[node.name] = layer
    return made


def _check_can_share(network: Network, node: Node) -> None:
    """Refuse a layer of ours that would be called on images of two sizes.

    It is made for one size; Keras' own layers take any.
    """
    layer, owner = node.layer, network.node(node.owner)
    if not isinstance(layer, pl.Conv2D | pl.ConvTranspose2D):
        return
    mine, first = network.input_shapes(node)[0], network.input_shapes(owner)[0]
    build = _OWN_BUILDERS[type(layer)]
    own = build(layer, first, name=f"{owner.name}_look").__class__.__module__
    if mine != first and own == modules.__name__:
        raise unsupported_layer(
            "tensorflow",
            layer.who,
            f"it shares weights with '{owner.name}' on images of another size, "
            "with padding or strides that Keras lacks",
        )


def connect(
    network: Network,
    layers: Mapping[str, Any],
    images: Sequence[Any],
    masks: Mapping[str, Any],
) -> Tensors:
    """Return every node's symbolic value; the layers may be connected repeatedly."""
    values = dict(zip(network.inputs, images, strict=True))
    for node in network.nodes:
        if isinstance(node.layer, pl.Input):
            continue
        inputs = [values[source] for source in node.inputs]
        given = {"keep": masks[node.name]} if node.name in masks else {}
        layer = layers[node.owner]
        values[node.name] = layer(inputs[0] if len(inputs) == 1 else inputs, **given)
    return values


class OrderedModel(keras.Model):  # type: ignore[misc]
    """Layers called in the network's order, which a functional model does not keep.

    For norms that stand at several places: their statistics move once at each.
    """

    def __init__(
        self,
        network: Network,
        layers: Mapping[str, Any],
        mask_names: Sequence[str],
        keep: Sequence[str],
    ) -> None:
        super().__init__(autocast=False)  # float64 stays what it is
        self._network, self._keep = network, tuple(keep)
        self._mask_names = tuple(mask_names)
        self._made = dict(layers)

    def call(self, inputs: Sequence[Any]) -> Tensors:
        """Return the values of the nodes to keep; masks come after the images."""
        count = len(self._network.inputs)
        masks = dict(zip(self._mask_names, inputs[count:], strict=True))
        values = connect(self._network, self._made, inputs[:count], masks)
        return {name: values[name] for name in self._keep}


def has_shared_norm(network: Network) -> bool:
    """Whether a batch norm stands at several places."""
    return any(
        isinstance(network.node(owner).layer, pl.BatchNorm) for owner in network.shared
    )


def _native(layer: Layer, *shapes: Shape, **arguments: Any) -> Any:
    """Return Keras' own layer, as the table of layers has it."""
    call = CALLS[type(layer)](layer, shapes[0])
    return getattr(keras.layers, call.name)(**call.arguments, **arguments)


def _pointwise(layer: pl.Pointwise, shape: Shape, **arguments: Any) -> Any:
    return Pointwise(layer.expression, layer.derivative, **arguments)


def _convolution(layer: pl.Conv2D, shape: Shape, **arguments: Any) -> Any:
    call = CALLS[pl.Conv2D](layer, shape)
    is_both = max(layer.strides) > 1 and max(layer.dilations) > 1
    if call.pads is None and not is_both:
        return _native(layer, shape, **arguments)
    return modules.Conv2D(
        layer.out_channels,
        kernel_size=layer.kernel,
        strides=layer.strides,
        dilation_rate=layer.dilations,
        groups=layer.groups,
        use_bias=layer.bias,
        pads=layer.pads((shape[0], shape[1])),
        shape=layer.output_shape(shape),
        **arguments,
    )


def _convolution_1d(layer: pl.Conv1D, shape: Shape, **arguments: Any) -> Any:
    return modules.Conv1D(
        layer.out_channels,
        kernel_size=layer.kernel_size,
        strides=layer.stride,
        dilation_rate=layer.dilation,
        groups=layer.groups,
        use_bias=layer.bias,
        sides=layer.sides(shape[0]),
        shape=layer.output_shape(shape),
        **arguments,
    )


def _pool_1d(kind: str) -> Callable[..., Any]:
    def build(layer: Any, shape: Shape, **arguments: Any) -> Any:
        return modules.Pool1D(
            kind,
            pool_size=layer.kernel_size,
            strides=layer.stride,
            sides=layer.sides(shape[0]),
            **arguments,
        )

    return build


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


def _pool(ours: Any) -> Callable[..., Any]:
    """Return a builder of Keras' pool where its padding will do, else of ours."""

    def build(layer: Any, shape: Shape, **arguments: Any) -> Any:
        pads = CALLS[type(layer)](layer, shape).pads
        if pads is None:
            return _native(layer, shape, **arguments)
        return ours(
            pool_size=layer.kernel, strides=layer.strides, pads=pads, **arguments
        )

    return build


def _upsample(layer: pl.Upsample2D, shape: Shape, **arguments: Any) -> Any:
    if layer.mode == "bilinear":
        return modules.Bilinear(layer.factors, **arguments)
    return _native(layer, shape, **arguments)


def _resize(layer: pl.Resize, shape: Shape, **arguments: Any) -> Any:
    del shape
    names = ("size", "scale", "mode", "coordinates", "rounding", "cubic")
    return modules.Resize({name: getattr(layer, name) for name in names}, **arguments)


def _rearrange(layer: Rearrangement, shape: Shape, **arguments: Any) -> Any:
    steps = [modules.step_numbers(step) for step in layer.steps(shape)]
    return modules.Rearrange(steps, **arguments)


#: layers that Keras lacks, or computes otherwise; the others are in the table
_OWN_BUILDERS: dict[type[Layer], Callable[..., Any]] = {
    pl.AvgPool2D: _pool(modules.AvgPool2D),
    pl.Rearrangement: _rearrange,
    pl.Conv2D: _convolution,
    pl.ConvTranspose2D: _transposed,
    pl.Dropout: lambda layer, shape, **a: modules.Dropout(layer.rate, **a),
    pl.GELU: lambda layer, shape, **a: keras.layers.Activation(modules.gelu, **a),
    pl.Recurrent: recurrent,
    pl.GlobalMaxPool2D: lambda layer, shape, **a: modules.GlobalMaxPool2D(**a),
    pl.L2Normalize: lambda layer, shape, **a: modules.L2Normalize(layer.epsilon, **a),
    pl.LeakyReLU: lambda layer, shape, **a: modules.LeakyReLU(layer.slope, **a),
    pl.LocalResponseNorm: lambda layer, shape, **a: modules.LocalResponseNorm(
        reach=layer.reach(shape[-1]),
        offset=layer.bias,
        share=layer.alpha / layer.size,
        beta=layer.beta,
        **a,
    ),
    pl.MatMul: lambda layer, *shapes, **a: modules.MatMul(
        transpose_a=layer.transpose_a,
        transpose_b=layer.transpose_b,
        scale=layer.scale,
        **a,
    ),
    pl.MaxPool2D: _pool(modules.MaxPool2D),
    pl.Parameter: lambda layer, shape, **a: modules.Parameter(layer.sizes, **a),
    pl.Pointwise: _pointwise,
    pl.PReLU: lambda layer, shape, **a: modules.PReLU(layer.shared, **a),
    pl.Rescale: lambda layer, shape, **a: modules.Rescale(
        layer.scale, layer.offset, **a
    ),
    pl.Resize: _resize,
    pl.Upsample2D: _upsample,
    pl.AvgPool1D: _pool_1d("avg"),
    pl.Conv1D: _convolution_1d,
    pl.MaxPool1D: _pool_1d("max"),
}
#: all builders: ours, then Keras' own
_BUILDERS = dict.fromkeys(CALLS, _native) | _OWN_BUILDERS

"""Write products of two values, and arrays of weights, in Keras."""

from __future__ import annotations

from math import prod

from pellucid.exchange.keras.entry import Entry, Source
from pellucid.exchange.keras.write_context import WriteContext

_NUMPY = "keras.src.ops.numpy"


def write_matmul(context: WriteContext) -> None:
    """Write the operation, its operands permuted and stretched by layers before it."""
    layer, rank = context.layer, max(map(len, context.shapes))
    sources, flags = context.inputs, (layer.transpose_a, layer.transpose_b)
    sides: list[Source] = []
    for i, (source, shape, flag) in enumerate(
        zip(sources, context.shapes, flags, strict=True)
    ):
        context.inputs = (source,)
        name = f"{context.node.name}_input_{i}"
        if flag:
            own = len(shape)
            dims = [*range(1, own - 1), own, own - 1]
            shape = (*shape[:-2], shape[-1], shape[-2])
            context.add_layer("Permute", name=f"{name}_turned", shape=shape, dims=dims)
        if len(shape) < rank:
            shape = (1,) * (rank - len(shape)) + shape
            to = list(shape)
            context.add_layer("Reshape", name=name, shape=shape, target_shape=to)
        if not i and layer.scale != 1:
            name = f"{context.node.name}_scaled"
            how = {"scale": layer.scale, "offset": 0.0}
            context.add_layer("Rescaling", name=name, shape=shape, **how)
        sides += context.inputs
    context.inputs = tuple(sides)
    _add_operation(context, "Matmul", context.node.name, context.shape)


def write_parameter(context: WriteContext) -> None:
    """Write an Embedding of one row, looked up for each example by a zero."""
    name, size = context.node.name, prod(context.shapes[0])
    add, value = context.add_layer, context.weights["value"]
    add("Reshape", name=f"{name}_column", shape=(size, 1), target_shape=[size, 1])
    add(
        "GlobalAveragePooling1D",
        name=f"{name}_count",
        shape=(1,),
        data_format="channels_last",
        keepdims=False,
    )
    _add_operation(context, "ZerosLike", f"{name}_index", (1,))
    add(
        "Embedding",
        value.reshape(1, -1),
        name=f"{name}_value",
        shape=(1, value.size),
        input_dim=1,
        output_dim=value.size,
        mask_zero=False,
        trainable=context.layer.trainable,
    )
    add("Reshape", target_shape=list(value.shape))


def _add_operation(
    context: WriteContext, kind: str, name: str, shape: tuple[int, ...]
) -> None:
    entry = Entry(
        kind=kind,
        name=name,
        config={},
        calls=[context.inputs],
        shapes=[shape],
        module=_NUMPY,
    )
    context.entries.append(entry)
    context.inputs = (Source(name),)

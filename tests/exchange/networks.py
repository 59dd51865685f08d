"""Networks that every format is tried on: one a kind of layer."""

from __future__ import annotations

from collections.abc import Callable

import pellucid as pl
from pellucid.network.layers import Value

IMAGE = (9, 7, 4)


def image_then(*layers: pl.Layer, shape: tuple[int, ...] = IMAGE) -> pl.Network:
    return pl.Sequential(pl.Input(*shape), *layers, name="case")


def _branches() -> pl.Network:
    image = pl.Input(*IMAGE)
    x = pl.Conv2D(4, kernel_size=3, padding="same")(image)
    y = pl.ReLU()(x)
    joined = pl.Concat()(pl.Add()(image, x, y), y)
    return pl.Network(inputs=image, outputs=pl.Dense(3)(pl.GlobalAvgPool2D()(joined)))


def _gated(kind: type[pl.Layer]) -> pl.Network:
    """Squeeze-and-excitation: a number per channel; and one per pixel."""
    image = pl.Input(*IMAGE)
    x = pl.Conv2D(6, kernel_size=3, padding="same")(image)
    y = pl.Dense(6, activation="sigmoid")(pl.GlobalAvgPool2D()(x))
    z = kind()(x, y)
    return pl.Network(
        inputs=image, outputs=kind()(pl.Conv2D(1, kernel_size=1)(z), pl.Tanh()(z))
    )


def _combined(kind: type[pl.Layer]) -> pl.Network:
    """Three values of three shapes, the smallest first."""
    image = pl.Input(*IMAGE)
    row = pl.AvgPool2D((9, 1))(image)
    return pl.Network(
        inputs=image, outputs=kind()(row, pl.AvgPool2D((9, 7))(image), image)
    )


def _composed() -> pl.Network:
    """Reductions, padding modes and pools that are composed of layers."""
    image = pl.Input(*IMAGE)
    x = pl.Pad2D(((2, 1), (0, 2)), mode="reflect")(image)
    y = pl.Pad2D(1, value=0.5)(pl.AdaptiveMaxPool2D((5, 4))(x))
    z = pl.ReduceMin(-1, keepdims=True)(pl.Pad2D(2, mode="edge")(y))
    mean = pl.ReduceMean(axis=(0, 2))(x)
    return pl.Network(
        inputs=image,
        outputs=pl.Concat()(pl.Flatten()(pl.AdaptiveAvgPool2D(2)(z)), mean),
    )


def _flat_branches() -> pl.Network:
    """Two readers of one Flatten: no dense layer can take its order on."""
    image = pl.Input(*IMAGE)
    flat = pl.Flatten()(image)
    left, right = pl.Dense(5)(flat), pl.Dense(5)(pl.ReLU()(flat))
    return pl.Network(inputs=image, outputs=pl.Add()(left, right))


def _vectors() -> pl.Network:
    x: pl.Input | Value = pl.Input(12)
    y = pl.LayerNorm()(pl.BatchNorm()(pl.Dense(8, bias=False)(x)))
    z = pl.Concat()(pl.Tanh()(y), pl.SiLU()(y), pl.GELU()(y))
    return pl.Network(inputs=x, outputs=pl.Softmax()(pl.Dense(5)(z)))


def _boxes() -> pl.Network:
    """Two scales of a detection head, joined along the boxes."""
    image = pl.Input(*IMAGE)
    x = pl.Conv2D(6, kernel_size=3, padding="same")(image)
    y = pl.Conv2D(6, kernel_size=3, stride=2, padding="same")(x)
    rows = [pl.Reshape((-1, 3))(value) for value in (x, y)]
    return pl.Network(inputs=image, outputs=pl.Sigmoid()(pl.Concat(axis=0)(*rows)))


def _attention() -> pl.Network:
    """A small vision transformer: a class token, positions, self-attention."""
    image = pl.Input(*IMAGE)
    x = pl.Reshape((-1, 8))(pl.Conv2D(8, kernel_size=2, stride=2)(image))
    token = pl.Parameter((1, 8), pl.Normal(0.5))(image)
    x = pl.Concat(axis=0)(token, x)
    x = pl.Add()(x, pl.Parameter((13, 8), pl.Normal(0.5))(x))
    x = pl.Add()(x, pl.MultiHeadAttention(2)(pl.LayerNorm()(x)))
    x = pl.Reshape(-1)(pl.Slice(0, 1, axis=0)(x))
    return pl.Network(inputs=image, outputs=pl.Dense(3)(x))


def _cross_attention() -> pl.Network:
    """Products of images, one for many, and attention to another value."""
    image = pl.Input(*IMAGE)
    rows = pl.MatMul(transpose_b=True, scale=0.5)(image, pl.Tanh()(image))
    column = pl.AvgPool2D((9, 1))(image)
    turned = pl.MatMul(transpose_a=True)(image, pl.Conv2D(5, kernel_size=1)(image))
    one = pl.Reshape((7, 4))(column)
    spread = pl.MatMul()(image, pl.Permute((1, 0))(one))
    key = pl.Reshape((-1, 5))(turned)
    x = pl.MultiHeadAttention(2, head_size=3, units=6, bias=False)(one, key)
    shift = pl.Parameter((9, 7, 7), pl.Normal(0.5))(image)
    y = pl.Add()(rows, spread, shift)
    return pl.Network(
        inputs=image, outputs=pl.Concat()(pl.Flatten()(x), pl.Flatten()(y))
    )


def _split(axis: int) -> pl.Network:
    image = pl.Input(*IMAGE)
    first, second = pl.Split((2, IMAGE[axis] - 2), axis=axis)(image)
    joined = pl.Concat(axis=axis)(pl.Tanh()(second), first, second)
    return pl.Network(
        inputs=image, outputs=pl.Conv2D(3, kernel_size=2, padding="same")(joined)
    )


CASES: dict[str, Callable[[], pl.Network]] = {
    "attention": _attention,
    "attention_cross": _cross_attention,
    "add_stretched": lambda: _gated(pl.Add),
    "add_three": lambda: _combined(pl.Add),
    "avg_pool": lambda: image_then(pl.AvgPool2D(2)),
    "avg_pool_same": lambda: image_then(pl.AvgPool2D(3, stride=2, padding="same")),
    "avg_pool_uneven": lambda: image_then(
        pl.AvgPool2D(3, stride=2, padding=((0, 2), (2, 1)))
    ),
    "batch_norm": lambda: image_then(pl.BatchNorm(epsilon=1e-3, momentum=0.8)),
    "boxes": _boxes,
    "branches": _branches,
    "clip": lambda: image_then(pl.Clip(-1, 2)),
    "composed": _composed,
    "conv": lambda: image_then(pl.Conv2D(5, kernel_size=(3, 2), stride=(2, 1))),
    "conv_1d": lambda: image_then(
        pl.Conv1D(6, 3, padding=1),
        pl.ReLU(),
        pl.Conv1D(4, 3, dilation=2),
        pl.Conv1D(6, 2, stride=2, groups=2),
        pl.GlobalAvgPool1D(),
        pl.Dense(3),
        shape=(16, 4),
    ),
    "pools_1d": lambda: image_then(
        pl.Conv1D(4, 3, padding="same", bias=False),
        pl.MaxPool1D(2),
        pl.AvgPool1D(2),
        pl.Flatten(),
        pl.Dense(3),
        shape=(16, 4),
    ),
    "recurrent": lambda: image_then(
        pl.Bidirectional(pl.LSTM(3, return_sequences=True)),
        pl.SimpleRNN(3, bias=False, return_sequences=True),
        pl.GRU(4, reset_after=False, reverse=True),
        pl.Dense(3),
        shape=(4, 3),
    ),
    "recurrent_gru": lambda: image_then(
        pl.GRU(4, return_sequences=True), pl.Dense(3), shape=(4, 3)
    ),
    "conv_depthwise": lambda: image_then(
        pl.Conv2D(8, kernel_size=3, groups=4, padding="same")
    ),
    "conv_dilated": lambda: image_then(pl.Conv2D(3, kernel_size=3, dilation=(3, 2))),
    "conv_grouped": lambda: image_then(pl.Conv2D(6, kernel_size=3, groups=2)),
    "conv_same_stride": lambda: image_then(
        pl.Conv2D(3, kernel_size=4, stride=2, padding="same")
    ),
    "conv_transpose": lambda: image_then(
        pl.ConvTranspose2D(3, kernel_size=3, stride=2)
    ),
    "conv_transpose_cropped": lambda: image_then(
        pl.ConvTranspose2D(3, kernel_size=4, stride=2, padding=((1, 2), (0, 1)))
    ),
    "conv_transpose_extended": lambda: image_then(
        pl.ConvTranspose2D(3, kernel_size=3, stride=2, padding=1, output_padding=1)
    ),
    "conv_transpose_grouped": lambda: image_then(
        pl.ConvTranspose2D(6, kernel_size=3, stride=2, groups=2)
    ),
    "conv_transpose_same": lambda: image_then(
        pl.ConvTranspose2D(3, kernel_size=3, stride=2, padding="same")
    ),
    "conv_uneven": lambda: image_then(
        pl.Conv2D(3, kernel_size=3, padding=((1, 2), (0, 1)))
    ),
    "dense_on_pixels": lambda: image_then(pl.Dense(3)),
    "dropout": lambda: image_then(pl.Flatten(), pl.Dropout(0.3), pl.Dense(3)),
    "elu": lambda: image_then(pl.ELU()),
    "flat_branches": _flat_branches,
    "flatten": lambda: image_then(pl.Flatten()),
    "flatten_relu_dense": lambda: image_then(pl.Flatten(), pl.ReLU(), pl.Dense(3)),
    "global_avg_pool": lambda: image_then(pl.GlobalAvgPool2D()),
    "global_max_pool": lambda: image_then(pl.GlobalMaxPool2D()),
    "group_norm": lambda: image_then(pl.GroupNorm(2, epsilon=1e-3)),
    "hard_sigmoid": lambda: image_then(pl.HardSigmoid()),
    "hard_swish": lambda: image_then(pl.HardSwish()),
    "instance_norm": lambda: image_then(pl.InstanceNorm()),
    "l2_normalize": lambda: image_then(pl.L2Normalize()),
    "layer_norm_on_pixels": lambda: image_then(pl.LayerNorm(epsilon=1e-3)),
    "leaky_relu": lambda: image_then(pl.LeakyReLU(0.2)),
    "local_response_norm": lambda: image_then(
        pl.Conv2D(8, kernel_size=1), pl.LocalResponseNorm(size=5, alpha=0.9)
    ),
    "local_response_norm_wide": lambda: image_then(
        pl.LocalResponseNorm(size=11, alpha=2.0, beta=1.25, bias=0.5)
    ),
    "log_softmax": lambda: image_then(
        pl.LogSoftmax(), pl.Flatten(), pl.LogSoftmax(), pl.Dense(3), pl.LogSoftmax()
    ),
    "max_pool": lambda: image_then(pl.MaxPool2D(2)),
    "max_pool_same": lambda: image_then(pl.MaxPool2D(3, stride=2, padding="same")),
    "max_pool_uneven": lambda: image_then(
        pl.MaxPool2D(3, stride=2, padding=((0, 2), (2, 1)))
    ),
    "maximum": lambda: _gated(pl.Maximum),
    "maximum_three": lambda: _combined(pl.Maximum),
    "multiply": lambda: _gated(pl.Multiply),
    "multiply_three": lambda: _combined(pl.Multiply),
    "permute": lambda: image_then(pl.Permute((1, 2, 0))),
    "permute_tokens": lambda: image_then(
        pl.Reshape((3, 3, 7, 4)), pl.Permute((3, 0, 2, 1)), pl.Flatten(), pl.Dense(3)
    ),
    "channel_shuffle": lambda: image_then(pl.ChannelShuffle(2)),
    "crop": lambda: image_then(pl.Crop2D(((1, 2), (0, 3)))),
    "depth_to_space": lambda: image_then(pl.DepthToSpace(2)),
    "depth_to_space_crd": lambda: image_then(pl.DepthToSpace(2, order="CRD")),
    "pad_channels": lambda: image_then(pl.PadChannels(1, 2)),
    "pad_rows": lambda: image_then(pl.Reshape((-1, 4)), pl.PadChannels(2, 1)),
    "space_to_depth": lambda: image_then(
        pl.ZeroPad2D(((1, 0), (0, 1))), pl.SpaceToDepth(2)
    ),
    "space_to_depth_crd": lambda: image_then(
        pl.Crop2D(((1, 0), (0, 1))), pl.SpaceToDepth(2, order="CRD")
    ),
    "reshape_to_image": lambda: image_then(
        pl.Reshape((6, 7, 6)), pl.Conv2D(3, kernel_size=2)
    ),
    "reshape_to_row": lambda: image_then(pl.Reshape(-1), pl.Dense(3)),
    "prelu": lambda: image_then(pl.PReLU()),
    "prelu_shared": lambda: image_then(pl.PReLU(shared=True)),
    "relu6": lambda: image_then(pl.ReLU6()),
    "rescale": lambda: image_then(pl.Rescale(1 / 255, -0.5), pl.Conv2D(2, 3)),
    "rescale_channels": lambda: image_then(
        pl.Rescale((1.0, 0.1, 3.0, -2.0), (0.0, 1.0, -1.0, 0.3)), pl.Conv2D(2, 3)
    ),
    "resize": lambda: image_then(pl.Resize((13, 5), mode="bilinear")),
    "resize_bicubic": lambda: image_then(pl.Resize((13, 5), mode="bicubic")),
    "resize_exact": lambda: image_then(
        pl.Resize((13, 5), rounding="round_prefer_ceil")
    ),
    "sigmoid": lambda: image_then(pl.Sigmoid()),
    "slice": lambda: image_then(
        pl.Slice((1, 2, 0), (None, -1, 3), (3, 1, 1), axis=(0, 1, 2))
    ),
    "slice_rows": lambda: image_then(
        pl.Reshape((-1, 4)), pl.Slice((3, 1), axis=(0, 1)), pl.Dense(2)
    ),
    "softmax_on_pixels": lambda: image_then(pl.Softmax()),
    "split_channels": lambda: _split(2),
    "split_columns": lambda: _split(1),
    "split_rows": lambda: _split(0),
    "subtract": lambda: _gated(pl.Subtract),
    "upsample_bilinear": lambda: image_then(pl.Upsample2D((2, 3), mode="bilinear")),
    "upsample_nearest": lambda: image_then(pl.Upsample2D((2, 3))),
    "vectors": _vectors,
    "zero_pad": lambda: image_then(pl.ZeroPad2D(((1, 2), (0, 3)))),
}

"""The layers of this engine: description → forward pass with derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.engines.numpy.layers.activation import (
    gelu,
    leaky_relu,
    relu,
    sigmoid,
    silu,
    softmax,
    tanh,
)
from pellucid.engines.numpy.layers.channelwise import prelu, rescale
from pellucid.engines.numpy.layers.conv import conv2d, conv_transpose2d
from pellucid.engines.numpy.layers.dense import dense
from pellucid.engines.numpy.layers.dropout import dropout
from pellucid.engines.numpy.layers.forward import Forward, Mode
from pellucid.engines.numpy.layers.geometry import flatten, upsample2d, zero_pad2d
from pellucid.engines.numpy.layers.local_response_norm import local_response_norm
from pellucid.engines.numpy.layers.merge import (
    add,
    concat,
    maximum,
    multiply,
    subtract,
)
from pellucid.engines.numpy.layers.normalization import (
    batch_norm,
    group_norm,
    l2_normalize,
    layer_norm,
)
from pellucid.engines.numpy.layers.pool import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from pellucid.engines.numpy.layers.rearrange import (
    channel_shuffle,
    crop2d,
    depth_to_space,
    pad_channels,
    permute,
    reshape,
    slice_,
    space_to_depth,
)

FORWARD: dict[str, Callable[..., Forward]] = {
    "Add": add,
    "AvgPool2D": avg_pool2d,
    "BatchNorm": batch_norm,
    "ChannelShuffle": channel_shuffle,
    "Concat": concat,
    "Conv2D": conv2d,
    "ConvTranspose2D": conv_transpose2d,
    "Crop2D": crop2d,
    "Dense": dense,
    "DepthToSpace": depth_to_space,
    "Dropout": dropout,
    "Flatten": flatten,
    "GELU": gelu,
    "GlobalAvgPool2D": global_avg_pool2d,
    "GlobalMaxPool2D": global_max_pool2d,
    "GroupNorm": group_norm,
    "InstanceNorm": group_norm,
    "L2Normalize": l2_normalize,
    "LayerNorm": layer_norm,
    "LeakyReLU": leaky_relu,
    "LocalResponseNorm": local_response_norm,
    "MaxPool2D": max_pool2d,
    "Maximum": maximum,
    "Multiply": multiply,
    "PadChannels": pad_channels,
    "PReLU": prelu,
    "Permute": permute,
    "ReLU": relu,
    "Rescale": rescale,
    "Reshape": reshape,
    "SiLU": silu,
    "Sigmoid": sigmoid,
    "Slice": slice_,
    "Softmax": softmax,
    "SpaceToDepth": space_to_depth,
    "Subtract": subtract,
    "Tanh": tanh,
    "Upsample2D": upsample2d,
    "ZeroPad2D": zero_pad2d,
}


def run(layer: Any, inputs: Any, weights: Any, mode: Mode) -> Forward:
    """Run one layer of a network that was checked when it was made."""
    return FORWARD[type(layer).__name__](layer, inputs, weights, mode)


__all__ = ["FORWARD", "Forward", "Mode", "run"]

"""The layers' arithmetic at one place: a description and its inputs in, steps out."""

from __future__ import annotations

from collections.abc import Callable

from pellucid.explain.layers.activation import activation, softmax
from pellucid.explain.layers.channelwise import prelu, rescale
from pellucid.explain.layers.conv import conv2d, conv_transpose2d
from pellucid.explain.layers.dense import dense
from pellucid.explain.layers.geometry import dropout, flatten, upsample2d, zero_pad2d
from pellucid.explain.layers.merge import (
    add,
    concat,
    maximum,
    multiply,
    subtract,
)
from pellucid.explain.layers.normalization import (
    batch_norm,
    group_norm,
    l2_normalize,
    layer_norm,
    local_response_norm,
)
from pellucid.explain.layers.pool import (
    avg_pool2d,
    global_avg_pool2d,
    global_max_pool2d,
    max_pool2d,
)
from pellucid.explain.layers.rearrange import rearranged
from pellucid.explain.values import Calculation, ElementContext

CALCULATIONS: dict[str, Callable[[ElementContext], Calculation]] = {
    "Add": add,
    "AvgPool2D": avg_pool2d,
    "BatchNorm": batch_norm,
    "ChannelShuffle": rearranged,
    "Concat": concat,
    "Conv2D": conv2d,
    "ConvTranspose2D": conv_transpose2d,
    "Crop2D": rearranged,
    "Dense": dense,
    "DepthToSpace": rearranged,
    "Dropout": dropout,
    "Flatten": flatten,
    "GELU": activation,
    "GlobalAvgPool2D": global_avg_pool2d,
    "GlobalMaxPool2D": global_max_pool2d,
    "GroupNorm": group_norm,
    "InstanceNorm": group_norm,
    "L2Normalize": l2_normalize,
    "LayerNorm": layer_norm,
    "LeakyReLU": activation,
    "LocalResponseNorm": local_response_norm,
    "MaxPool2D": max_pool2d,
    "Maximum": maximum,
    "Multiply": multiply,
    "PadChannels": rearranged,
    "PReLU": prelu,
    "Permute": rearranged,
    "ReLU": activation,
    "Rescale": rescale,
    "Reshape": rearranged,
    "SiLU": activation,
    "Sigmoid": activation,
    "Slice": rearranged,
    "Softmax": softmax,
    "SpaceToDepth": rearranged,
    "Subtract": subtract,
    "Tanh": activation,
    "Upsample2D": upsample2d,
    "ZeroPad2D": zero_pad2d,
}

__all__ = ["CALCULATIONS"]

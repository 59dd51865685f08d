"""The layer descriptions, and the table that names them."""

from pellucid.network.layers.activation import (
    GELU,
    LeakyReLU,
    ReLU,
    Sigmoid,
    SiLU,
    Softmax,
    Tanh,
)
from pellucid.network.layers.base import Layer, Shape, Value, WeightSpec
from pellucid.network.layers.channelwise import PReLU, Rescale
from pellucid.network.layers.conv import Conv2D, ConvTranspose2D
from pellucid.network.layers.dense import Dense
from pellucid.network.layers.dropout import Dropout
from pellucid.network.layers.geometry import Flatten, Upsample2D, ZeroPad2D
from pellucid.network.layers.input import Input
from pellucid.network.layers.merge import (
    Add,
    Arithmetic,
    Concat,
    Maximum,
    Multiply,
    Subtract,
)
from pellucid.network.layers.normalization import (
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    L2Normalize,
    LayerNorm,
    LocalResponseNorm,
    PerImageNorm,
)
from pellucid.network.layers.pool import (
    AvgPool2D,
    GlobalAvgPool2D,
    GlobalMaxPool2D,
    MaxPool2D,
)
from pellucid.network.layers.rearrange import (
    Permute,
    Rearrangement,
    Reshape,
    Slice,
    Split,
)
from pellucid.network.layers.rearrange_image import (
    ChannelShuffle,
    Crop2D,
    DepthToSpace,
    PadChannels,
    SpaceToDepth,
)

LAYERS: dict[str, type[Layer]] = {
    kind.__name__: kind
    for kind in (
        Add,
        AvgPool2D,
        BatchNorm,
        ChannelShuffle,
        Concat,
        Conv2D,
        ConvTranspose2D,
        Crop2D,
        Dense,
        DepthToSpace,
        Dropout,
        Flatten,
        GELU,
        GlobalAvgPool2D,
        GlobalMaxPool2D,
        GroupNorm,
        Input,
        InstanceNorm,
        L2Normalize,
        LayerNorm,
        LeakyReLU,
        LocalResponseNorm,
        MaxPool2D,
        Maximum,
        Multiply,
        PadChannels,
        PReLU,
        Permute,
        ReLU,
        Rescale,
        Reshape,
        SiLU,
        Sigmoid,
        Slice,
        Softmax,
        SpaceToDepth,
        Subtract,
        Tanh,
        Upsample2D,
        ZeroPad2D,
    )
}

__all__ = [
    "GELU",
    "LAYERS",
    "Add",
    "Arithmetic",
    "AvgPool2D",
    "BatchNorm",
    "ChannelShuffle",
    "Concat",
    "Conv2D",
    "ConvTranspose2D",
    "Crop2D",
    "Dense",
    "DepthToSpace",
    "Dropout",
    "Flatten",
    "GlobalAvgPool2D",
    "GlobalMaxPool2D",
    "GroupNorm",
    "Input",
    "InstanceNorm",
    "L2Normalize",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LocalResponseNorm",
    "MaxPool2D",
    "Maximum",
    "Multiply",
    "PReLU",
    "PadChannels",
    "PerImageNorm",
    "Permute",
    "ReLU",
    "Rearrangement",
    "Rescale",
    "Reshape",
    "Shape",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Split",
    "Subtract",
    "Tanh",
    "Upsample2D",
    "Value",
    "WeightSpec",
    "ZeroPad2D",
]

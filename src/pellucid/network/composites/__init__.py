"""What is composed of layers: reductions, padding modes, adaptive pools, and others."""

from pellucid.network.composites.attention import MultiHeadAttention
from pellucid.network.composites.base import Composer, Composite
from pellucid.network.composites.bidirectional import Bidirectional
from pellucid.network.composites.padding import Pad1D, Pad2D
from pellucid.network.composites.pools import (
    AdaptiveAvgPool1D,
    AdaptiveAvgPool2D,
    AdaptiveMaxPool1D,
    AdaptiveMaxPool2D,
    DilatedMaxPool1D,
    DilatedMaxPool2D,
    GlobalMaxPool1D,
)
from pellucid.network.composites.reduce import (
    ReduceL1,
    ReduceL2,
    ReduceLogSumExp,
    ReduceMax,
    ReduceMean,
    ReduceMin,
    ReduceSum,
    ReduceSumSquare,
    ReduceVariance,
    Reduction,
)
from pellucid.network.composites.separable_conv import SeparableConv2D
from pellucid.network.composites.volumes import AvgPool3D, Conv3D, MaxPool3D

__all__ = [
    "AdaptiveAvgPool1D",
    "AdaptiveAvgPool2D",
    "AdaptiveMaxPool1D",
    "AdaptiveMaxPool2D",
    "AvgPool3D",
    "Bidirectional",
    "Composer",
    "Composite",
    "Conv3D",
    "DilatedMaxPool1D",
    "DilatedMaxPool2D",
    "GlobalMaxPool1D",
    "MaxPool3D",
    "MultiHeadAttention",
    "Pad1D",
    "Pad2D",
    "ReduceL1",
    "ReduceL2",
    "ReduceLogSumExp",
    "ReduceMax",
    "ReduceMean",
    "ReduceMin",
    "ReduceSum",
    "ReduceSumSquare",
    "ReduceVariance",
    "Reduction",
    "SeparableConv2D",
]

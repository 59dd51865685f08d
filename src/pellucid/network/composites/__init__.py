"""What is composed of layers: reductions, padding modes, adaptive pools, and others."""

from pellucid.network.composites.attention import (
    MultiHeadAttention as MultiHeadAttention,
)
from pellucid.network.composites.base import Composer as Composer
from pellucid.network.composites.base import Composite as Composite
from pellucid.network.composites.bidirectional import Bidirectional as Bidirectional
from pellucid.network.composites.conv_transpose1d import (
    ConvTranspose1D as ConvTranspose1D,
)
from pellucid.network.composites.padding import Pad1D as Pad1D
from pellucid.network.composites.padding import Pad2D as Pad2D
from pellucid.network.composites.pools import AdaptiveAvgPool1D as AdaptiveAvgPool1D
from pellucid.network.composites.pools import AdaptiveAvgPool2D as AdaptiveAvgPool2D
from pellucid.network.composites.pools import AdaptiveMaxPool1D as AdaptiveMaxPool1D
from pellucid.network.composites.pools import AdaptiveMaxPool2D as AdaptiveMaxPool2D
from pellucid.network.composites.pools import DilatedMaxPool1D as DilatedMaxPool1D
from pellucid.network.composites.pools import DilatedMaxPool2D as DilatedMaxPool2D
from pellucid.network.composites.pools import GlobalMaxPool1D as GlobalMaxPool1D
from pellucid.network.composites.reduce import ReduceL1 as ReduceL1
from pellucid.network.composites.reduce import ReduceL2 as ReduceL2
from pellucid.network.composites.reduce import ReduceLogSumExp as ReduceLogSumExp
from pellucid.network.composites.reduce import ReduceMax as ReduceMax
from pellucid.network.composites.reduce import ReduceMean as ReduceMean
from pellucid.network.composites.reduce import ReduceMin as ReduceMin
from pellucid.network.composites.reduce import ReduceSum as ReduceSum
from pellucid.network.composites.reduce import ReduceSumSquare as ReduceSumSquare
from pellucid.network.composites.reduce import ReduceVariance as ReduceVariance
from pellucid.network.composites.reduce import Reduction as Reduction
from pellucid.network.composites.separable_conv import (
    SeparableConv2D as SeparableConv2D,
)
from pellucid.network.composites.volumes import AvgPool3D as AvgPool3D
from pellucid.network.composites.volumes import Conv3D as Conv3D
from pellucid.network.composites.volumes import MaxPool3D as MaxPool3D

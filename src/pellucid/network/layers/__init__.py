"""The layer descriptions, and the table that names them."""

from pellucid.network.layers.activation import LogSoftmax as LogSoftmax
from pellucid.network.layers.activation import Softmax as Softmax
from pellucid.network.layers.base import Layer as Layer
from pellucid.network.layers.base import SameShape as SameShape
from pellucid.network.layers.base import Shape as Shape
from pellucid.network.layers.base import Value as Value
from pellucid.network.layers.base import WeightSpec as WeightSpec
from pellucid.network.layers.channelwise import PReLU as PReLU
from pellucid.network.layers.channelwise import Rescale as Rescale
from pellucid.network.layers.conv import Conv2D as Conv2D
from pellucid.network.layers.conv import ConvTranspose2D as ConvTranspose2D
from pellucid.network.layers.dense import Dense as Dense
from pellucid.network.layers.dropout import Dropout as Dropout
from pellucid.network.layers.fake_quantize import FakeQuantize as FakeQuantize
from pellucid.network.layers.fake_quantize import FakeQuantized as FakeQuantized
from pellucid.network.layers.geometry import Flatten as Flatten
from pellucid.network.layers.geometry import Upsample2D as Upsample2D
from pellucid.network.layers.geometry import ZeroPad2D as ZeroPad2D
from pellucid.network.layers.input import Input as Input
from pellucid.network.layers.matmul import MatMul as MatMul
from pellucid.network.layers.merge import Add as Add
from pellucid.network.layers.merge import Arithmetic as Arithmetic
from pellucid.network.layers.merge import Concat as Concat
from pellucid.network.layers.merge import Maximum as Maximum
from pellucid.network.layers.merge import Multiply as Multiply
from pellucid.network.layers.merge import Subtract as Subtract
from pellucid.network.layers.normalization import BatchNorm as BatchNorm
from pellucid.network.layers.normalization import GroupNorm as GroupNorm
from pellucid.network.layers.normalization import InstanceNorm as InstanceNorm
from pellucid.network.layers.normalization import L2Normalize as L2Normalize
from pellucid.network.layers.normalization import LayerNorm as LayerNorm
from pellucid.network.layers.normalization import LocalResponseNorm as LocalResponseNorm
from pellucid.network.layers.normalization import PerImageNorm as PerImageNorm
from pellucid.network.layers.one_dimensional import AvgPool1D as AvgPool1D
from pellucid.network.layers.one_dimensional import Conv1D as Conv1D
from pellucid.network.layers.one_dimensional import GlobalAvgPool1D as GlobalAvgPool1D
from pellucid.network.layers.one_dimensional import MaxPool1D as MaxPool1D
from pellucid.network.layers.one_dimensional import OneDimensional as OneDimensional
from pellucid.network.layers.own import check_name as check_name
from pellucid.network.layers.own import is_own as is_own
from pellucid.network.layers.own import unknown_layer as unknown_layer
from pellucid.network.layers.own import with_own as with_own
from pellucid.network.layers.parameter import Parameter as Parameter
from pellucid.network.layers.pointwise import ELU as ELU
from pellucid.network.layers.pointwise import GELU as GELU
from pellucid.network.layers.pointwise import Clip as Clip
from pellucid.network.layers.pointwise import Elementwise as Elementwise
from pellucid.network.layers.pointwise import HardSigmoid as HardSigmoid
from pellucid.network.layers.pointwise import HardSwish as HardSwish
from pellucid.network.layers.pointwise import LeakyReLU as LeakyReLU
from pellucid.network.layers.pointwise import Mish as Mish
from pellucid.network.layers.pointwise import Pointwise as Pointwise
from pellucid.network.layers.pointwise import ReLU as ReLU
from pellucid.network.layers.pointwise import ReLU6 as ReLU6
from pellucid.network.layers.pointwise import Sigmoid as Sigmoid
from pellucid.network.layers.pointwise import SiLU as SiLU
from pellucid.network.layers.pointwise import Softplus as Softplus
from pellucid.network.layers.pointwise import Tanh as Tanh
from pellucid.network.layers.pointwise import gelu_tanh as gelu_tanh
from pellucid.network.layers.pool import AvgPool2D as AvgPool2D
from pellucid.network.layers.pool import GlobalAvgPool2D as GlobalAvgPool2D
from pellucid.network.layers.pool import GlobalMaxPool2D as GlobalMaxPool2D
from pellucid.network.layers.pool import MaxPool2D as MaxPool2D
from pellucid.network.layers.quantized import INTEGER_LAYERS as INTEGER_LAYERS
from pellucid.network.layers.quantized import QUANTIZABLE as QUANTIZABLE
from pellucid.network.layers.quantized import Dequantize as Dequantize
from pellucid.network.layers.quantized import Hybrid as Hybrid
from pellucid.network.layers.quantized import Quantize as Quantize
from pellucid.network.layers.quantized import Quantized as Quantized
from pellucid.network.layers.rearrange import Permute as Permute
from pellucid.network.layers.rearrange import Rearrangement as Rearrangement
from pellucid.network.layers.rearrange import Reshape as Reshape
from pellucid.network.layers.rearrange import Slice as Slice
from pellucid.network.layers.rearrange import Split as Split
from pellucid.network.layers.rearrange_image import ChannelShuffle as ChannelShuffle
from pellucid.network.layers.rearrange_image import Crop2D as Crop2D
from pellucid.network.layers.rearrange_image import DepthToSpace as DepthToSpace
from pellucid.network.layers.rearrange_image import PadChannels as PadChannels
from pellucid.network.layers.rearrange_image import SpaceToDepth as SpaceToDepth
from pellucid.network.layers.recurrent import GRU as GRU
from pellucid.network.layers.recurrent import LSTM as LSTM
from pellucid.network.layers.recurrent import Recurrent as Recurrent
from pellucid.network.layers.recurrent import SimpleRNN as SimpleRNN
from pellucid.network.layers.resize import Resize as Resize
from pellucid.network.layers.tables import find_entry as find_entry
from pellucid.network.layers.tables import has_entry as has_entry
from pellucid.network.layers.tables import kinds_of as kinds_of
from pellucid.network.layers.wrapped import form_of as form_of
from pellucid.network.layers.wrapped import operation_of as operation_of

LAYERS: dict[str, type[Layer]] = {
    name: kind
    for name, kind in sorted(globals().items())
    if isinstance(kind, type) and issubclass(kind, Layer) and kind is not Layer
    if "stem" in vars(kind)  # a family has none
}

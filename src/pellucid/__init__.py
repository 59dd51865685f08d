"""pellucid: convolutional neural networks, clear enough to see through.

Describe a network once, then train it, look into it, run it on five engines.

>>> import pellucid as pl
>>> model = pl.Model(pl.zoo("mnist-torch"), engine="numpy", loss="cross_entropy",
...                  optimizer=pl.Adam(1e-3))
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pellucid.renamed import install

if TYPE_CHECKING:
    from pellucid import data as data
    from pellucid import engines as engines
    from pellucid import exchange as exchange
    from pellucid.data import Augment as Augment
    from pellucid.data import Dataset as Dataset
    from pellucid.drop_in import compile as compile
    from pellucid.errors import DataError as DataError
    from pellucid.errors import DivergenceError as DivergenceError
    from pellucid.errors import EngineError as EngineError
    from pellucid.errors import EngineUnavailableError as EngineUnavailableError
    from pellucid.errors import ExchangeError as ExchangeError
    from pellucid.errors import MissingExtraError as MissingExtraError
    from pellucid.errors import NetworkError as NetworkError
    from pellucid.errors import PellucidError as PellucidError
    from pellucid.errors import RunError as RunError
    from pellucid.errors import ShapeError as ShapeError
    from pellucid.errors import UnsupportedLayerError as UnsupportedLayerError
    from pellucid.errors import UnsupportedObjectiveError as UnsupportedObjectiveError
    from pellucid.model import Model as Model
    from pellucid.model import load as load
    from pellucid.model.rate_finder import RateSearch as RateSearch
    from pellucid.model.rate_finder import find_learning_rate as find_learning_rate
    from pellucid.model.whitening import whiten as whiten
    from pellucid.network import Network as Network
    from pellucid.network import Node as Node
    from pellucid.network import Preprocessing as Preprocessing
    from pellucid.network import Sequential as Sequential
    from pellucid.network import load_network as load_network
    from pellucid.network.block import block as block
    from pellucid.network.composites import AdaptiveAvgPool1D as AdaptiveAvgPool1D
    from pellucid.network.composites import AdaptiveAvgPool2D as AdaptiveAvgPool2D
    from pellucid.network.composites import AdaptiveMaxPool1D as AdaptiveMaxPool1D
    from pellucid.network.composites import AdaptiveMaxPool2D as AdaptiveMaxPool2D
    from pellucid.network.composites import AvgPool3D as AvgPool3D
    from pellucid.network.composites import Bidirectional as Bidirectional
    from pellucid.network.composites import Conv3D as Conv3D
    from pellucid.network.composites import ConvTranspose1D as ConvTranspose1D
    from pellucid.network.composites import DilatedMaxPool1D as DilatedMaxPool1D
    from pellucid.network.composites import DilatedMaxPool2D as DilatedMaxPool2D
    from pellucid.network.composites import GlobalMaxPool1D as GlobalMaxPool1D
    from pellucid.network.composites import MaxPool3D as MaxPool3D
    from pellucid.network.composites import MultiHeadAttention as MultiHeadAttention
    from pellucid.network.composites import Pad1D as Pad1D
    from pellucid.network.composites import Pad2D as Pad2D
    from pellucid.network.composites import ReduceL1 as ReduceL1
    from pellucid.network.composites import ReduceL2 as ReduceL2
    from pellucid.network.composites import ReduceLogSumExp as ReduceLogSumExp
    from pellucid.network.composites import ReduceMax as ReduceMax
    from pellucid.network.composites import ReduceMean as ReduceMean
    from pellucid.network.composites import ReduceMin as ReduceMin
    from pellucid.network.composites import ReduceSum as ReduceSum
    from pellucid.network.composites import ReduceSumSquare as ReduceSumSquare
    from pellucid.network.composites import ReduceVariance as ReduceVariance
    from pellucid.network.composites import SeparableConv2D as SeparableConv2D
    from pellucid.network.expression import math as math
    from pellucid.network.initializers import Constant as Constant
    from pellucid.network.initializers import Normal as Normal
    from pellucid.network.initializers import Uniform as Uniform
    from pellucid.network.layers import ELU as ELU
    from pellucid.network.layers import GELU as GELU
    from pellucid.network.layers import GRU as GRU
    from pellucid.network.layers import LSTM as LSTM
    from pellucid.network.layers import Add as Add
    from pellucid.network.layers import AvgPool1D as AvgPool1D
    from pellucid.network.layers import AvgPool2D as AvgPool2D
    from pellucid.network.layers import BatchNorm as BatchNorm
    from pellucid.network.layers import ChannelShuffle as ChannelShuffle
    from pellucid.network.layers import Clip as Clip
    from pellucid.network.layers import Concat as Concat
    from pellucid.network.layers import Conv1D as Conv1D
    from pellucid.network.layers import Conv2D as Conv2D
    from pellucid.network.layers import ConvTranspose2D as ConvTranspose2D
    from pellucid.network.layers import Crop2D as Crop2D
    from pellucid.network.layers import Dense as Dense
    from pellucid.network.layers import DepthToSpace as DepthToSpace
    from pellucid.network.layers import Dequantize as Dequantize
    from pellucid.network.layers import Dropout as Dropout
    from pellucid.network.layers import Elementwise as Elementwise
    from pellucid.network.layers import FakeQuantize as FakeQuantize
    from pellucid.network.layers import FakeQuantized as FakeQuantized
    from pellucid.network.layers import Flatten as Flatten
    from pellucid.network.layers import GlobalAvgPool1D as GlobalAvgPool1D
    from pellucid.network.layers import GlobalAvgPool2D as GlobalAvgPool2D
    from pellucid.network.layers import GlobalMaxPool2D as GlobalMaxPool2D
    from pellucid.network.layers import GroupNorm as GroupNorm
    from pellucid.network.layers import HardSigmoid as HardSigmoid
    from pellucid.network.layers import HardSwish as HardSwish
    from pellucid.network.layers import Hybrid as Hybrid
    from pellucid.network.layers import Input as Input
    from pellucid.network.layers import InstanceNorm as InstanceNorm
    from pellucid.network.layers import L2Normalize as L2Normalize
    from pellucid.network.layers import Layer as Layer
    from pellucid.network.layers import LayerNorm as LayerNorm
    from pellucid.network.layers import LeakyReLU as LeakyReLU
    from pellucid.network.layers import LocalResponseNorm as LocalResponseNorm
    from pellucid.network.layers import LogSoftmax as LogSoftmax
    from pellucid.network.layers import MatMul as MatMul
    from pellucid.network.layers import Maximum as Maximum
    from pellucid.network.layers import MaxPool1D as MaxPool1D
    from pellucid.network.layers import MaxPool2D as MaxPool2D
    from pellucid.network.layers import Mish as Mish
    from pellucid.network.layers import Multiply as Multiply
    from pellucid.network.layers import PadChannels as PadChannels
    from pellucid.network.layers import Parameter as Parameter
    from pellucid.network.layers import Permute as Permute
    from pellucid.network.layers import PReLU as PReLU
    from pellucid.network.layers import Quantize as Quantize
    from pellucid.network.layers import Quantized as Quantized
    from pellucid.network.layers import ReLU as ReLU
    from pellucid.network.layers import ReLU6 as ReLU6
    from pellucid.network.layers import Rescale as Rescale
    from pellucid.network.layers import Reshape as Reshape
    from pellucid.network.layers import Resize as Resize
    from pellucid.network.layers import Sigmoid as Sigmoid
    from pellucid.network.layers import SiLU as SiLU
    from pellucid.network.layers import SimpleRNN as SimpleRNN
    from pellucid.network.layers import Slice as Slice
    from pellucid.network.layers import Softmax as Softmax
    from pellucid.network.layers import Softplus as Softplus
    from pellucid.network.layers import SpaceToDepth as SpaceToDepth
    from pellucid.network.layers import Split as Split
    from pellucid.network.layers import Subtract as Subtract
    from pellucid.network.layers import Tanh as Tanh
    from pellucid.network.layers import Upsample2D as Upsample2D
    from pellucid.network.layers import WeightSpec as WeightSpec
    from pellucid.network.layers import ZeroPad2D as ZeroPad2D
    from pellucid.network.quantization import Quantization as Quantization
    from pellucid.objectives import SGD as SGD
    from pellucid.objectives import Adagrad as Adagrad
    from pellucid.objectives import Adam as Adam
    from pellucid.objectives import AdamW as AdamW
    from pellucid.objectives import BinaryCrossEntropy as BinaryCrossEntropy
    from pellucid.objectives import ConstantRate as ConstantRate
    from pellucid.objectives import Cosine as Cosine
    from pellucid.objectives import CrossEntropy as CrossEntropy
    from pellucid.objectives import Cyclic as Cyclic
    from pellucid.objectives import Dice as Dice
    from pellucid.objectives import Focal as Focal
    from pellucid.objectives import HalfSquaredErrorSum as HalfSquaredErrorSum
    from pellucid.objectives import Huber as Huber
    from pellucid.objectives import InverseTime as InverseTime
    from pellucid.objectives import KLDivergence as KLDivergence
    from pellucid.objectives import Masked as Masked
    from pellucid.objectives import MeanSquaredError as MeanSquaredError
    from pellucid.objectives import NAdam as NAdam
    from pellucid.objectives import NumpyLoss as NumpyLoss
    from pellucid.objectives import OneCycle as OneCycle
    from pellucid.objectives import OnPlateau as OnPlateau
    from pellucid.objectives import ParameterGroup as ParameterGroup
    from pellucid.objectives import Polynomial as Polynomial
    from pellucid.objectives import RMSprop as RMSprop
    from pellucid.objectives import StepDecay as StepDecay
    from pellucid.objectives import TracedLoss as TracedLoss
    from pellucid.objectives import Triplet as Triplet
    from pellucid.objectives import WarmUp as WarmUp
    from pellucid.objectives import WeightedSum as WeightedSum
    from pellucid.objectives import Yolo as Yolo
    from pellucid.published import zoo as zoo
    from pellucid.training import EMA as EMA
    from pellucid.training import SWA as SWA
    from pellucid.training import Callback as Callback
    from pellucid.training import EarlyStopping as EarlyStopping
    from pellucid.training import History as History
    from pellucid.training import Lookahead as Lookahead
    from pellucid.training import MLflow as MLflow
    from pellucid.training import TensorBoard as TensorBoard
    from pellucid.training import TestTimeAugment as TestTimeAugment

__version__ = "0.1.0"

install()  # the modules of 0.1 under their former names


def __getattr__(name: str) -> Any:
    """Read the module of a public name when it is first asked for (PEP 562).

    So `import pellucid` and `pellucid --help` read no more than they use.
    """
    from pellucid.names import find, public_names

    value = public_names() if name == "__all__" else find(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__getattr__("__all__")})

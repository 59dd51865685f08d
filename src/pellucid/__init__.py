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
    from pellucid import data, engines, exchange
    from pellucid.data import Augment, Dataset
    from pellucid.errors import (
        DataError,
        DivergenceError,
        EngineError,
        EngineUnavailableError,
        ExchangeError,
        MissingExtraError,
        NetworkError,
        PellucidError,
        RunError,
        ShapeError,
        UnsupportedLayerError,
        UnsupportedObjectiveError,
    )
    from pellucid.model import Model, load
    from pellucid.network import (
        Network,
        Node,
        Preprocessing,
        Sequential,
        load_network,
    )
    from pellucid.network.expression import math
    from pellucid.network.initializers import Constant, Normal, Uniform
    from pellucid.network.layers import (
        ELU,
        GELU,
        Add,
        AvgPool1D,
        AvgPool2D,
        BatchNorm,
        ChannelShuffle,
        Clip,
        Concat,
        Conv1D,
        Conv2D,
        ConvTranspose2D,
        Crop2D,
        Dense,
        DepthToSpace,
        Dequantize,
        Dropout,
        Elementwise,
        Flatten,
        GlobalAvgPool1D,
        GlobalAvgPool2D,
        GlobalMaxPool2D,
        GroupNorm,
        HardSigmoid,
        HardSwish,
        Input,
        InstanceNorm,
        L2Normalize,
        Layer,
        LayerNorm,
        LeakyReLU,
        LocalResponseNorm,
        Maximum,
        MaxPool1D,
        MaxPool2D,
        Mish,
        Multiply,
        PadChannels,
        Permute,
        PReLU,
        Quantize,
        Quantized,
        ReLU,
        ReLU6,
        Rescale,
        Reshape,
        Resize,
        Sigmoid,
        SiLU,
        Slice,
        Softmax,
        Softplus,
        SpaceToDepth,
        Split,
        Subtract,
        Tanh,
        Upsample2D,
        ZeroPad2D,
    )
    from pellucid.network.quantization import Quantization
    from pellucid.objectives import (
        SGD,
        Adam,
        AdamW,
        BinaryCrossEntropy,
        ConstantRate,
        Cosine,
        CrossEntropy,
        Dice,
        Focal,
        HalfSquaredErrorSum,
        Huber,
        KLDivergence,
        Masked,
        MeanSquaredError,
        NumpyLoss,
        OneCycle,
        OnPlateau,
        RMSprop,
        StepDecay,
        TracedLoss,
        Triplet,
        WarmUp,
        WeightedSum,
        Yolo,
    )
    from pellucid.published import zoo
    from pellucid.training import Callback, EarlyStopping, History

__version__ = "0.1.0"

install()  # the modules of 0.1 under their former names

__all__ = [
    "Dice",
    "Focal",
    "Huber",
    "KLDivergence",
    "Masked",
    "NumpyLoss",
    "TracedLoss",
    "Triplet",
    "WeightedSum",
    "Yolo",
    "AvgPool1D",
    "Conv1D",
    "GlobalAvgPool1D",
    "MaxPool1D",
    "GlobalMaxPool2D",
    "GroupNorm",
    "InstanceNorm",
    "L2Normalize",
    "PReLU",
    "Rescale",
    "ELU",
    "GELU",
    "SGD",
    "Adam",
    "AdamW",
    "Add",
    "Augment",
    "AvgPool2D",
    "BatchNorm",
    "BinaryCrossEntropy",
    "Callback",
    "ChannelShuffle",
    "Clip",
    "Concat",
    "Constant",
    "ConstantRate",
    "Conv2D",
    "ConvTranspose2D",
    "Cosine",
    "Crop2D",
    "CrossEntropy",
    "DataError",
    "Dataset",
    "Dense",
    "DepthToSpace",
    "Dequantize",
    "DivergenceError",
    "Dropout",
    "EarlyStopping",
    "Elementwise",
    "EngineError",
    "EngineUnavailableError",
    "ExchangeError",
    "Flatten",
    "GlobalAvgPool2D",
    "HalfSquaredErrorSum",
    "HardSigmoid",
    "HardSwish",
    "History",
    "Input",
    "Layer",
    "LayerNorm",
    "LeakyReLU",
    "LocalResponseNorm",
    "MaxPool2D",
    "Maximum",
    "MeanSquaredError",
    "Mish",
    "MissingExtraError",
    "Model",
    "Multiply",
    "Network",
    "NetworkError",
    "Node",
    "Normal",
    "OnPlateau",
    "OneCycle",
    "PadChannels",
    "PellucidError",
    "Permute",
    "Quantization",
    "Quantize",
    "Quantized",
    "Preprocessing",
    "RMSprop",
    "ReLU",
    "ReLU6",
    "Reshape",
    "Resize",
    "RunError",
    "Sequential",
    "ShapeError",
    "SiLU",
    "Sigmoid",
    "Slice",
    "Softmax",
    "SpaceToDepth",
    "Softplus",
    "Split",
    "StepDecay",
    "Subtract",
    "Tanh",
    "Uniform",
    "UnsupportedLayerError",
    "UnsupportedObjectiveError",
    "Upsample2D",
    "WarmUp",
    "ZeroPad2D",
    "__version__",
    "data",
    "engines",
    "exchange",
    "load",
    "load_network",
    "math",
    "zoo",
]


def __getattr__(name: str) -> Any:
    """Read the module of a public name when it is first asked for (PEP 562).

    So `import pellucid` and `pellucid --help` read no more than they use.
    """
    from pellucid.names import find

    value = find(name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Return the public names."""
    return sorted({*globals(), *__all__})

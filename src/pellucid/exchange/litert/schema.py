"""The subset of LiteRT's schema that networks of ours use.

References
----------
``tensorflow/compiler/mlir/lite/schema/schema.fbs``, version 3.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pellucid.exchange.litert.flatbuffer import (
    Blob,
    Fields,
    Numbers,
    Scalar,
    Table,
    Text,
    Union,
)
from pellucid.exchange.litert.sparse import SPARSITY

IDENTIFIER = b"TFL3"
VERSION = 3
TYPES = {
    0: "float32",
    1: "float16",
    2: "int32",
    3: "uint8",
    4: "int64",
    6: "bool",
    9: "int8",
}
TYPE_NUMBERS = {name: number for number, name in TYPES.items()}
ACTIVATIONS = ("NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT")
SAME, VALID = 0, 1

_BYTE, _INT, _UINT, _BOOL = Scalar("b"), Scalar("i"), Scalar("I"), Scalar("?", False)
_ONE, _FLOAT = Scalar("i", 1), Scalar("f")
_STRIDES = ("padding", _BYTE), ("stride_w", _INT), ("stride_h", _INT)
_DILATIONS = ("dilation_w_factor", _ONE), ("dilation_h_factor", _ONE)
_ACTIVATION = ("fused_activation_function", _BYTE)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of operator: its number, its options, the version a runtime must have.

    ``versions`` are for float32 and for int8; 0 where there is no int8 form.
    """

    number: int
    versions: tuple[int, int]
    options_number: int = 0
    options: Fields = field(default_factory=dict)


def _kind(
    number: int, versions: tuple[int, int], options: int, *names: tuple[str, Scalar]
) -> Kind:
    return Kind(
        number, versions, options, {n: (i, k) for i, (n, k) in enumerate(names)}
    )


_RESIZE = {"align_corners": (2, _BOOL), "half_pixel_centers": (3, _BOOL)}
_MASKS = ("begin", "end", "ellipsis", "new_axis", "shrink_axis")

KINDS: dict[str, Kind] = {
    "ABS": Kind(101, (1, 0), 78),
    "ADD": _kind(0, (1, 2), 11, _ACTIVATION),
    "AVERAGE_POOL_2D": _kind(
        1,
        (1, 2),
        5,
        *_STRIDES,
        ("filter_width", _INT),
        ("filter_height", _INT),
        _ACTIVATION,
    ),
    "BATCH_MATMUL": _kind(126, (1, 0), 101, ("adj_x", _BOOL), ("adj_y", _BOOL)),
    "BATCH_TO_SPACE_ND": Kind(37, (1, 2), 24),
    "BROADCAST_TO": Kind(130, (2, 0), 104),
    "CALL_ONCE": _kind(129, (1, 0), 103, ("init_subgraph_index", _INT)),
    "CONCATENATION": _kind(2, (1, 2), 10, ("axis", _INT), _ACTIVATION),
    "CONV_2D": _kind(3, (1, 3), 1, *_STRIDES, _ACTIVATION, *_DILATIONS),
    "DEPTHWISE_CONV_2D": _kind(
        4, (2, 3), 2, *_STRIDES, ("depth_multiplier", _INT), _ACTIVATION, *_DILATIONS
    ),
    "DEPTH_TO_SPACE": _kind(5, (1, 2), 94, ("block_size", _INT)),
    "DEQUANTIZE": Kind(6, (1, 2)),
    "DIV": _kind(42, (1, 0), 29, _ACTIVATION),
    "ELU": Kind(111, (1, 0)),
    "EXP": Kind(47, (1, 0), 33),
    "EXPAND_DIMS": Kind(70, (1, 1)),
    "FULLY_CONNECTED": _kind(
        9,
        (5, 12),
        8,
        _ACTIVATION,
        ("weights_format", _BYTE),
        ("keep_num_dims", _BOOL),
        ("asymmetric_quantize_inputs", _BOOL),
    ),
    "GATHER": _kind(36, (1, 0), 23, ("axis", _INT), ("batch_dims", _INT)),
    "GELU": _kind(150, (1, 2), 116, ("approximate", _BOOL)),
    "GREATER": Kind(61, (1, 0), 44),
    "GREATER_EQUAL": Kind(62, (1, 0), 45),
    "HARD_SWISH": Kind(117, (1, 1), 91),
    "L2_NORMALIZATION": _kind(11, (1, 2), 12, _ACTIVATION),
    "LEAKY_RELU": _kind(98, (1, 2), 75, ("alpha", _FLOAT)),
    "LOCAL_RESPONSE_NORMALIZATION": _kind(
        13,
        (1, 0),
        13,
        ("radius", _INT),
        ("bias", _FLOAT),
        ("alpha", _FLOAT),
        ("beta", _FLOAT),
    ),
    "LOG": Kind(73, (1, 0)),
    "LOGISTIC": Kind(14, (1, 2)),
    "LOG_SOFTMAX": Kind(50, (1, 0), 36),
    "MAXIMUM": Kind(55, (1, 2), 39),
    "MAX_POOL_2D": _kind(
        17,
        (1, 2),
        5,
        *_STRIDES,
        ("filter_width", _INT),
        ("filter_height", _INT),
        _ACTIVATION,
    ),
    "MEAN": _kind(40, (1, 2), 27, ("keep_dims", _BOOL)),
    "MINIMUM": Kind(57, (1, 0), 39),
    "MIRROR_PAD": _kind(100, (1, 0), 77, ("mode", _BYTE)),
    "MUL": _kind(18, (1, 2), 21, _ACTIVATION),
    "NEG": Kind(59, (1, 0), 42),
    "PACK": _kind(83, (1, 1), 59, ("values_count", _INT), ("axis", _INT)),
    "PAD": Kind(34, (1, 2), 22),
    "PADV2": Kind(60, (1, 2), 43),
    "POW": Kind(78, (1, 0), 56),
    "PRELU": Kind(54, (1, 1)),
    "QUANTIZE": Kind(114, (1, 2), 89),
    "REDUCE_MAX": _kind(82, (1, 0), 27, ("keep_dims", _BOOL)),
    "REDUCE_MIN": _kind(89, (1, 0), 27, ("keep_dims", _BOOL)),
    "RELU": Kind(19, (1, 2)),
    "RELU6": Kind(21, (1, 2)),
    "RELU_0_TO_1": Kind(152, (1, 0)),
    "RELU_N1_TO_1": Kind(20, (1, 1)),
    "RESHAPE": Kind(22, (1, 1), 17, {"new_shape": (0, Numbers("<i4"))}),
    "RESIZE_BILINEAR": Kind(23, (3, 3), 15, _RESIZE),
    "RESIZE_NEAREST_NEIGHBOR": _kind(
        97, (1, 2), 74, ("align_corners", _BOOL), ("half_pixel_centers", _BOOL)
    ),
    "ROUND": Kind(116, (1, 0)),
    "RSQRT": Kind(76, (1, 0)),
    "SELECT_V2": Kind(123, (1, 0), 98),
    "SHAPE": _kind(77, (1, 1), 55, ("out_type", _BYTE)),
    "SLICE": Kind(65, (1, 2), 48),
    "SOFTMAX": _kind(25, (1, 2), 9, ("beta", _FLOAT)),
    "SPACE_TO_BATCH_ND": Kind(38, (1, 2), 25),
    "SPACE_TO_DEPTH": _kind(26, (1, 2), 19, ("block_size", _INT)),
    "SPLIT": _kind(49, (1, 2), 35, ("num_splits", _INT)),
    "SPLIT_V": _kind(102, (1, 2), 79, ("num_splits", _INT)),
    "SQRT": Kind(75, (1, 0)),
    "SQUARE": Kind(92, (1, 0), 66),
    "SQUARED_DIFFERENCE": Kind(99, (1, 0), 76),
    "SQUEEZE": Kind(43, (1, 1), 30, {"squeeze_dims": (0, Numbers("<i4"))}),
    "STRIDED_SLICE": _kind(45, (1, 2), 32, *((f"{m}_mask", _INT) for m in _MASKS)),
    "SUB": _kind(41, (1, 2), 28, _ACTIVATION),
    "SUM": _kind(74, (1, 0), 27, ("keep_dims", _BOOL)),
    "TANH": Kind(28, (1, 2)),
    "TILE": Kind(69, (1, 0), 51),
    "TRANSPOSE": Kind(39, (1, 2), 26),
    "TRANSPOSE_CONV": _kind(67, (3, 3), 49, *_STRIDES, _ACTIVATION),
    "UNIDIRECTIONAL_SEQUENCE_LSTM": _kind(
        44,
        (1, 0),
        71,
        _ACTIVATION,
        ("cell_clip", _FLOAT),
        ("proj_clip", _FLOAT),
        ("time_major", _BOOL),
    ),
    "UNPACK": _kind(88, (1, 1), 64, ("num", _INT), ("axis", _INT)),
    "VAR_HANDLE": Kind(
        142, (1, 0), 111, {"container": (0, Text()), "shared_name": (1, Text())}
    ),
}

_QUANTIZATION: Fields = {
    "scale": (2, Numbers("<f4")),
    "zero_point": (3, Numbers("<i8")),
    "quantized_dimension": (6, _INT),
}
_TENSOR: Fields = {
    "shape": (0, Numbers("<i4")),
    "type": (1, _BYTE),
    "buffer": (2, _UINT),
    "name": (3, Text()),
    "quantization": (4, Table(_QUANTIZATION)),
    "is_variable": (5, _BOOL),
    "sparsity": (6, Table(SPARSITY)),
    "shape_signature": (7, Numbers("<i4")),
}
_OPERATOR: Fields = {
    "opcode_index": (0, _UINT),
    "inputs": (1, Numbers("<i4")),
    "outputs": (2, Numbers("<i4")),
    "builtin_options_type": (3, Scalar("B")),
    "builtin_options": (
        4,
        Union(
            "builtin_options_type",
            {k.options_number: k.options for k in KINDS.values()},
        ),
    ),
    "custom_options": (5, Blob()),
}
_SUBGRAPH: Fields = {
    "tensors": (0, Table(_TENSOR, is_vector=True)),
    "inputs": (1, Numbers("<i4")),
    "outputs": (2, Numbers("<i4")),
    "operators": (3, Table(_OPERATOR, is_vector=True)),
    "name": (4, Text()),
}
_CODE: Fields = {
    "deprecated_builtin_code": (0, _BYTE),
    "custom_code": (1, Text()),
    "version": (2, _ONE),
    "builtin_code": (3, _INT),
}
_MAP: Fields = {"name": (0, Text()), "tensor_index": (1, _UINT)}
_SIGNATURE: Fields = {
    "inputs": (0, Table(_MAP, is_vector=True)),
    "outputs": (1, Table(_MAP, is_vector=True)),
    "signature_key": (2, Text()),
    "subgraph_index": (4, _UINT),
}
MODEL: Fields = {
    "version": (0, _UINT),
    "operator_codes": (1, Table(_CODE, is_vector=True)),
    "subgraphs": (2, Table(_SUBGRAPH, is_vector=True)),
    "description": (3, Text()),
    "buffers": (4, Table({"data": (0, Blob())}, is_vector=True)),
    "metadata": (
        6,
        Table({"name": (0, Text()), "buffer": (1, _UINT)}, is_vector=True),
    ),
    "signature_defs": (7, Table(_SIGNATURE, is_vector=True)),
}

"""Lower TensorFlow's operators that rearrange values to LiteRT's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from pellucid.exchange.tfjs.graph_nodes import Node

if TYPE_CHECKING:
    from pellucid.exchange.tfjs.graph_lower import GraphLowerer

Lower = Callable[["GraphLowerer", Node], "int | list[int]"]
_MIRRORS = {"REFLECT": 0, "SYMMETRIC": 1}


def _axis(low: GraphLowerer, node: Node, at: int) -> int:
    """Return an axis that is given as an input."""
    return int(low.array(node, at).reshape(-1)[0])


def _concat(low: GraphLowerer, node: Node) -> int:
    last = len(node.inputs) - 1
    inputs = [low.place(node, i) for i in range(last)]
    return low.emit(node, "CONCATENATION", inputs, axis=_axis(low, node, last))


def _squeeze(low: GraphLowerer, node: Node) -> int:
    axes = np.asarray(node.attributes.get("squeeze_dims") or [], np.int32)
    return low.emit(node, "SQUEEZE", [low.place(node, 0)], squeeze_dims=axes)


def _expand(low: GraphLowerer, node: Node) -> int:
    axis = low.constant(node, np.asarray([_axis(low, node, 1)], np.int32))
    return low.emit(node, "EXPAND_DIMS", [low.place(node, 0), axis])


def _strided_slice(low: GraphLowerer, node: Node) -> int:
    inputs = [low.place(node, i) for i in range(4)]
    names = [f"{part}_mask" for part in ("begin", "end", "ellipsis", "new_axis")]
    names.append("shrink_axis_mask")
    masks = {name: int(node.attributes.get(name) or 0) for name in names}
    return low.emit(node, "STRIDED_SLICE", inputs, **masks)


def _pack(low: GraphLowerer, node: Node) -> int:
    inputs = [low.place(node, i) for i in range(len(node.inputs))]
    axis = int(node.attributes.get("axis") or 0)
    return low.emit(node, "PACK", inputs, axis=axis, values_count=len(inputs))


def _unpack(low: GraphLowerer, node: Node) -> list[int]:
    axis, count = (int(node.attributes.get(name) or 0) for name in ("axis", "num"))
    given = {"axis": axis, "num": count}
    return low.emit_several(node, "UNPACK", [low.place(node, 0)], count, **given)


def _split(low: GraphLowerer, node: Node) -> list[int]:
    inputs, count = [low.place(node, 0), low.place(node, 1)], _count(node)
    return low.emit_several(node, "SPLIT", inputs, count, num_splits=count)


def _split_by_sizes(low: GraphLowerer, node: Node) -> list[int]:
    sizes = low.array(node, 1)
    inputs = [low.place(node, i) for i in range(3)]
    count = sizes.size
    return low.emit_several(node, "SPLIT_V", inputs, count, num_splits=count)


def _count(node: Node) -> int:
    return int(node.attributes.get("num_split") or 1)


def _gather(low: GraphLowerer, node: Node) -> int:
    axis = _axis(low, node, 2) if len(node.inputs) > 2 else 0
    inputs = [low.place(node, 0), low.place(node, 1)]
    batch = int(node.attributes.get("batch_dims") or 0)
    return low.emit(node, "GATHER", inputs, axis=axis, batch_dims=batch)


def _blocks(kind: str) -> Lower:
    def lower(low: GraphLowerer, node: Node) -> int:
        node.only(data_format="NHWC")
        size = int(node.attributes["block_size"])
        return low.emit(node, kind, [low.place(node, 0)], block_size=size)

    return lower


def _mirror_pad(low: GraphLowerer, node: Node) -> int:
    mode = node.attributes.get("mode")
    if mode not in _MIRRORS:
        node.ref.refuse("have mode REFLECT or SYMMETRIC", repr(mode))
    inputs = [low.place(node, 0), low.place(node, 1)]
    return low.emit(node, "MIRROR_PAD", inputs, mode=_MIRRORS[mode])


def _resize(kind: str) -> Lower:
    def lower(low: GraphLowerer, node: Node) -> int:
        inputs = [low.place(node, 0), low.place(node, 1)]
        names = ("align_corners", "half_pixel_centers")
        given: dict[str, Any] = {n: bool(node.attributes.get(n)) for n in names}
        return low.emit(node, kind, inputs, **given)

    return lower


LOWER: dict[str, Lower] = {
    "ConcatV2": _concat,
    "DepthToSpace": _blocks("DEPTH_TO_SPACE"),
    "ExpandDims": _expand,
    "GatherV2": _gather,
    "MirrorPad": _mirror_pad,
    "Pack": _pack,
    "ResizeBilinear": _resize("RESIZE_BILINEAR"),
    "ResizeNearestNeighbor": _resize("RESIZE_NEAREST_NEIGHBOR"),
    "SpaceToDepth": _blocks("SPACE_TO_DEPTH"),
    "Split": _split,
    "SplitV": _split_by_sizes,
    "Squeeze": _squeeze,
    "StridedSlice": _strided_slice,
    "Unpack": _unpack,
}

"""Attributes of ONNX nodes as Python values."""

from __future__ import annotations

from typing import Any

import onnx

from pellucid.exchange.errors import OperatorRef
from pellucid.exchange.onnx.container import to_array


def read_attributes(node: onnx.NodeProto) -> dict[str, Any]:
    """Return a node's attributes by name."""
    return {attribute.name: _value(attribute) for attribute in node.attribute}


def ref_of(node: onnx.NodeProto) -> OperatorRef:
    """Return how errors call a node: by its name, or its output's."""
    shown = {k: v for k, v in read_attributes(node).items() if _is_small(v)}
    name = node.name or next(filter(None, node.output), "")
    return OperatorRef(node.op_type, name, shown)


def _value(attribute: onnx.AttributeProto) -> Any:
    kind = onnx.AttributeProto
    if attribute.type == kind.TENSOR:
        return to_array(attribute.t, None)
    value = onnx.helper.get_attribute_value(attribute)
    if attribute.type == kind.STRING:
        return value.decode("utf-8", "replace")
    if attribute.type == kind.STRINGS:
        return [item.decode("utf-8", "replace") for item in value]
    return list(value) if attribute.type in (kind.INTS, kind.FLOATS) else value


def _is_small(value: Any) -> bool:
    return isinstance(value, int | float | str | list)

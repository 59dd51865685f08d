"""Notice that a module is another than it was when it was traced."""

from __future__ import annotations

import copy
import operator
from typing import Any

import torch
from torch import nn

#: what PyTorch keeps in every module
_OWN = frozenset(vars(nn.Module()))


class Seen:
    """What of a module its trace depends on, as it is now.

    Those are its parts, the shapes and types of their tensors, and their attributes,
    lists and the like element by element. Attributes that are added later are none of
    it.

    Parameters
    ----------
    module : nn.Module
    """

    def __init__(self, module: Any) -> None:
        # the first is the module itself, which holds this
        self._parts = [None, *_parts(module)[1:]]
        self._attributes = [_attributes(part) for part in _parts(module)]
        self._shapes = [_shapes(part) for part in _parts(module)]
        self._versions = [
            (value, value._version)
            for found in self._attributes
            for value in found.values()
            if isinstance(value, torch.Tensor)
        ]

    def is_as_before(self, module: Any) -> bool:
        """Whether a module is as it was."""
        parts = _parts(module)
        return (
            len(parts) == len(self._parts)
            and all(map(operator.is_, self._parts[1:], parts[1:]))
            and all(map(_has, parts, self._attributes))
            and [_shapes(part) for part in parts] == self._shapes
            and all(value._version == version for value, version in self._versions)
        )


def _parts(module: Any) -> list[Any]:
    # not as a drop-in gives them to others
    return [part for _, part in nn.Module.named_modules(module)]


def _attributes(part: Any) -> dict[str, Any]:
    return {
        name: copy.copy(value)
        if type(value) in (list, dict, set) and name not in _OWN
        else value
        for name, value in part.__dict__.items()
        if name != "_pellucid"  # which holds this
    }


def _has(part: Any, seen: dict[str, Any]) -> bool:
    """Whether a part has all of the attributes, as they were."""
    now = part.__dict__
    seen["training"] = now["training"]  # parts have either
    try:
        return seen == now or all(
            now[name] is value or bool(now[name] == value)
            for name, value in seen.items()
        )
    except (KeyError, RuntimeError, TypeError, ValueError):
        # missing, or of a kind that does not compare, as tensors are
        return False


def _shapes(part: Any) -> list[Any]:
    return [
        None if tensor is None else (tensor.shape, tensor.dtype, tensor.device)
        for found in (part._parameters, part._buffers)
        for tensor in found.values()
    ]

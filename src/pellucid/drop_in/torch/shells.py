"""Modules that share another's tensors."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any


def make_shell(module: Any, kind: type) -> Any:
    """Return a module with the same tensors, whose parts have modes of their own."""
    shell: Any = object.__new__(kind)
    shell.__dict__.update(module.__dict__)
    shell.__dict__["_modules"] = {
        name: None if child is None else make_shell(child, type(child))
        for name, child in module._modules.items()
    }
    return shell


def make_source(module: Any, kind: type) -> Any:
    """Return a shell to trace: hooks on the whole run where the drop-in is called."""
    source = make_shell(module, kind)
    source.__dict__.pop("_pellucid", None)
    for name, value in module.__dict__.items():
        if "_hooks" in name and isinstance(value, dict):
            source.__dict__[name] = OrderedDict()
    return source

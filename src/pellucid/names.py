"""Lazy public names: the imports that `pellucid/__init__.py` shows to type checkers."""

from __future__ import annotations

import ast
import functools
import importlib
from pathlib import Path
from typing import Any


def find(name: str) -> Any:
    """Import what a public name of `pellucid` stands for.

    Raises
    ------
    AttributeError
        If there is no such name.
    """
    home = _homes().get(name)
    if home is None:
        raise AttributeError(f"module 'pellucid' has no attribute {name!r}")
    if home == "pellucid":  # a package of ours
        return importlib.import_module(f"pellucid.{name}")
    return getattr(importlib.import_module(home), name)


def public_names() -> list[str]:
    """Return all public names of `pellucid`, sorted."""
    return sorted({*_homes(), "__version__"})


@functools.cache
def _homes() -> dict[str, str]:
    """Return {public name: module}, read from the block `if TYPE_CHECKING:`."""
    source = Path(__file__).with_name("__init__.py").read_text(encoding="utf-8")
    blocks = (node for node in ast.parse(source).body if isinstance(node, ast.If))
    return {
        alias.name: node.module
        for block in blocks
        for node in block.body
        if isinstance(node, ast.ImportFrom) and node.module
        for alias in node.names
    }

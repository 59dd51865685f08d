"""In and out: other people's networks come in, ours go anywhere."""

import warnings as _warnings
from typing import Any as _Any

from pellucid.exchange.accuracy import Accuracy, accuracy
from pellucid.exchange.api import read, write, write_all
from pellucid.exchange.formats import FORMATS, Format
from pellucid.exchange.verify_export import ExportReport, verify_export

__all__ = [
    "FORMATS",
    "Accuracy",
    "ExportReport",
    "Format",
    "accuracy",
    "read",
    "verify_export",
    "write",
    "write_all",
]

_FORMER_NAMES = {"Proof": "ExportReport", "prove": "verify_export"}  # of 0.1


def __getattr__(name: str) -> _Any:
    if name not in _FORMER_NAMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    current = _FORMER_NAMES[name]
    _warnings.warn(
        f"pellucid.exchange.{name} is now pellucid.exchange.{current}.",
        DeprecationWarning,
        stacklevel=2,
    )
    return globals()[current]

"""In and out: other people's networks come in, ours go anywhere."""

from pellucid.exchange.accuracy import Accuracy, accuracy
from pellucid.exchange.api import read, write, write_all
from pellucid.exchange.formats import FORMATS, Format
from pellucid.exchange.verify_export import Proof, prove

__all__ = [
    "FORMATS",
    "Accuracy",
    "Format",
    "Proof",
    "accuracy",
    "prove",
    "read",
    "write",
    "write_all",
]

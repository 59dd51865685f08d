"""In and out: other people's networks come in, ours go anywhere."""

from pellucid.exchange.accuracy import Accuracy, accuracy
from pellucid.exchange.api import match_weights, read, write, write_all
from pellucid.exchange.formats import FORMATS, Format
from pellucid.exchange.int8.network import quantize
from pellucid.exchange.verify_export import ExportReport, verify_export
from pellucid.exchange.weight_matching import WeightMatch
from pellucid.renamed import former_names

__all__ = [
    "FORMATS",
    "Accuracy",
    "ExportReport",
    "Format",
    "WeightMatch",
    "accuracy",
    "match_weights",
    "quantize",
    "read",
    "verify_export",
    "write",
    "write_all",
]

__getattr__ = former_names(
    __name__, {"Proof": "ExportReport", "prove": "verify_export"}
)

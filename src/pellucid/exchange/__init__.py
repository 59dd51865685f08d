"""In and out: other people's networks come in, ours go anywhere."""

from pellucid.exchange.accuracy import Accuracy as Accuracy
from pellucid.exchange.accuracy import accuracy as accuracy
from pellucid.exchange.api import match_weights as match_weights
from pellucid.exchange.api import read as read
from pellucid.exchange.api import write as write
from pellucid.exchange.api import write_all as write_all
from pellucid.exchange.formats import FORMATS as FORMATS
from pellucid.exchange.formats import Format as Format
from pellucid.exchange.int8.aware import prepare_qat as prepare_qat
from pellucid.exchange.int8.network import quantize as quantize
from pellucid.exchange.verify_export import ExportReport as ExportReport
from pellucid.exchange.verify_export import verify_export as verify_export
from pellucid.exchange.weight_matching import WeightMatch as WeightMatch
from pellucid.renamed import former_names as _former_names

__getattr__ = _former_names(
    __name__, {"Proof": "ExportReport", "prove": "verify_export"}
)

"""In and out: other people's networks come in, ours go anywhere."""

from pellucid.exchange.door import read, write
from pellucid.exchange.formats import FORMATS, Format
from pellucid.exchange.proof import Proof, prove

__all__ = ["FORMATS", "Format", "Proof", "prove", "read", "write"]

"""The artifact run from other languages: programs, compilers, and what came out."""

from pellucid.compare.methods.languages.ours import OURS
from pellucid.compare.methods.languages.theirs import THEIRS

__all__ = ["OURS", "THEIRS"]

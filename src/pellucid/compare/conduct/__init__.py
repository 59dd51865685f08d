"""The conduct of a comparison: plan, processes, progress, and what is kept."""

from pellucid.compare.conduct.comparison import compare, earlier
from pellucid.compare.conduct.progress import watching
from pellucid.compare.conduct.request import Request

__all__ = ["Request", "compare", "earlier", "watching"]

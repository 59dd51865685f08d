"""The conduct of a comparison: plan, processes, progress, and what is kept."""

from pellucid.compare.run.comparison import compare, read_earlier
from pellucid.compare.run.progress import show_progress
from pellucid.compare.run.request import Request

__all__ = ["Request", "compare", "read_earlier", "show_progress"]

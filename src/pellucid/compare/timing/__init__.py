"""How fast engines are: a clock, peers in processes of their own, results, pictures."""

from pellucid.compare.timing.picture import png
from pellucid.compare.timing.results import CaseResult, Report, Timing, Turn
from pellucid.compare.timing.setting import Setting
from pellucid.compare.timing.table import BENCHMARKS, benchmark
from pellucid.compare.timing.tables import notes, sheets

__all__ = [
    "BENCHMARKS",
    "CaseResult",
    "Report",
    "Setting",
    "Timing",
    "Turn",
    "benchmark",
    "notes",
    "png",
    "sheets",
]

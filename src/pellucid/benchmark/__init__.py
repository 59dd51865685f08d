"""How fast engines are: a clock, peers in processes of their own, results, pictures."""

from pellucid.benchmark.picture import png
from pellucid.benchmark.results import CaseResult, Report, Timing, Turn
from pellucid.benchmark.setting import Setting
from pellucid.benchmark.table import BENCHMARKS, benchmark
from pellucid.benchmark.tables import notes, sheets

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

"""How fast engines are: contenders in processes of their own, results, charts."""

from pellucid.benchmark.chart import draw_png
from pellucid.benchmark.results import CaseResult, Report, Round, Timing
from pellucid.benchmark.setting import Setting
from pellucid.benchmark.table import BENCHMARKS, benchmark
from pellucid.benchmark.tables import make_notes, make_tables
from pellucid.renamed import former_names

__all__ = [
    "BENCHMARKS",
    "CaseResult",
    "Report",
    "Round",
    "Setting",
    "Timing",
    "benchmark",
    "draw_png",
    "make_notes",
    "make_tables",
]

__getattr__ = former_names(
    __name__,
    {
        "Turn": "Round",
        "notes": "make_notes",
        "png": "draw_png",
        "sheets": "make_tables",
    },
)

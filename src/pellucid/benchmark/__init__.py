"""How fast engines are: contenders in processes of their own, results, charts."""

from pellucid.benchmark.chart import draw_png as draw_png
from pellucid.benchmark.results import CaseResult as CaseResult
from pellucid.benchmark.results import Report as Report
from pellucid.benchmark.results import Round as Round
from pellucid.benchmark.results import Timing as Timing
from pellucid.benchmark.setting import Setting as Setting
from pellucid.benchmark.table import BENCHMARKS as BENCHMARKS
from pellucid.benchmark.table import benchmark as benchmark
from pellucid.benchmark.tables import make_notes as make_notes
from pellucid.benchmark.tables import make_tables as make_tables
from pellucid.renamed import former_names as _former_names

__getattr__ = _former_names(
    __name__,
    {
        "Turn": "Round",
        "notes": "make_notes",
        "png": "draw_png",
        "sheets": "make_tables",
    },
)

"""Figures that people ask for first, from the results' JSON.

Run: ``python benchmarks/summary.py [FOLDER]``. Prints a table in Markdown: what was
timed, pellucid's median, the best peer's, and the ratio with its quartiles.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from pellucid.benchmark.results import is_ours
from pellucid.benchmark.tables import format_duration

HERE = Path(__file__).parent
ORDER = ("train-step", "inference", "fit", "start-up", "busy", "tax")
HEAD = (
    "| what | pellucid | best peer | its time | pellucid is |\n|---|---|---|---|---|\n"
)


def of_folder(folder: Path) -> str:
    """Return the summary of a folder's results."""
    paths = [folder / f"{name}.json" for name in ORDER]
    found = [json.loads(p.read_text("utf-8")) for p in paths if p.is_file()]
    return "\n".join(of_report(document) for document in found)


def of_report(document: dict[str, Any]) -> str:
    """Return one benchmark's rows, with machine and load above them."""
    quiet, machine = document["quiet"], document["machine"]
    title = (
        f"## {document['benchmark']}\n\n"
        f"{machine.get('processor')}, {machine.get('usable_cpus')} processors, "
        f"{quiet['begun']} UTC; load {quiet['load_before'][0]:.2f} before; "
        f"{quiet['disturbed_turns']} of {quiet['turns']} turns disturbed.\n\n"
    )
    rows = "".join(of_case(case) for case in document["cases"])
    facts = "".join(
        f"\n{name.replace('_', ' ')}: {json.dumps(value)}\n"
        for name, value in document["facts"].items()
    )
    return f"{title}{HEAD}{rows}{facts}"


def of_case(case: dict[str, Any]) -> str:
    """Return a case as a row."""
    timed = [t for t in case["timings"] if "median_s" in t]
    ours = min((t for t in timed if is_ours(t["peer"])), key=median, default=None)
    best = min((t for t in timed if not is_ours(t["peer"])), key=median, default=None)
    if ours is None or best is None:
        return ""
    ratio = case["ratios"].get(best["peer"])
    times = (
        f"**{ratio['median']:.2f} ×** ({ratio['low']:.2f} – {ratio['high']:.2f})"
        if ratio
        else ""
    )
    return (
        f"| {case['name']} | {format_duration(median(ours))} | {best['peer']} "
        f"| {format_duration(median(best))} | {times} |\n"
    )


def median(timing: dict[str, Any]) -> float:
    """Return a timing's median in seconds."""
    return float(timing["median_s"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE / "results")
    print(of_folder(parser.parse_args().folder))

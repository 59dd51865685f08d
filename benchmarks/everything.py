"""All benchmarks in turn, on a machine that does nothing else.

Run: ``python benchmarks/everything.py [FOLDER] [--anyway]``. Writes a table, JSON and a
picture for each to the folder (``benchmarks/results`` by default), then ``summary.md``.
Takes about 70 minutes. Refuses to begin while the machine is busy.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path

import summary

from pellucid.machine import load_average

HERE = Path(__file__).parent
MOST_LOAD, PATIENCE_S = 0.5, 600
ARGUMENTS = (
    ("train-step",),
    ("inference", "--trained", "0,1,5"),
    ("start-up",),
    ("fit",),
    ("busy",),
    ("tax",),
    ("scaling",),
)


def wait_for_quiet() -> bool:
    """Wait until the load of the last minute is low; return whether it became so."""
    deadline = time.monotonic() + PATIENCE_S
    while (values := load_average()) is not None and values[0] > MOST_LOAD:
        if time.monotonic() > deadline:
            return False
        print(f"waiting: load {values[0]:.2f}, at most {MOST_LOAD}", flush=True)
        time.sleep(15)
    return True


def main() -> None:
    """Run what there is; the first failure ends it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=HERE / "results")
    parser.add_argument("--anyway", action="store_true")
    given = parser.parse_args()
    folder = given.folder
    if not given.anyway and not wait_for_quiet():
        sys.exit("The machine does something else. To measure all the same: --anyway")
    for arguments in ARGUMENTS:
        command = [sys.executable, "-m", "pellucid", "benchmark", *arguments]
        print("$ pellucid benchmark", *arguments, flush=True)
        subprocess.run([*command, "--out", str(folder)], check=True)
    text = summary.of_folder(folder)
    (folder / "summary.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()

"""Whether generated scripts reach the accuracy of their engines.

Run: ``python benchmarks/generated_scripts.py [--networks mnist-torch] [--epochs 5]
[--limit N]``. For each network and framework the script is written, run in a process of
its own, and set beside ``pellucid train`` with the same epochs. Prints a table with the
time of both; times are of the whole process, on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pellucid.code import FRAMEWORKS

ENGINES = {"numpy": "numpy", "torch": "torch", "keras": "tensorflow", "jax": "jax"}


def measured(command: list[str], folder: Path) -> tuple[str, float]:
    """Run a command; return its last line's accuracy and its seconds."""
    start = time.perf_counter()
    run = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=folder
    )
    if run.returncode:
        raise SystemExit(run.stderr)
    seconds = time.perf_counter() - start
    return run.stdout.splitlines()[-1].removeprefix("test accuracy: "), seconds


def main() -> None:
    """Measure and print a row for each network and framework."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--networks", nargs="+", default=["mnist-torch", "mnist-keras"])
    parser.add_argument("--frameworks", nargs="+", default=FRAMEWORKS)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--limit", type=int)
    given = parser.parse_args()
    short = ["--epochs", str(given.epochs)]
    short += ["--limit", str(given.limit)] if given.limit else []
    pellucid = [sys.executable, "-m", "pellucid"]
    print("| network | framework | script | s | engine | s |")
    print("|---|---|---|---|---|---|")
    for network in given.networks:
        for framework in given.frameworks:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                code = [*pellucid, "code", network, "--framework", framework]
                subprocess.run([*code, "--output", "script.py"], cwd=folder, check=True)
                ours = [*pellucid, "train", network, "--engine", ENGINES[framework]]
                script = measured([sys.executable, "script.py", *short], folder)
                engine = measured([*ours, *short, "--quiet"], folder)
            cells = f"{script[0]} | {script[1]:.0f} | {engine[0]} | {engine[1]:.0f}"
            print(f"| {network} | {framework} | {cells} |", flush=True)


if __name__ == "__main__":
    main()

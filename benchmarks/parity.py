"""How `docs/parity.md` gets its figures.

Run: ``python benchmarks/parity.py [--steps 50] [--networks lenet5 resnet20]``. Each
network of the zoo is run by ``pellucid verify NETWORK --engines all``; the reports are
written between the markers of the page, one picture beside it.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from pellucid.network import ZOO

PAGE = Path(__file__).parents[1] / "docs" / "parity.md"
#: the size of a batch, where 32 takes its time in float64
BATCH = {"mnist-fast": 16, "mnist-keras": 16, "mnist-torch": 16, "resnet20": 8}


def report(network: str, steps: int, dtype: str) -> str:
    """Return what the command prints."""
    options = ["--steps", str(steps), "--batch-size", str(BATCH.get(network, 32))]
    if network == "mnist-torch" and dtype == "float32":
        options += ["--picture", str(PAGE.with_name("parity.png"))]
    command = [sys.executable, "-m", "pellucid", "verify", network]
    command += ["--engines", "all", "--dtype", dtype, *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode not in (0, 1):
        raise SystemExit(run.stderr)
    print(f"{network} {dtype}: exit code {run.returncode}", flush=True)
    shown = f"pellucid verify {network} --engines all --dtype {dtype}"
    shown += "".join(f" {word}" for word in options[:4])
    return f"```console\n$ {shown}\n{run.stdout.rstrip()}\n```"


def put(page: str, network: str, dtype: str, text: str) -> str:
    """Replace what stands between a report's markers."""
    start, end = f"<!-- {network} {dtype} -->", f"<!-- end {network} {dtype} -->"
    pattern = re.compile(f"{re.escape(start)}.*?{re.escape(end)}", re.DOTALL)
    if not pattern.search(page):
        raise SystemExit(f"{PAGE} has no place for {network} {dtype}")
    return pattern.sub(lambda _: f"{start}\n{text}\n{end}", page)


def main() -> None:
    """Run the networks that were asked for and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--networks", nargs="+", default=sorted(ZOO))
    parser.add_argument("--dtypes", nargs="+", default=["float32", "float64"])
    arguments = parser.parse_args()
    for network in arguments.networks:
        for dtype in arguments.dtypes:
            text = report(network, arguments.steps, dtype)
            page = PAGE.read_text(encoding="utf-8")
            PAGE.write_text(put(page, network, dtype, text), encoding="utf-8")


if __name__ == "__main__":
    main()

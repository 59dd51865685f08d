"""Trials of docs/trials.md: it runs them and writes their table.

Run `python benchmarks/trials.py` from the checkout. Each trial is the command that the
page shows, run with three seeds; everything it prints is kept in
benchmarks/results/trials.json. `--only "batch norm"` runs one again and keeps the rest.
"""

from __future__ import annotations

import argparse
import itertools
import json
import shlex
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pellucid.machine import describe_machine
from pellucid.recipes import override, parse_setting, read
from pellucid.recipes.builders import build_network

ROOT = Path(__file__).parent.parent
NETWORKS = ROOT / "benchmarks" / "networks"
RESULTS = ROOT / "benchmarks" / "results" / "trials.json"
PAGE = ROOT / "docs" / "trials.md"
BEGIN, END = "<!-- trials: begin -->", "<!-- trials: end -->"
KERNELS = (
    "mnist-cosine --set conv2d.kernel_size=5 --set conv2d.padding=2 "
    "--set conv2d_1.kernel_size=5 --set conv2d_1.padding=2"
)
TRIALS = {
    "as it is": "mnist-cosine",
    "half the filters": "mnist-cosine --set conv2d.out_channels=16 "
    "--set conv2d_1.out_channels=32",
    "twice the filters": "mnist-cosine --set conv2d.out_channels=64 "
    "--set conv2d_1.out_channels=128",
    "a smaller dense layer": "mnist-cosine --set dense.units=32",
    "kernels of 5×5": KERNELS,
    "one layer more": "deeper.py --schedule cosine",
    "dropout": "dropout.py --schedule cosine",
    "batch norm": "batch_norm.py --schedule cosine",
    "images moved by up to 2": "mnist-cosine --augment shift=2",
    "one cycle up to 0.003": "mnist-cosine --schedule one_cycle --learning-rate 0.003",
}


def main() -> None:
    """Run all trials and write results and table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--engine", default="compiled")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--only", action="append", choices=TRIALS, default=[])
    options = parser.parse_args()
    only = options.__dict__.pop("only")
    kept = _kept(vars(options)) if only else {}
    found = []
    for name, arguments in TRIALS.items():
        if only and name not in only:
            found.append(kept[name])
            continue
        found.append(trial(name, arguments, options))
        print(found[-1]["name"], found[-1]["accuracy"], found[-1]["seconds"])
    document = {
        "machine": describe_machine(),
        "options": vars(options),
        "trials": found,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    write_table(document)


def _kept(options: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the trials of an earlier run by name; it must have had these options."""
    document = json.loads(RESULTS.read_text(encoding="utf-8"))
    if document["options"] != options:
        sys.exit(f"--only: options must be those of {RESULTS.name}; got {options}.")
    return {trial["name"]: trial for trial in document["trials"]}


def trial(name: str, arguments: str, options: argparse.Namespace) -> dict[str, Any]:
    """Run one trial with each seed, in a folder of its own."""
    runs = [once(arguments, seed, options) for seed in range(options.seeds)]
    return {
        "name": name,
        "arguments": arguments,
        "parameters": parameters(arguments),
        "accuracy": [run[-1]["test"]["accuracy"] for run in runs],
        "seconds": [epoch["seconds"] for run in runs for epoch in run[:-1]],
    }


def once(
    arguments: str, seed: int, options: argparse.Namespace
) -> list[dict[str, Any]]:
    """Return what `pellucid train … --json` prints."""
    what, *rest = shlex.split(arguments)
    if what.endswith(".py"):
        what = str(NETWORKS / what)
    given = [
        *("--epochs", str(options.epochs), "--seed", str(seed)),
        *("--engine", options.engine, "--json", "--quiet"),
        *(("--limit", str(options.limit)) if options.limit else ()),
    ]
    command = [sys.executable, "-m", "pellucid", "train", what, *rest, *given]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command, cwd=folder, stdout=subprocess.PIPE, text=True, check=True
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


def parameters(arguments: str) -> int:
    """Return how many parameters the trial's network has."""
    what, *rest = shlex.split(arguments)
    recipe = read(NETWORKS / what if what.endswith(".py") else what)
    pairs = itertools.pairwise(rest)
    settings = dict(parse_setting(b) for a, b in pairs if a == "--set")
    return build_network(override(recipe, settings)).parameter_count


def write_table(document: dict[str, Any]) -> None:
    """Put the table between the page's two marks."""
    here, options = document["machine"], document["options"]
    rows = [
        "| trial | `pellucid train …` | parameters | accuracy | fastest epoch |",
        "|---|---|---:|---:|---:|",
    ]
    for entry in document["trials"]:
        shares = [100 * share for share in entry["accuracy"]]
        spread = f" ± {statistics.stdev(shares):.2f}" if len(shares) > 1 else ""
        rows.append(
            f"| {entry['name']} | `{entry['arguments']}` | {entry['parameters']:,} | "
            f"{statistics.mean(shares):.2f}{spread} % | {min(entry['seconds']):.1f} s |"
        )
    limit = options["limit"]
    images = f"{limit:,} training images" if limit else "all 60,000 images"
    note = (
        f"{options['epochs']} epochs over {images} on the {options['engine']} engine; "
        "mean and standard deviation of "
        f"{options['seeds']} seeds on the 10,000 test images; "
        f"{here['processor']}, {here['usable_cpus']} processors, shared with other "
        "work, which is why the time is that of the fastest epoch."
    )
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    body = "\n".join([BEGIN, "", *rows, "", note, "", END])
    PAGE.write_text(before + body + after, encoding="utf-8")


if __name__ == "__main__":
    main()

"""This file is what each idea of the compiled engine is worth: switched off in turn.

Run: ``python benchmarks/ideas.py [--rounds 15] [--networks NAME,…] [--out FILE]``.
Times whole training steps (64 MNIST images, Adam) and predictions of 256 images on
engines that differ in one switch, all in this process, a turn of each per round. Prints
Markdown; with ``--out`` also writes JSON. About 5 minutes; for figures worth keeping
nothing else may run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pellucid as pl
from pellucid.compare.timing.case import Case
from pellucid.compare.timing.inputs import batches
from pellucid.compare.timing.networks import named
from pellucid.compare.timing.quiet import load
from pellucid.compare.timing.summary import quartiles, ratio
from pellucid.engines.compiled.cpu import target

IDEAS: dict[str, dict[str, Any]] = {
    "all ideas": {},
    "one worker": {"threads": 1},
    "without Winograd": {"winograd": False},
    "without leaving out what is dead": {"sparse": False},
    "without fusion (and so with what is dead)": {"fuse": False},
    "with none of them": {"winograd": False, "fuse": False, "sparse": False},
    "8 lanes (AVX2)": {"lanes": 8},
    "4 lanes (SSE, no fused multiply-add)": {"lanes": 4},
}
NETWORKS = ("mnist-torch", "mnist-torch-leaky", "resnet20")
#: seconds that a turn takes, about
TURN_S = 0.2

Run = Callable[[int], object]


def runs(name: str, how: dict[str, Any]) -> tuple[Run, Run]:
    """Return a network's training step and its prediction, given the batch's number."""
    network = named(name)
    model = pl.Model(
        network,
        loss="cross_entropy",
        optimizer=pl.Adam(1e-3),
        engine=pl.engines.compiled(**how),
    )
    small = batches(Case(name=name, network=network, batch_size=64))
    large = batches(Case(name=name, network=network, batch_size=256, batches=8))
    return (
        lambda n: model.train_step(*small[n % len(small)]),
        lambda n: model.predict(large[n % len(large)][0]),
    )


def turn(run: Run, count: int) -> float:
    """Return the seconds of one of so many calls."""
    start = time.perf_counter()
    for n in range(count):
        run(n)
    return (time.perf_counter() - start) / count


def measured(what: Sequence[Run], rounds: int) -> list[list[float]]:
    """Return the seconds of each run in each round."""
    counts = []
    for run in what:
        turn(run, 3)
        counts.append(max(2, int(TURN_S / turn(run, 2))))
    times: list[list[float]] = [[] for _ in what]
    for _ in range(rounds):
        for mine, run, count in zip(times, what, counts, strict=True):
            mine.append(turn(run, count))
    return times


def table(names: Sequence[str], times: Sequence[Sequence[float]]) -> str:
    """Return times and their ratios to the first as a table."""
    lines = []
    for name, mine in zip(names, times, strict=True):
        spread, times_as_long = quartiles(mine), ratio(mine, times[0]).median
        ms = [f"{1e3 * t:.2f}" for t in (spread.median, spread.low, spread.high)]
        lines.append(f"| {name} | {ms[0]} ({ms[1]}–{ms[2]}) | × {times_as_long:.2f} |")
    return "\n".join(lines)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--networks", default=",".join(NETWORKS))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    fitting = {n: h for n, h in IDEAS.items() if h.get("lanes", 0) <= target().lanes}
    report: dict[str, Any] = {"load_before": load(), "target": target().key}
    for network in options.networks.split(","):
        pairs = [runs(network, how) for how in fitting.values()]
        for i, what in enumerate(("a training step of 64", "256 predictions")):
            times = measured([pair[i] for pair in pairs], options.rounds)
            title = f"`{network}`, {what}"
            print(f"| {title} | ms, median (quartiles) | |\n|---|---|---|")
            print(table(list(fitting), times) + "\n", flush=True)
            report[title] = dict(zip(fitting, times, strict=True))
    report["load_after"] = load()
    if options.out:
        options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""What each idea of the compiled engine is worth: switched off in turn.

Run: ``python benchmarks/ideas.py [--rounds 15] [--networks NAME,…] [--out FILE]``.
Times whole training steps (64 MNIST images, Adam) and predictions of 256 images on
engines that differ in one switch, all in this process, a turn of each per round, forth
in one round and back in the next. A switch that changes nothing in a network's plan
says so: the ratio of such a row is the noise of the others. Prints Markdown; with
``--out`` also writes JSON. About 5 minutes; for figures worth keeping nothing else may
run.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pellucid as pl
from pellucid.benchmark.case import Case
from pellucid.benchmark.inputs import load_batches
from pellucid.benchmark.networks import get_network
from pellucid.benchmark.statistics import paired_ratio, quartiles
from pellucid.engines.compiled.codegen.cpu import target
from pellucid.machine import load_average

IDEAS: dict[str, dict[str, Any]] = {
    "all ideas": {},
    "one worker": {"threads": 1},
    "without Winograd": {"winograd": False},
    "without leaving out what is dead": {"sparse": False},
    "without fusion (and so with what is dead)": {"fuse": False},
    "without AMX": {"amx": False},
    "without leaving out what lies outside tiny maps": {"tiny": False},
    "with none of them": dict.fromkeys(("winograd", "fuse", "sparse", "amx"), False),
    "8 lanes (AVX2)": {"lanes": 8},
    "4 lanes (SSE, no fused multiply-add)": {"lanes": 4},
}
NETWORKS = ("mnist-torch", "mnist-torch-leaky", "resnet20")
#: seconds that a turn takes, about
TURN_S = 0.2

Run = Callable[[int], object]


def training(name: str, how: dict[str, Any]) -> tuple[Run, str]:
    """Return a step, given the batch's number, and the plan of it."""
    network = get_network(name)
    model = pl.Model(
        network,
        loss="cross_entropy",
        optimizer=pl.Adam(1e-3),
        engine=pl.engines.compiled(**how),
    )
    given = load_batches(Case(name=name, network=network, batch_size=64))
    return lambda n: model.train_step(*given[n % len(given)]), str(model.native)


def prediction(name: str, how: dict[str, Any]) -> tuple[Run, str]:
    """Return a prediction, given the batch's number, and the plan of it."""
    network = get_network(name)
    model = pl.Model(network, engine=pl.engines.compiled(**how))
    given = load_batches(Case(name=name, network=network, batch_size=256, batches=8))
    return lambda n: model.predict(given[n % len(given)][0]), str(model.native)


WHAT = {"a training step of 64": training, "256 predictions": prediction}


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
    turns = list(zip(times, what, counts, strict=True))
    for n in range(rounds):
        for mine, run, count in turns if n % 2 else reversed(turns):
            turn(run, 2)  # brings its memory back into the cache
            mine.append(turn(run, count))
    return times


def words(plans: Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the names, with a word where the plan is that of all ideas."""
    return [
        f"{name}: the same program" if n and plan == plans[0] else name
        for n, (name, plan) in enumerate(zip(names, plans, strict=True))
    ]


def table(names: Sequence[str], times: Sequence[Sequence[float]]) -> str:
    """Return times and their ratios to the first as a table."""
    lines = []
    for name, mine in zip(names, times, strict=True):
        spread, times_as_long = quartiles(mine), paired_ratio(mine, times[0]).median
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
    report: dict[str, Any] = {"load_before": load_average(), "target": target().key}
    for network in options.networks.split(","):
        for what, made in WHAT.items():
            ready = [made(network, how) for how in fitting.values()]
            times = measured([run for run, _ in ready], options.rounds)
            title = f"`{network}`, {what}"
            print(f"| {title} | ms, median (quartiles) | |\n|---|---|---|")
            print(
                table(words([plan for _, plan in ready], list(fitting)), times) + "\n"
            )
            report[title] = dict(zip(fitting, times, strict=True))
    report["load_after"] = load_average()
    if options.out:
        options.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()

"""First prediction and first training step with nothing compiled before, and again.

Run: ``python benchmarks/cold_start.py [NETWORK,SIZE,KIND,BATCH …] [--rounds 3]
[--out FILE]`` with KIND predict or train. Each figure is a process of its own with an
empty folder for code, then one that finds it there. Prints the least of the rounds:
seconds from the call to its result, and processor seconds of the call (with those of
the processes that compile beside it), which others' load changes less; then the seconds
of importing and building the model before it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from pellucid.machine import describe_machine

CASES = (
    "resnet18,224,predict,1",
    "resnet18,224,train,8",
    "resnet50,224,train,4",
    "densenet121,224,predict,1",
    "mobilenet-v1,224,predict,1",
)
SCRIPT = """
import json, resource, sys, time
def seconds():
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF,
                                                 resource.RUSAGE_CHILDREN)]
    return [time.perf_counter(), sum(u.ru_utime + u.ru_stime for u in usage)]
start = seconds()
import numpy as np
import pellucid as pl
from pellucid.benchmark.networks import resize_input
name, size, kind, batch = sys.argv[1].split(",")
size, batch = int(size), int(batch)
network = resize_input(pl.zoo(name), size)
goal = {"loss": "cross_entropy", "optimizer": pl.SGD(0.1)} if kind == "train" else {}
model = pl.Model(network, seed=0, **goal)
draws = np.random.default_rng(0)
images = draws.standard_normal((batch, *network.input_shape)).astype(np.float32)
before = seconds()
if kind == "train":
    model.train_step(images, np.arange(batch) % network.output_shape[0])
else:
    model.predict(images)
after = seconds()
print(json.dumps([b - a for a, b in zip(start + before, before + after)]))
"""


def times(case: str, folder: str) -> list[float]:
    """Return wall and processor seconds of setting up, and of the first call."""
    made = subprocess.run(
        [sys.executable, "-c", SCRIPT, case],
        env=os.environ | {"PELLUCID_CACHE": folder},
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[float] = json.loads(made.stdout)
    return found


def main() -> None:
    """Measure all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("cases", nargs="*", default=CASES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    rounds: dict[str, list[list[float]]] = {}
    for _ in range(given.rounds):
        for case in given.cases:
            with tempfile.TemporaryDirectory() as folder:
                for state in ("cold", "from the disk"):
                    entry = rounds.setdefault(f"{case}, {state}", [])
                    entry.append(times(case, folder))
    results = {}
    for name, figures in rounds.items():
        least = [min(column) for column in zip(*figures, strict=True)]
        keys = ("setup_s", "setup_processor_s", "first_s", "first_processor_s")
        results[name] = {k: round(n, 3) for k, n in zip(keys, least, strict=True)}
        first = f"first call {least[2]:6.2f} s, processor {least[3]:6.2f} s"
        print(f"{name:<42} {first}; before it {least[0]:5.2f} s")
    if given.out:
        document = {"machine": describe_machine(), "results": results}
        given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

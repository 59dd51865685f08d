"""This file is what several processes give: throughput, and whether they train as one.

Run: ``python benchmarks/many_machines.py [--engines torch compiled] [--counts 1 2 4]
[--network mnist-torch] [--steps 60]``. Every job trains for so many steps with the same
global batch of 256 from the same weights, one thread a process. Printed are the images
per second from the sixth step on, the ratio to one process, and how far the weights
are from those of one process afterwards, ‖a − b‖∞ / ‖b‖∞ of the worst array. About
10 minutes. More processes than processors show what talking costs, not what it gains.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from pellucid.compare.timing.jobs import Job
from pellucid.engines import NAMES, missing_package

SCRIPT = """
import json, sys, time
import numpy as np
import pellucid as pl
from pellucid.engines.world import world_of
engine, network, steps, dtype, out = sys.argv[1:6]
class Clock(pl.Callback):
    times = []
    def on_step(self, trainer, loss):
        self.times.append(time.perf_counter())
made = pl.engines.make(engine, **({"threads": 1} if engine == "compiled" else {}))
model = pl.Model(pl.zoo(network), engine=made, loss="cross_entropy",
                 optimizer=pl.Adam(1e-3), dtype=dtype, seed=0)
train, _ = pl.data.load("mnist")
data = train.images[: 256 * int(steps)], train.labels[: 256 * int(steps)]
model.fit(data, epochs=1, batch_size=256, callbacks=[Clock()], progress=False)
if world_of(model.engine).rank == 0:
    rate = 256 * (len(Clock.times) - 6) / (Clock.times[-1] - Clock.times[5])
    np.savez(out, rate=rate, **dict(model.weights))
"""


def run(job: Job, folder: Path) -> None:
    """Run a job to its end."""
    processes = [
        subprocess.Popen(
            start.command,
            cwd=folder,
            env={**os.environ, "OMP_NUM_THREADS": "1", **start.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for start in job.starts()
    ]
    for process in processes:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"{job.engine}, {len(job.places)} processes: {said}")


def apart(mine: dict[str, np.ndarray], theirs: dict[str, np.ndarray]) -> float:
    """Return ‖a − b‖∞ / ‖b‖∞ of the worst array."""
    return max(
        float(np.abs(mine[name] - array).max() / max(np.abs(array).max(), 1e-12))
        for name, array in theirs.items()
        if name != "rate"
    )


def main() -> None:
    """Print a row for each engine and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=list(NAMES[1:]))
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2, 4])
    parser.add_argument("--network", default="mnist-torch")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    rows = []
    print("| engine | processes | images/s | of one | apart from one |")
    print("|---|---|---|---|---|")
    for engine in given.engines:
        if missing_package(engine) is not None:
            continue
        one: dict[str, np.ndarray] = {}
        for count in dict.fromkeys([1, *given.counts]):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                (folder / "fit.py").write_text(SCRIPT)
                words = [engine, given.network, str(given.steps), given.dtype, "out"]
                run(Job.here(engine, ("fit.py", *words), count), folder)
                found = dict(np.load(folder / "out.npz"))
            one = one or found
            rate, share = float(found["rate"]), float(found["rate"] / one["rate"])
            row = {"engine": engine, "processes": count, "images_per_s": rate}
            rows.append(row | {"of_one": share, "apart": apart(found, one)})
            print(
                f"| {engine} | {count} | {rate:,.0f} | {share:.2f} "
                f"| {rows[-1]['apart']:.1e} |",
                flush=True,
            )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

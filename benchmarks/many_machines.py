"""What several processes give: throughput, and whether they train as one.

Run: ``python benchmarks/many_machines.py [--engines torch compiled] [--counts 1 2 3 4]
[--network mnist-torch] [--steps 60]``. Every job trains for so many steps with the same
global batch of 256 from the same weights, each process on one processor. Printed are
the images per second from the sixth step on, the ratio to one process, and how far
weights and optimizer state are from those of one process afterwards, ‖a − b‖∞ / ‖b‖∞ of
the worst array. In float64 that shows whether the same is computed. In float32 training
amplifies what rounding began; beside it stands how far one process in float32 is from
float64. About 25 minutes. More processes than processors show what talking costs, not
what it gains.
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

from pellucid.benchmark.jobs import Job
from pellucid.engines import NAMES, missing_package

State = dict[str, np.ndarray]

SCRIPT = """
import json, os, sys, time
names = "PMI_RANK", "RANK", "JAX_PROCESS_ID"
task = json.loads(os.environ.get("TF_CONFIG", "{}")).get("task", {"index": 0})
rank = next((int(os.environ[n]) for n in names if n in os.environ), task["index"])
processors = sorted(os.sched_getaffinity(0))
os.sched_setaffinity(0, {processors[rank % len(processors)]})
import numpy as np
import pellucid as pl
from pellucid.engines.distributed import world_of
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
    np.savez(out, rate=rate, **model.state())
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
        for start in job.launches()
    ]
    for process in processes:
        _, said = process.communicate()
        if process.returncode:
            raise SystemExit(f"{job.engine}, {len(job.hosts)} processes: {said}")


def trained(engine: str, dtype: str, count: int, words: list[str]) -> State:
    """Return the state that so many processes end in, and their rate."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "fit.py").write_text(SCRIPT)
        script = ("fit.py", engine, *words, dtype, "out")
        run(Job.on_this_machine(engine, script, count), folder)
        return dict(np.load(folder / "out.npz"))


def apart(mine: State, theirs: State) -> tuple[float, str]:
    """Return ‖a − b‖∞ / ‖b‖∞ of the worst array, and its name."""
    distances = {
        name: np.abs(mine[name] - array).max() / max(np.abs(array).max(), 1e-12)
        for name, array in theirs.items()
        if name != "rate"
    }
    worst = max(distances, key=lambda name: distances[name])
    return float(distances[worst]), worst


def main() -> None:
    """Print a row for each engine, dtype and number of processes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engines", nargs="+", default=list(NAMES[1:]))
    parser.add_argument("--counts", nargs="+", type=int, default=[1, 2, 3, 4])
    parser.add_argument("--network", default="mnist-torch")
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--dtypes", nargs="+", default=["float64", "float32"])
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    words = [given.network, str(given.steps)]
    rows = []
    exact = trained("numpy", "float64", 1, words) if "float32" in given.dtypes else {}
    print("| engine | dtype | processes | images/s | of one | apart from one | in |")
    print("|---|---|---|---|---|---|---|")
    for engine in given.engines:
        if missing_package(engine) is not None:
            continue
        for dtype in given.dtypes:
            if engine == "compiled" and dtype == "float64":
                continue  # has float32 only
            one: State = {}
            for count in dict.fromkeys([1, *given.counts]):
                found = trained(engine, dtype, count, words)
                one = one or found
                rate = float(found["rate"])
                row = {"engine": engine, "dtype": dtype, "processes": count}
                row |= {"images_per_s": rate, "of_one": rate / float(one["rate"])}
                far, where = apart(found, one)
                told = f"{far:.1e} | {where}"
                if count == 1:
                    told = "|"
                    if dtype == "float32":
                        far, where = apart(one, exact)
                        told = f"(from float64: {far:.1e}) | {where}"
                rows.append(row | {"apart": far, "array": where})
                print(
                    f"| {engine} | {dtype} | {count} | {rate:,.0f} "
                    f"| {row['of_one']:.2f} | {told} |",
                    flush=True,
                )
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

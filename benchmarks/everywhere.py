"""Size, memory and processor time of one network's exports; prints Markdown tables.

Usage: python benchmarks/everywhere.py [NETWORK] [--cold]

Everything runs on one thread and is measured in processor time, the least of several
rounds, so that other work on the machine counts little. With ``--cold`` instead how
long it takes to export the network for prediction, each target in processes of
their own with an empty folder for code: seconds from start to end, and of processors.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import pellucid as pl
from pellucid.engines.compiled.engine import CompiledEngine
from pellucid.engines.compiled.standalone import build
from pellucid.exchange.native.run import link, runs_here
from pellucid.exchange.native.targets import TARGETS, find_target

ROUNDS, BATCH = 9, 64
COLD_ROUNDS = 3
EXPORT = """
import sys
import pellucid as pl
name, suffix = sys.argv[1:]
model = pl.load("m.pellucid", engine="numpy")
pl.exchange.write(model, "net" + suffix, target=name)
"""
NODE = """
import { readFileSync } from "node:fs";
const model = await import(process.argv[1]);
const bytes = readFileSync(0);
const x = new Float32Array(bytes.buffer.slice(bytes.byteOffset,
  bytes.byteOffset + bytes.length));
const one = model.inputShape.reduce((a, b) => a * b), labels = new Array(64).fill(3);
const least = (calls, run) => {
  let best = Infinity;
  for (let i = 0; i < 9; i++) {
    const begin = process.cpuUsage();
    for (let k = 0; k < calls; k++) run();
    const used = process.cpuUsage(begin);
    best = Math.min(best, (used.user + used.system) / calls);
  }
  return best;
};
const first = x.subarray(0, one);
for (let i = 0; i < 200; i++) model.predict(first);
const said = { one: least(200, () => model.predict(first)) };
if (model.trainStep) {
  said.many = least(8, () => model.predict(x));
  for (let i = 0; i < 5; i++) model.trainStep(x, labels, 1e-4);
  said.step = least(8, () => model.trainStep(x, labels, 1e-4));
}
console.log(JSON.stringify(said));
"""


def least(calls: int, run: Callable[[], Any]) -> float:
    """Return the microseconds of processor time of a call, the least of all rounds."""
    found = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        for _ in range(calls):
            run()
        found.append((time.process_time() - begin) / calls * 1e6)
    return min(found)


def sizes(model: pl.Model) -> None:
    """Print the size of code and memory for each target."""
    print("| target | code | with weights | memory, prediction | memory, training |")
    print("|---|---:|---:|---:|---:|")
    weights = sum(a.nbytes for a in model.weights.values())
    given: Any = {"loss": model.loss, "optimizer": model.optimizer, "images": BATCH}
    for name, target in TARGETS.items():
        plain = build(target.machine, model.network, model.weights, prefix="m")
        whole = build(target.machine, model.network, model.weights, prefix="m", **given)
        cells = (
            (len(plain.code) - weights) / 1024,
            len(plain.code) / 1024,
            plain.memory / 1024,
            whole.memory / 1024,
        )
        print(f"| `{name}` | " + " | ".join(f"{n:,.0f} KiB" for n in cells) + " |")


def speed(model: pl.Model) -> None:
    """Print the processor time of one image, 64 images and a training step of 64."""
    network = model.network
    x = np.random.default_rng(0).normal(size=(BATCH, *network.input_shape))
    x = x.astype(np.float32)
    labels = np.full(BATCH, 3, np.int32)
    session = pl.Model(
        network,
        engine=CompiledEngine(threads=1, amx=False),
        loss=model.loss,
        optimizer=model.optimizer,
    ).session
    rows: dict[str, list[float]] = {}
    session.predict(x[:1])
    rows["compiled engine"] = [
        least(300, lambda: session.predict(x[:1])),
        least(8, lambda: session.predict(x)),
    ]
    session.train_step(x, labels, learning_rate=1e-4)
    rows["compiled engine"].append(
        least(8, lambda: session.train_step(x, labels, learning_rate=1e-4))
    )
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        for name in (n for n in TARGETS if runs_here(TARGETS[n])):
            rows[f"native, `{name}`"] = native(model, place, name, x, labels)
        pl.exchange.write(model, place / "c.c")
        command = ["gcc", "-O3", "-shared", "-fPIC", "c.c", "-lm"]
        subprocess.run([*command, "-o", "c.so"], cwd=place, check=True)
        function = ctypes.CDLL(str(place / "c.so")).c_predict
        rows["C export, gcc -O3"] = [least(300, call(function, network, x[0], 1 << 24))]
        for file, title in (("m.wasm.mjs", "WebAssembly"), ("m.mjs", "JavaScript")):
            train = {"train": True} if "wasm" in file else {}
            path = pl.exchange.write(model, place / file, **train)
            done = subprocess.run(
                ["node", "--input-type=module", "--eval", NODE, "--", str(path)],
                input=x.tobytes(),
                capture_output=True,
                check=True,
            )
            rows[f"{title} in Node"] = list(json.loads(done.stdout).values())
    print("\n| | one image | 64 images | training step of 64 |\n|---|---:|---:|---:|")
    for name, found in rows.items():
        cells = [f"{us / 1000:.3f} ms" for us in found] + ["–"] * (3 - len(found))
        print(f"| {name} | " + " | ".join(cells) + " |")


def cold(model: pl.Model) -> None:
    """Print how long an export takes with nothing compiled before."""
    print("| target | seconds | of processors |\n|---|---:|---:|")
    for name in TARGETS:
        suffix = ".wasm.mjs" if name.startswith("wasm") else ".a"
        found = []
        for _ in range(COLD_ROUNDS):
            with tempfile.TemporaryDirectory() as folder:
                place = Path(folder)
                model.save(place / "m.pellucid")
                begin, before = time.perf_counter(), os.times()
                subprocess.run(
                    [sys.executable, "-c", EXPORT, name, suffix],
                    cwd=place,
                    env=os.environ | {"PELLUCID_CACHE": folder},
                    check=True,
                )
                used = os.times()
                found.append(
                    (
                        time.perf_counter() - begin,
                        used.children_user
                        + used.children_system
                        - before.children_user
                        - before.children_system,
                    )
                )
        wall, processor = (min(column) for column in zip(*found, strict=True))
        print(f"| `{name}` | {wall:.2f} | {processor:.2f} |", flush=True)


def call(function: Any, network: pl.Network, image: Any, size: int) -> Any:
    """Return a call of a predicting function of C."""
    output, memory = np.zeros(network.output_shape, np.float32), np.zeros(size, "u1")
    given = [ctypes.c_void_p(a.ctypes.data) for a in (image, output, memory)]

    def run(kept: Any = (image, output, memory)) -> None:
        function(*given)

    return run


def native(model: pl.Model, place: Path, name: str, x: Any, labels: Any) -> list[float]:
    """Return the times of a native library."""
    one, all_ = place / f"{name}.a", place / f"{name}-train.a"
    pl.exchange.write(model, one, target=name)
    pl.exchange.write(model, all_, target=name, train=True, batch_size=BATCH)
    stem = name.replace("-", "_")
    predict = getattr(ctypes.CDLL(str(link(one, find_target(name)))), f"{stem}_predict")
    library = ctypes.CDLL(str(link(all_, find_target(name))))
    memory, loss = np.zeros(1 << 26, np.uint8), np.zeros(1, np.float32)
    pointers = [ctypes.c_void_p(a.ctypes.data) for a in (x, labels, loss, memory)]
    getattr(library, f"{stem}_train_init")(pointers[3])
    step = getattr(library, f"{stem}_train_train_step")
    given = (*pointers[:2], ctypes.c_int64(BATCH), ctypes.c_float(1e-4), *pointers[2:])
    once = call(predict, model.network, x[0], 1 << 24)

    def many() -> None:
        for _ in range(BATCH):
            once()

    return [least(300, once), least(8, many), least(8, lambda: step(*given))]


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("network", nargs="?", default="mnist-torch")
    parser.add_argument("--cold", action="store_true")
    given = parser.parse_args()
    network = pl.zoo(given.network)
    optimizer = pl.Adam(1e-3)
    model = pl.Model(
        network, engine="numpy", loss="cross_entropy", optimizer=optimizer, seed=0
    )
    if given.cold:
        cold(model)
        return
    sizes(model)
    speed(model)


if __name__ == "__main__":
    main()

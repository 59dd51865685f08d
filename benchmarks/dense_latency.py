"""Dense networks of microseconds, one image: the compiled engine beside LiteRT.

Run: ``python benchmarks/dense_latency.py [--rounds 30] [--out FILE]``. Float32 networks
with weights drawn from seed 0, one thread, processor time; LiteRT reads the file that
pellucid writes. The contenders take turns, a hundred calls each, forth in one round and
back in the next. Prints the least and the median in microseconds of a call from Python,
and the ratio of LiteRT's least to ours.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter

import pellucid as pl
from pellucid.machine import describe_machine

CALLS = 100
#: widths: MLPerf Tiny's anomaly detection, a keyword head on 49 × 10 coefficients, the
#: head of a keyword network, and MNIST's classic
NETWORKS = {
    "autoencoder": (640, 128, 128, 128, 128, 8, 128, 128, 128, 128, 640),
    "keyword": (490, 144, 144, 144, 12),
    "keyword head": (64, 12),
    "mnist": (784, 128, 10),
}


def network_of(widths: tuple[int, ...]) -> pl.Network:
    """Return dense layers with ReLU between them."""
    layers: list[Any] = [pl.Input(widths[0])]
    for width in widths[1:-1]:
        layers.append(pl.Dense(width, activation="relu"))
    return pl.Sequential(*layers, pl.Dense(widths[-1]))


def compare(widths: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Return each contender's microseconds."""
    engine = pl.engines.compiled(threads=1)
    model = pl.Model(network_of(widths), engine=engine, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.tflite"
        pl.exchange.write(model, path)
        runtime = Interpreter(str(path), num_threads=1)
        runtime.allocate_tensors()
    (entry,), (end,) = runtime.get_input_details(), runtime.get_output_details()
    image = np.random.default_rng(0).standard_normal((1, widths[0])).astype(np.float32)

    def litert() -> Any:
        runtime.set_tensor(entry["index"], image)
        runtime.invoke()
        return runtime.get_tensor(end["index"])

    def compiled() -> Any:
        return model.predict(image)

    for _ in range(2):
        np.testing.assert_allclose(compiled(), litert(), atol=1e-4)
    calls: dict[str, Callable[[], Any]] = {"compiled": compiled, "LiteRT": litert}
    found: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(rounds):
        for name in list(calls) if turn % 2 else reversed(calls):
            begin = time.process_time_ns()
            for _ in range(CALLS):
                calls[name]()
            found[name].append((time.process_time_ns() - begin) / CALLS / 1e3)
    return {name: {"least": min(v), "median": median(v)} for name, v in found.items()}


def main() -> None:
    """Print one line a network."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    results = {}
    for name, widths in NETWORKS.items():
        results[name] = us = compare(widths, given.rounds)
        ratio = us["LiteRT"]["least"] / us["compiled"]["least"]
        shown = (f"{k} {v['least']:.1f} ({v['median']:.1f})" for k, v in us.items())
        print(f"{name:13} µs: {', '.join(shown)}; ratio {ratio:.2f}")
    if given.out:
        document = {"machine": describe_machine(), "microseconds": results}
        given.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

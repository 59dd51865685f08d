"""How the numpy engine compares with PyTorch's eager step.

Run: ``python benchmarks/numpy_engine.py``. One training step of mnist-torch (64 real
MNIST images, cross-entropy, Adam), both in this process and in turn, batches in memory.
Prints medians, quartiles, the ratio of medians, and the peak memory of the numpy engine
(measured in a process of its own).
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np

import pellucid as pl

ROUNDS, STEPS = 10, 5


def batch() -> tuple[np.ndarray, np.ndarray]:
    """Return 64 preprocessed MNIST images and their labels."""
    train, _ = pl.data.load("mnist")
    how = pl.zoo("mnist-torch").preprocessing
    return how.apply(np.asarray(train.images[:64])), train.labels[:64]


def numpy_step(x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return a step on the numpy engine."""
    model = pl.Model(
        pl.zoo("mnist-torch"),
        engine="numpy",
        loss="cross_entropy",
        optimizer=pl.Adam(1e-3),
    )
    return lambda: model.session.train_step(x, y, learning_rate=1e-3)


def torch_step(x: np.ndarray, y: np.ndarray) -> Callable[[], object]:
    """Return a plain eager step in PyTorch."""
    import torch
    from torch import nn

    net = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(3136, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    images = torch.from_numpy(x.transpose(0, 3, 1, 2).copy())
    labels = torch.from_numpy(y)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def peak_memory_bytes() -> int:
    """Return the peak memory of a process that only trains on the numpy engine."""
    script = "import numpy_engine as n; print(n.own_peak_bytes())"
    folder = str(__import__("pathlib").Path(__file__).parent)
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    return int(run.stdout)


def own_peak_bytes() -> int:
    """Train ten steps and return this process's peak memory."""
    step = numpy_step(*batch())
    for _ in range(10):
        step()
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def main() -> None:
    """Measure and print one JSON object."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    x, y = batch()
    steps = {"numpy": numpy_step(x, y), "torch": torch_step(x, y)}
    times: dict[str, list[float]] = {name: [] for name in steps}
    for _ in range(ROUNDS):
        for name, step in steps.items():
            step()  # warm-up after the change
            for _ in range(STEPS):
                start = time.perf_counter()
                step()
                times[name].append((time.perf_counter() - start) * 1e3)
    medians = {name: statistics.median(values) for name, values in times.items()}
    quartiles = {
        name: statistics.quantiles(values, n=4)[::2] for name, values in times.items()
    }
    report = {
        "what": "training step, mnist-torch, 64 real images, Adam",
        "runs": ROUNDS * STEPS,
        "median_ms": {k: round(v, 2) for k, v in medians.items()},
        "quartiles_ms": {k: [round(q, 2) for q in v] for k, v in quartiles.items()},
        "ratio_to_torch": round(medians["numpy"] / medians["torch"], 2),
        "numpy_peak_memory_MiB": round(peak_memory_bytes() / 2**20),
        "machine": platform.processor() or platform.machine(),
        "numpy": np.__version__,
    }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

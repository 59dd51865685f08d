"""This file is how well the two MNIST networks learn: five epochs, several seeds.

Run: ``python benchmarks/accuracy.py [--engine compiled] [--seeds 3]``. Adam 1e-3,
batch 64, 5 epochs on the 60,000 training images; accuracy on the 10,000 test images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

import pellucid as pl


def train_once(name: str, engine: str, seed: int) -> tuple[float, float]:
    """Return test accuracy in percent and seconds of training."""
    train, test = pl.data.load("mnist")
    model = pl.Model(
        pl.zoo(name),
        engine=engine,
        loss="cross_entropy",
        optimizer=pl.Adam(1e-3),
        seed=seed,
    )
    start = time.perf_counter()
    model.fit(train, epochs=5, batch_size=64, progress=False)
    seconds = time.perf_counter() - start
    return 100 * model.evaluate(test)["accuracy"], seconds


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="compiled")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    report = {}
    for name in ("mnist-torch", "mnist-keras"):
        runs = [train_once(name, options.engine, s) for s in range(options.seeds)]
        accuracies = [accuracy for accuracy, _ in runs]
        report[name] = {
            "engine": options.engine,
            "test_accuracy_percent": [round(a, 2) for a in accuracies],
            "mean_percent": round(statistics.mean(accuracies), 3),
            "fit_seconds": [round(s, 1) for _, s in runs],
        }
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()

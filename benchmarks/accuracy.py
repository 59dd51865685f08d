"""How well the two MNIST networks learn: five epochs, several seeds.

Run: ``python benchmarks/accuracy.py [--engine compiled] [--seeds 3]``. The built-in
recipes: Adam 1e-3, batch 64, 5 epochs on the 60,000 training images (mnist-cosine with
a cosine schedule); accuracy on the 10,000 test images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time

from pellucid import recipes


def train_once(name: str, engine: str, seed: int) -> tuple[float, float]:
    """Return test accuracy in percent and seconds of training."""
    recipe = recipes.override(recipes.read(name), {"seed": seed})
    start = time.perf_counter()
    outcome = recipes.train(recipe, engine=engine, progress=False)
    seconds = time.perf_counter() - start
    return 100 * outcome.metrics["accuracy"], seconds


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", default="compiled")
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    report = {}
    for name in ("mnist-torch", "mnist-cosine", "mnist-keras"):
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

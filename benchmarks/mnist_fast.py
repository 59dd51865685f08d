"""How the recipe `mnist-fast` was chosen, and what it reaches.

``python benchmarks/mnist_fast.py search`` trains variants of the recipe on 50,000 of
MNIST's training images and tests them on the other 10,000; it never opens the test
images. ``python benchmarks/mnist_fast.py final`` trains the recipe as it stands on all
60,000, in the way of ``pellucid train``, with ten seeds that no search has used, and
tests once. Both write to benchmarks/results/.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pellucid as pl
from pellucid import recipes
from pellucid.benchmark.machine_load import Calibration
from pellucid.machine import describe_machine
from pellucid.network import to_json
from pellucid.objectives import schedule_from_json
from pellucid.recipes.builders import build_augment, build_model
from pellucid.runs import provenance
from pellucid.runs.recipe import Recipe

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
HELD_OUT, SPLIT_SEED = 10_000, 2026
FRESH_SEEDS = range(1000, 1010)
TARGET = 0.99
Changes = Mapping[str, Any]


def _rate(rate: float) -> dict[str, float]:
    return {"optimizer.learning_rate": rate}


def _network(*layers: Any, name: str) -> dict[str, Any]:
    """Return another network between the recipe's input and its output, as JSON."""
    how = pl.zoo("mnist-fast").preprocessing
    ends = pl.Input(28, 28, 1), pl.Dense(10)
    network = pl.Sequential(ends[0], *layers, ends[1], name=name, preprocessing=how)
    document: dict[str, Any] = to_json(network)
    return document


def _batch_norm() -> dict[str, Any]:
    def block(channels: int, size: int) -> list[Any]:
        start = "he_normal"
        conv = pl.Conv2D(channels, size, bias=False, weight_initializer=start)
        return [conv, pl.BatchNorm(), pl.ReLU(), pl.MaxPool2D(2)]

    head = [pl.Flatten(), pl.Dense(64, activation="relu")]
    return _network(*block(16, 3), *block(32, 3), *head, name="batch-norm")


def _no_first_pool() -> dict[str, Any]:
    return _network(
        pl.Conv2D(16, 5, stride=2, padding=2, activation="relu"),
        pl.Conv2D(32, 3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(64, activation="relu"),
        name="stride-2",
    )


def _half_size() -> dict[str, Any]:
    return _network(
        pl.AvgPool2D(2),
        pl.Conv2D(32, 3, activation="relu"),
        pl.Conv2D(32, 3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        pl.Dense(64, activation="relu"),
        name="half-size",
    )


def _no_hidden_layer() -> dict[str, Any]:
    return _network(
        pl.Conv2D(16, 3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Conv2D(32, 3, activation="relu"),
        pl.MaxPool2D(2),
        pl.Flatten(),
        name="no-hidden-layer",
    )


_STANDARD = {"scale": [1 / (255 * 0.3081)], "offset": [-0.1307 / 0.3081]}
_SGD = {"optimizer.name": "sgd", "optimizer.momentum": 0.9, "optimizer.nesterov": True}

#: what is tried: the recipe, and one thing changed in each of the others
VARIANTS: dict[str, Changes] = {
    "the recipe": {},
    "1 epoch": {"epochs": 1},
    "3 epochs": {"epochs": 3},
    "batches of 32": {"batch_size": 32},
    "batches of 128": {"batch_size": 128},
    "batches of 128 and what suits them": {
        "batch_size": 128,
        "optimizer.beta1": 0.8,
        "optimizer.beta2": 0.95,
        **_rate(0.012),
    },
    "half the learning rate": _rate(0.003),
    "twice the learning rate": _rate(0.012),
    "Adam's beta2 0.999": {"optimizer.beta2": 0.999},
    "momentum instead of Adam": {**_SGD, **_rate(0.1)},
    "one cycle as it is by default": {"schedule": {"name": "one_cycle"}},
    "cosine": {"schedule": {"name": "cosine"}},
    "constant learning rate": {"schedule": {"name": "constant"}},
    "no label smoothing": {"loss.label_smoothing": 0.0},
    "label smoothing 0.05": {"loss.label_smoothing": 0.05},
    "images stay where they are": {"augment": None},
    "moved by up to 2 pixels": {"augment.shift": 2},
    "turned by up to 8 degrees as well": {"augment.rotate": 8},
    "pixels by mean and deviation": {"preprocessing": _STANDARD},
    "first kernels 5×5": {"conv2d.kernel_size": 5},
    "32 channels after the first": {"conv2d.out_channels": 32},
    "16 channels after the second": {"conv2d_1.out_channels": 16},
    "64 channels after the second": {"conv2d_1.out_channels": 64},
    "32 units": {"dense.units": 32},
    "128 units": {"dense.units": 128},
    "no hidden dense layer": {"network": _no_hidden_layer()},
    "stride 2 instead of the first pool": {"network": _no_first_pool()},
    "batch norm": {"network": _batch_norm()},
    "images of half the size": {"network": _half_size()},
    "the network of mnist-torch": {"network": "mnist-torch"},
    "1 epoch, 5×5 first, 128 units, batches of 48": {
        "conv2d.kernel_size": 5,
        "dense.units": 128,
        "epochs": 1,
        "batch_size": 48,
        **_rate(0.005),
    },
}


class Clock(pl.Callback):
    """Keep the seconds of the training."""

    seconds = 0.0

    def on_end(self, trainer: Any) -> None:
        """Note them."""
        self.seconds = trainer.training_s


def search(options: argparse.Namespace) -> None:
    """Try the variants on held-out training images."""
    images, _ = pl.data.load("mnist")
    train, held_out = images.split(HELD_OUT / len(images), seed=SPLIT_SEED)
    chosen = options.only or list(VARIANTS)
    threads = options.threads
    options.engine_options = {} if threads is None else {"threads": threads}
    found = []
    for name in chosen:
        changes = {**VARIANTS[name], "engine_options": options.engine_options}
        recipe = recipes.override(recipes.read("mnist-fast"), changes)
        runs = [_try(recipe, seed, train, held_out) for seed in range(options.seeds)]
        found.append(_summary(name, runs))
        print(_line(found[-1]), flush=True)
    document = {**_surroundings(), "held_out_images": len(held_out), "variants": found}
    if options.only is None:
        _write("mnist-fast-search.json", document)


def _try(
    recipe: Recipe, seed: int, train: pl.Dataset, held_out: pl.Dataset
) -> tuple[float, float]:
    """Return accuracy on the held-out images and seconds of training."""
    model, clock = build_model(recipes.override(recipe, {"seed": seed})), Clock()
    model.fit(
        train,
        epochs=recipe.epochs,
        batch_size=recipe.batch_size,
        schedule=schedule_from_json(recipe.schedule),
        augment=build_augment(recipe),
        callbacks=[clock],
        progress=False,
    )
    return model.evaluate(held_out)["accuracy"], clock.seconds


def _summary(name: str, runs: list[tuple[float, float]]) -> dict[str, Any]:
    accuracies, seconds = ([run[i] for run in runs] for i in (0, 1))
    return {
        "name": name,
        "accuracy": [round(a, 4) for a in accuracies],
        "mean_accuracy": round(statistics.mean(accuracies), 5),
        "least_seconds": round(min(seconds), 3),
    }


def _line(variant: Mapping[str, Any]) -> str:
    each = " ".join(f"{100 * a:.2f}" for a in variant["accuracy"])
    mean, seconds = 100 * variant["mean_accuracy"], variant["least_seconds"]
    return f"{variant['name']:36} {mean:.2f} % ({each})  {seconds:.2f} s"


def final(options: argparse.Namespace) -> None:
    """Train the recipe with fresh seeds, and look at the test images."""
    calibration = Calibration()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["PELLUCID_CACHE"] = f"{folder}/cache"  # the first compiles cold
        seeds = []
        for seed in list(FRESH_SEEDS)[: options.seeds]:
            slowdown = calibration.slowdown()
            recipe = recipes.override(recipes.read("mnist-fast"), {"seed": seed})
            run = Path(folder) / f"run-{seed}"
            outcome = recipes.train(recipe, run=run, progress=False)
            slowdown = max(slowdown, calibration.slowdown())
            seeds.append(
                {
                    "seed": seed,
                    "test_accuracy": outcome.metrics["accuracy"],
                    "test_accuracy_of_three_views": _of_views(outcome),
                    "training_s": round(outcome.training_s, 3),
                    "compiling_s": round(outcome.compiling_s, 3),
                    "slowdown": round(slowdown, 2),
                }
            )
            print(json.dumps(seeds[-1]), flush=True)
    document = {**_surroundings(), **_conclusion(seeds), "seeds": seeds}
    if options.seeds == len(FRESH_SEEDS):
        _write("mnist-fast.json", document)
    print(json.dumps(_conclusion(seeds), indent=1))


def _of_views(outcome: recipes.Outcome) -> float:
    """Return the accuracy of the mean over the image and two that are moved."""
    views = pl.TestTimeAugment(flip=False, shift=1)
    return outcome.model.evaluate(outcome.test, tta=views)["accuracy"]


def _conclusion(seeds: list[dict[str, Any]]) -> dict[str, Any]:
    accuracies = [s["test_accuracy"] for s in seeds]
    seconds = [s["training_s"] for s in seeds]
    return {
        "mean_test_accuracy": round(statistics.mean(accuracies), 5),
        "least_test_accuracy": min(accuracies),
        "mean_test_accuracy_of_three_views": round(
            statistics.mean(s["test_accuracy_of_three_views"] for s in seeds), 5
        ),
        "is_reached": statistics.mean(accuracies) >= TARGET,
        "median_training_s": round(statistics.median(seconds), 3),
        "least_training_s": min(seconds),
        "most_training_s": max(seconds),
        "compiling_cold_s": seeds[0]["compiling_s"],
        "compiling_from_disk_s": statistics.median(s["compiling_s"] for s in seeds[1:])
        if seeds[1:]
        else None,
    }


def _surroundings() -> dict[str, Any]:
    recipe = recipes.read("mnist-fast").model_dump(mode="json", exclude_none=True)
    here = {"machine": describe_machine(), "versions": provenance("compiled")}
    return {**here, "recipe": recipe}


def _write(name: str, document: Mapping[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    modes = parser.add_subparsers(required=True)
    trying = modes.add_parser("search", help="variants on held-out training images")
    trying.add_argument("--seeds", type=int, default=5)
    trying.add_argument("--threads", type=int)
    trying.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="VARIANT")
    trying.set_defaults(run=search)
    proving = modes.add_parser("final", help="ten fresh seeds on the test images")
    proving.add_argument("--seeds", type=int, default=len(FRESH_SEEDS))
    proving.set_defaults(run=final)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

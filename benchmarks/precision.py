"""What bfloat16 costs in accuracy: networks trained in both precisions, seed by seed.

``python benchmarks/precision.py [mnist-torch] [cifar10-fast] [--data ZIP]`` trains each
on a part of the training images by its recipe, with five seeds in either precision, and
tests it on 10,000 other training images; the test images stay unseen. The mean
difference in accuracy, with a 95 % interval by Student's t over the seeds, goes to
benchmarks/results/precision.json. Steps are timed by ``real_networks.py --bfloat16``.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from train_well import RESULTS, SEEDS, gain

import pellucid as pl
from pellucid import recipes
from pellucid.machine import describe_machine
from pellucid.model.fit import FitRequest, fit
from pellucid.recipes.builders import build_fit_config, build_model

HELD_OUT = 10_000
#: network → training images, and what of its recipe is changed for so few
PARTS = {
    "mnist-torch": (10_000, {"epochs": 2}),
    "cifar10-fast": (
        5_000,
        {
            "epochs": 6,
            "batch_size": 250,
            "optimizer.learning_rate": 0.46,
            "schedule.steps": 24,
            "tta": None,
        },
    ),
}
PRECISIONS = "float32", "bfloat16"


def main() -> None:
    """Train in both precisions and write the difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("networks", nargs="*", default=list(PARTS))
    parser.add_argument("--data", default="cifar10", help="CIFAR-10's name or file")
    options = parser.parse_args()
    path = RESULTS / "precision.json"
    rows = json.loads(path.read_text())["networks"] if path.exists() else {}
    for name in options.networks:
        source = "mnist" if name.startswith("mnist") else options.data
        found: dict[str, list[float]] = {precision: [] for precision in PRECISIONS}
        for seed in SEEDS:
            for precision in PRECISIONS:
                found[precision].append(score(name, source, seed, precision))
                print(name, precision, seed, found[precision][-1], flush=True)
        count, changes = PARTS[name]
        rows[name] = {
            "training_images": count,
            "held_out_images": HELD_OUT,
            "recipe_changes": changes,
            "accuracy": found,
            **gain(found, "bfloat16", "float32"),
        }
        document = {"machine": describe_machine(), "networks": rows}
        text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
        Path(path).write_text(text, encoding="utf-8")


def score(name: str, source: str, seed: int, precision: str) -> float:
    """Return the accuracy on held-out images after training in a precision."""
    count, changes = PARTS[name]
    images, _ = pl.data.load(source)
    rest, held_out = images.split(HELD_OUT / len(images), seed=0)
    _, train = rest.split(count / len(rest), seed=0)
    given = {"seed": seed, "engine_options.precision": precision, **changes}
    recipe = recipes.override(recipes.read(name), given)
    model = build_model(recipe)
    if recipe.whiten is not None:
        pl.whiten(model, train.images, recipe.whiten)
    config = build_fit_config(recipe)
    fit(model, FitRequest(data=train, config=config, shows_progress=False))
    return model.evaluate(held_out)["accuracy"]


if __name__ == "__main__":
    main()

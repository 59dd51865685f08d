"""What each technique of docs/train-well.md gains, on few images and with five seeds.

``python benchmarks/train_well.py`` trains the network of `mnist-fast` on 1,000 of
MNIST's training images for ten epochs, once without and once with each technique, and
tests it on 10,000 other training images; the test images stay unseen. It writes the
mean gain in accuracy over the seeds, with a 95 % interval by Student's t, to
benchmarks/results/train-well.json.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import pellucid as pl
from pellucid.machine import describe_machine

RESULTS = Path(__file__).parent / "results"
TRAINED, HELD_OUT, EPOCHS, BATCH = 1_000, 10_000, 10, 32
SEEDS = range(5)
_T = 2.776  # Student's t for 95 % and four degrees of freedom

#: technique → arguments of `fit`, of the model's construction and of `evaluate`
TECHNIQUES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "EMA, decay 0.98": {"fit": {"average": pl.EMA(decay=0.98)}},
    "SWA of the last four epochs": {"fit": {"average": pl.SWA(start=0.6)}},
    "Lookahead": {"fit": {"average": "lookahead"}},
    "one cycle": {"fit": {"schedule": "one_cycle"}},
    "polynomial to 0": {"fit": {"schedule": pl.Polynomial()}},
    "1 / (1 + kt)": {"fit": {"schedule": pl.InverseTime(decay=1.0, every=100)}},
    "shift by 2": {"fit": {"augment": pl.Augment(shift=2)}},
    "mixup, α 0.2": {"fit": {"augment": pl.Augment(mixup=0.2)}},
    "CutMix, α 1": {"fit": {"augment": pl.Augment(cutmix=1.0)}},
    "RandAugment, 1 of strength 9": {"fit": {"augment": pl.Augment(randaugment=1)}},
    "random resized crop": {"fit": {"augment": pl.Augment(resized_crop=0.6)}},
    "random erasing": {"fit": {"augment": pl.Augment(erase=0.25)}},
    "NAdam": {"optimizer": pl.NAdam(1e-3)},
    "Adagrad": {"optimizer": pl.Adagrad(1e-2)},
    "views moved by 1": {"evaluate": {"tta": pl.TestTimeAugment(flip=False, shift=1)}},
}


def main() -> None:
    """Train with each technique and seed, and write what it gains."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("technique", nargs="*", metavar="TECHNIQUE")
    asked = parser.parse_args().technique
    if unknown := [name for name in asked if name not in TECHNIQUES]:
        known = ", ".join(TECHNIQUES)
        parser.error(f"TECHNIQUE must be among {known}; got {unknown[0]!r}.")
    images, _ = pl.data.load("mnist")
    rest, held_out = images.split(HELD_OUT / len(images), seed=0)
    _, train = rest.split(TRAINED / len(rest), seed=0)
    chosen = asked or list(TECHNIQUES)
    found: dict[str, list[float]] = {}
    for name in dict.fromkeys(["nothing", *chosen]):
        how = TECHNIQUES[name]
        found[name] = [score(how, seed, train, held_out) for seed in SEEDS]
        print(name, found[name], json.dumps(gain(found, name)), flush=True)
    document = {
        "machine": describe_machine(),
        "training_images": len(train),
        "held_out_images": len(held_out),
        "epochs": EPOCHS,
        "techniques": {
            name: {"accuracy": values, **gain(found, name)}
            for name, values in found.items()
        },
    }
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / "train-well.json").write_text(text, encoding="utf-8")


def score(
    how: dict[str, Any], seed: int, train: pl.Dataset, held_out: pl.Dataset
) -> float:
    """Return the accuracy on the held-out images after training with a technique."""
    model = pl.Model(
        pl.zoo("mnist-fast"),
        loss="cross_entropy",
        optimizer=how.get("optimizer", pl.Adam(1e-3)),
        seed=seed,
    )
    model.fit(
        train, epochs=EPOCHS, batch_size=BATCH, progress=False, **how.get("fit", {})
    )
    return model.evaluate(held_out, **how.get("evaluate", {}))["accuracy"]


def gain(
    found: dict[str, list[float]], name: str, base: str = "nothing"
) -> dict[str, float]:
    """Return the mean gain over the base, seed by seed, and its interval's half."""
    pairs = zip(found[name], found[base], strict=True)
    gains = [100 * (one - base) for one, base in pairs]
    half = _T * statistics.stdev(gains) / len(gains) ** 0.5
    return {"gain": round(statistics.mean(gains), 2), "half_interval": round(half, 2)}


if __name__ == "__main__":
    main()

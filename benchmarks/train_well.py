"""What each technique of docs/train-well.md gains on CIFAR-10.

``python benchmarks/train_well.py --data cifar10.zip`` trains a small network on 4,000
of CIFAR-10's training images, once without and once with each technique, and tests it
on 5,000 other training images; the test images stay unopened. Gains are taken seed by
seed, with a 95 % interval by Student's t; the noise of a gain is that of all rows
together. benchmarks/results/train-well.json is written
after each training, and what it holds is not trained again: stopped, the same command
goes on. ``--table`` trains nothing and prints the page's table.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from cifar10_fast import load_training_images

import pellucid as pl
from pellucid.machine import describe_machine
from pellucid.network import to_json
from pellucid.objectives import Optimizer, Schedule
from pellucid.training import WeightAverage

RESULTS = Path(__file__).parent / "results"
TRAINED, HELD_OUT, EPOCHS, BATCH, RATE = 4_000, 5_000, 8, 32, 1e-3
SEEDS = range(5)
#: Student's t for 95 %, from one degree of freedom on
_T = 12.706, 4.303, 3.182, 2.776, 2.571, 2.447
_RARE, _KEPT = range(5), 10  # of these classes one image in so many is trained on


@dataclass(frozen=True, kw_only=True)
class Technique:
    """One thing that is done beside the base's training, or instead of a part of it."""

    paper: str = ""  # its identifier on arXiv, or what it is known by
    fit: Mapping[str, Any] = field(default_factory=dict)
    optimizer: Optimizer = field(default_factory=lambda: pl.Adam(RATE))
    smoothing: float = 0.0
    tta: pl.TestTimeAugment | None = None
    finds_rate: bool = False
    base: str = "nothing"  # what its gain is measured against


def _augment(paper: str, **given: Any) -> Technique:
    return Technique(paper=paper, fit={"augment": pl.Augment(**given)})


def _schedule(paper: str, schedule: Schedule, rate: float = RATE) -> Technique:
    return Technique(paper=paper, fit={"schedule": schedule}, optimizer=pl.Adam(rate))


def _average(paper: str, average: WeightAverage) -> Technique:
    return Technique(paper=paper, fit={"average": average})


def _optimizer(paper: str, optimizer: Optimizer) -> Technique:
    return Technique(paper=paper, optimizer=optimizer)


_STEPS = EPOCHS * -(-TRAINED // BATCH)
_COLOURS = {"brightness": 0.4, "contrast": 0.4, "saturation": 0.4, "hue": 0.1}
_JORDAN = "2404.00498"
TECHNIQUES: dict[str, Technique] = {
    "nothing": Technique(),
    "test-time views, mirrored": Technique(
        paper=_JORDAN, tta=pl.TestTimeAugment(flip=True)
    ),
    "test-time views, mirrored and moved": Technique(
        paper=_JORDAN, tta=pl.TestTimeAugment(flip=True, shift=1)
    ),
    "mirrored by chance": _augment("1409.1556", flip=True),
    "mirrored in every other epoch": _augment(_JORDAN, flip="alternating"),
    "shift by 2": _augment("AlexNet, 2012", shift=2),
    "shift by 2, edge mirrored": _augment(_JORDAN, shift=2, reflect=True),
    "crop after padding by 4": _augment("1512.03385", crop=4),
    "rotation by up to 10°": _augment("Simard et al. 2003", rotate=10),
    "random resized crop, 0.5": _augment("1409.4842", resized_crop=0.5),
    "cutout of 8 pixels": _augment("1708.04552", cutout=8),
    "random erasing, 0.25": _augment("1708.04896", erase=0.25),
    "colour jitter": _augment("1409.4842", **_COLOURS),
    "RandAugment, 1 of strength 9": _augment("1909.13719", randaugment=1),
    "RandAugment, 2 of strength 9": _augment("1909.13719", randaugment=2),
    "mixup, α 0.2": _augment("1710.09412", mixup=0.2),
    "CutMix, α 1": _augment("1905.04899", cutmix=1.0),
    "label smoothing 0.1": Technique(paper="1512.00567", smoothing=0.1),
    "EMA, decay 0.99": _average("Polyak & Juditsky 1992", pl.EMA(decay=0.99)),
    "SWA of the last half": _average("1803.05407", pl.SWA(start=0.5)),
    "Lookahead": _average("1907.08610", pl.Lookahead()),
    "cosine": _schedule("1608.03983", pl.Cosine()),
    "one cycle up to 0.004": _schedule("1708.07120", pl.OneCycle(), 4 * RATE),
    "polynomial to 0": _schedule("1606.00915", pl.Polynomial()),
    "a tenth after 3 of 4 epochs": _schedule(
        "1512.03385", pl.StepDecay(every=3 * EPOCHS // 4)
    ),
    "1 / (1 + kt), a third at the end": _schedule(
        "Robbins & Monro 1951", pl.InverseTime(decay=2.0, every=_STEPS)
    ),
    "cyclic, two triangles": _schedule("1506.01186", pl.Cyclic(rise=_STEPS // 4)),
    "warm-up over an epoch": _schedule("1706.02677", pl.WarmUp(_STEPS // EPOCHS)),
    "the rate finder's rate": Technique(paper="1506.01186", finds_rate=True),
    "SGD at 0.05, Nesterov 0.9": _optimizer(
        "Sutskever et al. 2013", pl.SGD(0.05, momentum=0.9, nesterov=True)
    ),
    "RMSprop": _optimizer("Tieleman & Hinton 2012", pl.RMSprop(RATE)),
    "AdamW, decay 0.05": _optimizer("1711.05101", pl.AdamW(RATE, weight_decay=0.05)),
    "NAdam": _optimizer("Dozat 2016", pl.NAdam(RATE)),
    "Adagrad at 0.01": _optimizer("Duchi et al. 2011", pl.Adagrad(0.01)),
    "gradients cut to norm 1": _optimizer("1211.5063", pl.Adam(RATE, clip_norm=1.0)),
    "accumulation of 4 parts": Technique(paper="1706.02677", fit={"accumulate": 4}),
    "rare classes": Technique(),
    "balanced sampler": Technique(
        paper="1710.05381", fit={"sampler": "balanced"}, base="rare classes"
    ),
    "balanced class weights": Technique(
        paper="1710.05381", fit={"class_weight": "balanced"}, base="rare classes"
    ),
}


#: what others are measured against
BASES = "nothing", "rare classes"


def build_network() -> pl.Network:
    """Return three convolutions of 16, 32 and 64 channels with batch norm and pools."""
    layers: list[Any] = [pl.Input(32, 32, 3)]
    for channels in (16, 32, 64):
        conv = pl.Conv2D(channels, kernel_size=3, padding="same", bias=False)
        layers += [conv, pl.BatchNorm(), pl.ReLU(), pl.MaxPool2D(2)]
    how = pl.zoo("resnet20").preprocessing
    layers += [pl.Flatten(), pl.Dense(10)]
    return pl.Sequential(layers, name="three-convolutions", preprocessing=how)


def describe_base() -> dict[str, Any]:
    """Return what every training shares."""
    return {
        "network": to_json(build_network()),
        "training_images": TRAINED,
        "held_out_images": HELD_OUT,
        "epochs": EPOCHS,
        "batch_size": BATCH,
        "optimizer": pl.Adam(RATE).to_json(),
    }


def measure(source: str, seeds: int, chosen: list[str]) -> None:
    """Train with each technique, all of them with one seed before the next."""
    path, base = RESULTS / "train-well.json", describe_base()
    found: dict[str, dict[str, list[float]]] = {}
    if path.exists():
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("base") == base:
            found = {
                name: {key: row[key] for key in ("accuracy", "cpu_s")}
                for name, row in document["techniques"].items()
            }
    data, kept = load(source), {}
    for seed in list(SEEDS)[:seeds]:
        for name in chosen:
            row = found.setdefault(name, {"accuracy": [], "cpu_s": []})
            if len(row["accuracy"]) != seed:
                continue
            accuracy, cpu_s = train_and_test(name, seed, data, kept)
            row["accuracy"].append(round(accuracy, 4))
            row["cpu_s"].append(round(cpu_s, 1))
            print(seed, name, accuracy, f"{cpu_s:.1f} s", flush=True)
            gains = conclude(found)
            rows = {key: row | gains.get(key, {}) for key, row in found.items()}
            document = {"machine": describe_machine(), "base": base, "techniques": rows}
            text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
            part = path.with_suffix(".part")  # whole, or not at all
            part.write_text(text, encoding="utf-8")
            part.replace(path)


def load(source: str) -> dict[str, pl.Dataset]:
    """Return training images, the same with rare classes, and others to test on."""
    images, held_out = load_training_images(source)
    _, train = images.split(TRAINED / len(images), seed=0)
    _, held_out = held_out.split(HELD_OUT / len(held_out), seed=0)
    train, held_out = (pl.Dataset(d.images[:], d.labels) for d in (train, held_out))
    is_rare = np.isin(train.labels, list(_RARE))
    kept = ~is_rare | (np.arange(len(train)) % _KEPT == 0)
    few = train.subset(np.flatnonzero(kept))
    return {"nothing": train, "rare classes": few, "held out": held_out}


def train_and_test(
    name: str, seed: int, data: Mapping[str, pl.Dataset], kept: dict[Any, Any]
) -> tuple[float, float]:
    """Return the accuracy on held-out images, and seconds of processor time.

    What was trained last is kept, for views of test images take the base's model.
    """
    technique = TECHNIQUES[name]
    key = (technique.base if technique.tta else name), seed
    if key not in kept:
        kept.clear()
        train = data[name if name in BASES else technique.base]
        kept[key] = _train(technique, seed, train)
    model, cpu_s = kept[key]
    begin = time.process_time()
    accuracy = model.evaluate(data["held out"], tta=technique.tta)["accuracy"]
    return accuracy, cpu_s + time.process_time() - begin


def _train(
    technique: Technique, seed: int, train: pl.Dataset
) -> tuple[pl.Model, float]:
    """Return the trained model and the processor time that it took."""
    optimizer, begin = technique.optimizer, time.process_time()
    if technique.finds_rate:
        twin = _build_model(optimizer, technique, seed)
        found = pl.find_learning_rate(twin, train, batch_size=BATCH)
        optimizer = pl.Adam(found.suggestion)
    model = _build_model(optimizer, technique, seed)
    model.fit(train, epochs=EPOCHS, batch_size=BATCH, progress=False, **technique.fit)
    return model, time.process_time() - begin


def _build_model(optimizer: Optimizer, technique: Technique, seed: int) -> pl.Model:
    return pl.Model(
        build_network(),
        engine=pl.engines.compiled(threads=1),
        loss=pl.CrossEntropy(label_smoothing=technique.smoothing),
        optimizer=optimizer,
        seed=seed,
    )


def conclude(
    found: Mapping[str, Mapping[str, list[float]]],
) -> dict[str, dict[str, float]]:
    """Return each technique's mean gain over its base, and its interval's half.

    With few seeds the spread of one row's gains says little about their noise, so
    that of all rows together is taken.
    """
    gains = {
        name: differences(row["accuracy"], found[TECHNIQUES[name].base]["accuracy"])
        for name, row in found.items()
        if name not in BASES and TECHNIQUES[name].base in found
    }
    gains = {name: row for name, row in gains.items() if len(row) > 1}
    if not gains:
        return {}
    degrees = sum(len(row) - 1 for row in gains.values())
    squares = (statistics.variance(row) * (len(row) - 1) for row in gains.values())
    deviation = (sum(squares) / degrees) ** 0.5
    return {
        name: {
            "gain": round(statistics.mean(row), 2),
            "half_interval": round(student(degrees) * deviation / len(row) ** 0.5, 2),
        }
        for name, row in gains.items()
    }


def differences(one: list[float], other: list[float]) -> list[float]:
    """Return the gains in points of the seeds that are known of both."""
    return [100 * (a - b) for a, b in zip(one, other, strict=False)]


def gain(found: Mapping[str, list[float]], name: str, base: str) -> dict[str, float]:
    """Return the mean gain of one row over another, by the spread of its own gains."""
    gains = differences(found[name], found[base])
    half = student(len(gains) - 1) * statistics.stdev(gains) / len(gains) ** 0.5
    return {"gain": round(statistics.mean(gains), 2), "half_interval": round(half, 2)}


def student(degrees: int) -> float:
    """Return Student's t for 95 %, both sides.

    From seven degrees of freedom on by the expansion in Abramowitz and Stegun, 26.7.5.
    """
    if degrees <= len(_T):
        return _T[degrees - 1]
    z = statistics.NormalDist().inv_cdf(0.975)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / degrees + second / degrees**2


def judge(row: Mapping[str, float]) -> str:
    """Return in words whether a gain lies outside of its interval around zero."""
    if abs(row["gain"]) <= row["half_interval"]:
        return "not shown"
    return "yes" if row["gain"] > 0 else "no: it loses"


def render(document: Mapping[str, Any]) -> list[str]:
    """Return the lines of the page's table, in the order of the techniques."""
    rows = document["techniques"]
    lines = [
        "| technique | paper | seeds | accuracy | gain in points | gains? |",
        "|---|---|---:|---:|---:|---|",
    ]
    for name, technique in TECHNIQUES.items():
        row = rows.get(name, {})
        if not (name in BASES and row) and "gain" not in row:
            continue
        points = ""
        if "gain" in row:
            sign = "+" if row["gain"] >= 0 else "−"
            points = f"{sign}{abs(row['gain']):.2f} ± {row['half_interval']:.2f}"
        cells = (
            name,
            _link(technique.paper),
            str(len(row["accuracy"])),
            f"{100 * statistics.mean(row['accuracy']):.2f} %",
            points,
            judge(row) if points else "",
        )
        lines.append(" ".join(f"| {cell}".rstrip() for cell in cells) + " |")
    return lines


def _link(paper: str) -> str:
    is_identifier = paper[:4].isdigit() and "." in paper
    return f"[{paper}](https://arxiv.org/abs/{paper})" if is_identifier else paper


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("techniques", nargs="*", help="all of them if left out")
    parser.add_argument("--data", default="cifar10", help="a name, folder or zip")
    parser.add_argument("--seeds", type=int, default=len(SEEDS))
    parser.add_argument("--table", action="store_true", help="print what was measured")
    options = parser.parse_args()
    if options.table:
        text = (RESULTS / "train-well.json").read_text(encoding="utf-8")
        print("\n".join(render(json.loads(text))))
        return
    unknown = sorted(set(options.techniques) - set(TECHNIQUES))
    if unknown:
        parser.error(f"techniques must be among {', '.join(TECHNIQUES)}; got {unknown}")
    measure(options.data, options.seeds, options.techniques or [*TECHNIQUES])


if __name__ == "__main__":
    main()

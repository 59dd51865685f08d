"""What the recipes `cifar10-fast` and `cifar10-residual` reach, and how.

``python benchmarks/cifar10_fast.py search`` trains variants of the recipe on a part of
CIFAR-10's training images and tests them on 10,000 other training images; it never
opens the test images. ``python benchmarks/cifar10_fast.py final`` trains the recipe as
it stands on all 50,000 with five seeds, in the way of ``pellucid train``, and looks at
the test images once a seed. Each seed has a folder of its own in ``--runs``: stopped by
Ctrl-C or a power cut, the same command goes on where it was, to the same bits, and
finished seeds are not trained again. Times are those of the processor (all threads) and
of the clock, per epoch; only the former say something on a busy machine.

``python benchmarks/cifar10_fast.py peers`` times the recipe's step beside PyTorch's
under its autocast.

``--recipe`` is `cifar10-fast` unless the other one is named.

``--precision`` is that of products, bfloat16 unless float32 is asked for; the plan of a
model says which these are.

``--data`` names the archive of the official pictures, or a zip of them as JPEG, whose
compression costs accuracy: ``python benchmarks/cifar10_airbench.py`` trains airbench94
itself in PyTorch on the same images, and tests it on the same held-out ones.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pellucid as pl
from pellucid import recipes
from pellucid.benchmark.case import Case
from pellucid.benchmark.inputs import load_batches
from pellucid.data.folder import Layout
from pellucid.data.pictures import PictureOptions, read_layout
from pellucid.machine import describe_machine
from pellucid.model.fit import FitRequest, fit
from pellucid.objectives import select_metrics
from pellucid.recipes.builders import build_fit_config, build_model, build_view
from pellucid.runs import RunFolder, provenance
from pellucid.runs.recipe import Recipe
from pellucid.training import evaluate

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "benchmarks" / "results"
HELD_OUT, SPLIT_SEED = 10_000, 2026
SEEDS = range(5)
RECIPES = ("cifar10-fast", "cifar10-residual")
Changes = Mapping[str, Any]

_WHITENED = {"layers": ["whiten"], "roles": ["weight"], "rate_factor": 0.0}
_SCALES = {"roles": ["scale"], "rate_factor": 0.0}
_OFFSETS = {"roles": ["offset"], "rate_factor": 64.0, "weight_decay": 2.08e-5}

#: what is tried: the recipe, and one thing changed in each of the others
VARIANTS: dict[str, Changes] = {
    "the recipe": {},
    "no Lookahead": {"average": None},
    "EMA": {"average": {"name": "ema", "decay": 0.95}},
    "flips by chance": {"augment.flip": True},
    "no shift": {"augment.shift": 0, "augment.reflect": False},
    "black comes into view": {"augment.reflect": False},
    "float32": {"engine_options.precision": "float32"},
    "cutout of 8 pixels": {"augment.cutout": 8},
    "cutout of 12 pixels, grey": {"augment.cutout": 12, "augment.fill": 120},
    "shift of 4 pixels": {"augment.shift": 4},
    "no label smoothing": {"loss.label_smoothing": 0.0},
    "one rate for all": {"optimizer.groups": [_WHITENED, _SCALES]},
    "no bias where it whitens": {
        "settings": {},
        "optimizer.groups": [_OFFSETS, _SCALES],
    },
    "a learning rate of 0.95": {"optimizer.learning_rate": 0.95},
    "no whitening": {"whiten": None},
    "one view": {"tta": None},
}


class Clock(pl.Callback):
    """Keep the seconds of each epoch, of the clock and of the processor."""

    may_stop = False

    def __init__(self) -> None:
        self.epochs: list[dict[str, float]] = []
        self._start = (0.0, 0.0)

    def before_epoch(self, trainer: Any) -> None:
        """Start."""
        self._start = time.perf_counter(), time.process_time()

    def on_epoch(self, trainer: Any, record: Any) -> None:
        """Note the epoch."""
        wall, cpu = self._start
        self.epochs.append(
            {
                "epoch": record["epoch"],
                "loss": round(record["loss"], 4),
                "accuracy": round(record["accuracy"], 4),
                "wall_s": round(time.perf_counter() - wall, 1),
                "cpu_s": round(time.process_time() - cpu, 1),
            }
        )
        print(json.dumps(self.epochs[-1]), flush=True)


def search(options: argparse.Namespace) -> None:
    """Try variants on held-out training images."""
    base = _shortened(_recipe(options), options)
    train, held_out = load_training_images(options.data)
    if options.limit and options.limit < len(train):
        _, train = train.split(options.limit / len(train), seed=SPLIT_SEED)
    found = []
    for name in options.only or list(VARIANTS):
        recipe = recipes.override(base, VARIANTS[name])
        runs = []
        for seed in range(options.seeds):
            run = options.runs and options.runs / f"{name}, seed {seed}"
            runs.append(_try(recipe, seed, (train, held_out), run))
        found.append({"name": name, "runs": runs})
        figures = [run["accuracy"] for run in runs]
        print(name, " ".join(f"{100 * a:.2f}" for a in figures), flush=True)
        document = {
            **_surroundings(base),
            "training_images": len(train),
            "held_out_images": len(held_out),
            "variants": found,
        }
        _write(f"{options.recipe}-search.json", document)


def load_training_images(source: str) -> tuple[pl.Dataset, pl.Dataset]:
    """Return training images, and others that are held out of them.

    Parameters
    ----------
    source : str
        A name, folder or zip; of the latter two the test pictures are not opened.

    Returns
    -------
    tuple of Dataset
        40,000 images and 10,000.
    """
    if Path(source).exists():
        layout = dataclasses.replace(Layout.of(Path(source)), test=None)
        options = PictureOptions(size=(32, 32), colour="rgb")
        images, _ = read_layout(Path(source), layout, options)
    else:
        images, _ = pl.data.load(source)
    return images.split(HELD_OUT / len(images), seed=SPLIT_SEED)


def _recipe(options: argparse.Namespace) -> Recipe:
    """Return the recipe in the precision that is asked for."""
    chosen = {"engine_options.precision": options.precision}
    return recipes.override(recipes.read(options.recipe), chosen)


def _shortened(recipe: Recipe, options: argparse.Namespace) -> Recipe:
    """Return the recipe with fewer epochs, its warm-up the same share of the steps."""
    epochs = options.epochs or recipe.epochs
    images = options.limit or 50_000 - HELD_OUT
    share = epochs * images / (recipe.epochs * 50_000)
    warm_up = max(1, round(recipe.schedule["steps"] * share))
    return recipes.override(recipe, {"epochs": epochs, "schedule.steps": warm_up})


def _try(
    recipe: Recipe,
    seed: int,
    data: tuple[pl.Dataset, pl.Dataset],
    run: Path | None,
) -> dict[str, Any]:
    train, held_out = data
    recipe = recipes.override(recipe, {"seed": seed})
    model, clock = build_model(recipe), Clock()
    if recipe.whiten is not None:
        pl.whiten(model, train.images, recipe.whiten)
    config = build_fit_config(recipe)
    request = FitRequest(
        data=train,
        config=config,
        callbacks=(clock,),
        run=run,
        resume=run is not None and RunFolder(run).has_begun,
        shows_progress=False,
    )
    fit(model, request)
    figures = evaluate(
        model.network,
        build_view(recipe, model),
        model.batches(held_out, 256),
        loss=model.loss,
        metrics=select_metrics(model.output_meaning),
    )
    return {"seed": seed, "accuracy": figures["accuracy"], "epochs": clock.epochs}


def final(options: argparse.Namespace) -> None:
    """Train the recipe with five seeds, and look at the test images."""
    folder = options.runs / options.recipe
    folder.mkdir(parents=True, exist_ok=True)
    seeds = []
    for seed in list(SEEDS)[: options.seeds]:
        done = folder / f"seed-{seed}.json"
        if not done.exists():
            changes = {"seed": seed, "data.source": str(options.data)}
            recipe = recipes.override(_recipe(options), changes)
            run, clock = folder / f"seed-{seed}", Clock()
            outcome = recipes.train(
                recipe,
                run=run,
                resume=RunFolder(run).has_begun,
                callbacks=[clock],
                progress=False,
            )
            figures = {
                "seed": seed,
                "test_accuracy": outcome.metrics["accuracy"],
                "training_s": sum(row["seconds"] for row in outcome.history),
                "epochs_of_last_start": clock.epochs,
            }
            done.write_text(json.dumps(figures), encoding="utf-8")
        seeds.append(json.loads(done.read_text(encoding="utf-8")))
        print(seed, seeds[-1]["test_accuracy"], flush=True)
    accuracies = [one["test_accuracy"] for one in seeds]
    document = {
        **_surroundings(_recipe(options)),
        "mean_test_accuracy": statistics.mean(accuracies),
        "seeds": seeds,
    }
    if options.seeds == len(SEEDS):
        _write(f"{options.recipe}.json", document)
    print(json.dumps({"mean_test_accuracy": document["mean_test_accuracy"]}))


def peers(options: argparse.Namespace) -> None:
    """Time the recipe's step and PyTorch's, in turn; augmentation is in neither."""
    import torch

    from pellucid.benchmark.contenders.torch import build_module

    recipe = _recipe(options)
    model = build_model(recipe)
    with tempfile.TemporaryDirectory() as files:
        case = Case(
            name=recipe.network,
            network=model.network,
            batch_size=recipe.batch_size,
            batches=1,
            files=files,
        )
        ((images, labels),) = load_batches(case)
        calls: dict[str, Callable[[], Any]] = {
            f"pellucid, {options.precision}": lambda: model.train_step(images, labels)
        }
        for last in (False, True):
            layout = torch.channels_last if last else torch.contiguous_format
            net = build_module(case, layout).train()
            name = "PyTorch, autocast" + ", channels last" * last
            calls[name] = _torch_step(net, recipe, (images, labels, layout))
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(options.rounds + 1):
        for name, call in calls.items():
            begin = time.process_time()
            call()
            if number:  # the first one compiles
                times[name].append(time.process_time() - begin)
    least = {name: min(row) for name, row in times.items()}
    epoch = {name: t * 50_000 / recipe.batch_size for name, t in least.items()}
    for name, seconds in epoch.items():
        print(f"{name:<36} {least[name]:7.2f} s a step, {seconds:7.1f} s an epoch")
    found = {**_surroundings(recipe), "step_cpu_s": times, "epoch_cpu_s": epoch}
    _write(f"{options.recipe}-peers.json", found)


def _torch_step(net: Any, recipe: Recipe, batch: tuple[Any, ...]) -> Callable[[], None]:
    """Return a step of the recipe in PyTorch, as its users write it."""
    import torch

    images, labels, layout = batch
    x = torch.from_numpy(images.transpose(0, 3, 1, 2).copy())
    x, y = x.to(memory_format=layout), torch.from_numpy(labels)
    how, offsets, others = recipe.optimizer, [], []
    for module in net.modules():
        own = list(module.parameters(recurse=False))
        is_norm = isinstance(module, torch.nn.BatchNorm2d)
        if is_norm or (isinstance(module, torch.nn.Conv2d) and own[0].shape[1] == 3):
            own[0].requires_grad = False  # scales, and what whitens
        (offsets if is_norm else others).extend(p for p in own if p.requires_grad)
    rate, decay = how["learning_rate"], how["weight_decay"]
    optimizer = torch.optim.SGD(
        [
            {"params": others, "weight_decay": decay},
            {"params": offsets, "lr": 64 * rate, "weight_decay": decay / 64},
        ],
        lr=rate,
        momentum=how["momentum"],
        nesterov=True,
    )

    def step() -> None:
        optimizer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = torch.nn.functional.cross_entropy(net(x), y, label_smoothing=0.2)
        loss.backward()
        optimizer.step()

    return step


def _surroundings(recipe: Recipe) -> dict[str, Any]:
    document = recipe.model_dump(mode="json", exclude_none=True)
    here = {"machine": describe_machine(), "versions": provenance("compiled")}
    return {**here, "recipe": document}


def _write(name: str, document: Mapping[str, Any]) -> None:
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    (RESULTS / name).write_text(text, encoding="utf-8")


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="cifar10", help="a name, folder or zip")
    parser.add_argument("--recipe", default=RECIPES[0], choices=RECIPES)
    parser.add_argument(
        "--precision", default="bfloat16", choices=["float32", "bfloat16"]
    )
    modes = parser.add_subparsers(required=True)
    trying = modes.add_parser("search", help="variants on held-out training images")
    trying.add_argument("--seeds", type=int, default=1)
    trying.add_argument("--epochs", type=int)
    trying.add_argument("--limit", type=int, help="training images")
    trying.add_argument("--only", nargs="+", choices=list(VARIANTS), metavar="VARIANT")
    trying.add_argument("--runs", type=Path, help="a folder, to go on where it was")
    trying.set_defaults(run=search)
    timing = modes.add_parser("peers", help="a step beside PyTorch's, processor time")
    timing.add_argument("--rounds", type=int, default=5)
    timing.set_defaults(run=peers)
    proving = modes.add_parser("final", help="five seeds on the test images")
    proving.add_argument("--seeds", type=int, default=len(SEEDS))
    proving.add_argument("--runs", type=Path, default=Path("runs/cifar10"))
    proving.set_defaults(run=final)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()

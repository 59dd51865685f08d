"""`pellucid train`: train a network or recipe, save the run, test it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.errors import RunError

_DATA, _HOW, _RUN, _OUT = "Data", "Training", "Run", "Output"
_FROM = "Transfer"


def _option(
    flag: str, text: str, panel: str, metavar: str | None = None, **rules: Any
) -> Any:
    return typer.Option(
        flag,
        help=text,
        rich_help_panel=panel,
        metavar=metavar,
        show_default=False,
        **rules,
    )


Text = Optional[str]  # noqa: UP045 - typer reads these at run time
Integer = Optional[int]  # noqa: UP045
Number = Optional[float]  # noqa: UP045
Texts = Optional[list[str]]  # noqa: UP045


def train(
    network: Annotated[
        Text,
        typer.Argument(
            metavar="NETWORK",
            help="mnist-torch, mnist-cosine, mnist-keras, mnist-fast, lenet5, "
            "resnet20, "
            "xor-one-hidden, xor-two-hidden; unet and others of pl.zoo; a recipe "
            "(.toml); or your own network (.py, .json).",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Text,
        _option(
            "--data",
            "A name from `pellucid data`, a folder or .zip of images with one "
            "subfolder per class, or with images/ and masks/; a .csv of paths and "
            "labels, or a .npz. With several inputs or outputs a .npz whose arrays are "
            "called like them.",
            _DATA,
            "SOURCE",
        ),
    ] = None,
    limit: Annotated[
        Integer,
        _option("--limit", "Use only N training images.", _DATA, "N", min=1),
    ] = None,
    skip_broken: Annotated[
        bool,
        _option("--skip-broken", "Skip images that cannot be read.", _DATA),
    ] = False,
    validation_split: Annotated[
        Number,
        _option(
            "--validation-split", "Fraction of each class to hold out.", _DATA, "SHARE"
        ),
    ] = None,
    augment: Annotated[
        Texts,
        _option(
            "--augment",
            "shift=2, rotate=10, flip, crop=4, cutout=8, resized_crop=0.5, erase=0.25, "
            "brightness=0.2, contrast=0.2, saturation=0.2, hue=0.05, randaugment=2, "
            "mixup=0.2 or cutmix=1; repeatable.",
            _DATA,
            "CHANGE",
        ),
    ] = None,
    epochs: Annotated[
        Integer, _option("--epochs", "Number of epochs.", _HOW, "N", min=0)
    ] = None,
    batch_size: Annotated[
        Integer, _option("--batch-size", "Images per update.", _HOW, "N", min=1)
    ] = None,
    optimizer: Annotated[
        Text,
        _option(
            "--optimizer",
            "sgd, rmsprop, adam, adamw, nadam or adagrad.",
            _HOW,
            "NAME",
        ),
    ] = None,
    learning_rate: Annotated[
        Number,
        _option("--learning-rate", "Learning rate of the optimizer.", _HOW, "RATE"),
    ] = None,
    schedule: Annotated[
        Text,
        _option(
            "--schedule",
            "constant, step, cosine, one_cycle, warm_up, on_plateau, inverse_time, "
            "polynomial or cyclic.",
            _HOW,
            "NAME",
        ),
    ] = None,
    find_rate: Annotated[
        bool,
        _option(
            "--find-rate",
            "Train nothing: look for a learning rate, and draw the loss by the rate.",
            _HOW,
        ),
    ] = False,
    average: Annotated[
        Text,
        _option(
            "--average",
            "Keep averaged weights: ema, swa or lookahead.",
            _HOW,
            "NAME",
        ),
    ] = None,
    accumulate: Annotated[
        Integer,
        _option(
            "--accumulate",
            "Compute each batch's gradient in N parts, for less memory.",
            _HOW,
            "N",
            min=1,
        ),
    ] = None,
    sampler: Annotated[
        Text,
        _option(
            "--sampler",
            "balanced: draw from each class as often. Of several outputs "
            "OUTPUT=balanced.",
            _HOW,
            "NAME",
        ),
    ] = None,
    early_stopping: Annotated[
        Integer,
        _option(
            "--early-stopping",
            "Stop after N epochs without improvement; keep the best weights.",
            _HOW,
            "N",
            min=1,
        ),
    ] = None,
    clip_norm: Annotated[
        Number,
        _option("--clip-norm", "Clip the gradients to this global norm.", _HOW, "NORM"),
    ] = None,
    class_weight: Annotated[
        Texts,
        _option(
            "--class-weight",
            "balanced, CLASS=WEIGHT, or of several outputs OUTPUT=balanced; "
            "repeatable.",
            _HOW,
            "WEIGHT",
        ),
    ] = None,
    label_smoothing: Annotated[
        Number,
        _option("--label-smoothing", "Label smoothing, in [0, 1).", _HOW, "SHARE"),
    ] = None,
    setting: Annotated[
        Texts,
        _option(
            "--set",
            "Override a setting of the network (conv2d.out_channels=16) or the recipe "
            "(optimizer.momentum=0.9); repeatable.",
            _HOW,
            "KEY=VALUE",
        ),
    ] = None,
    seed: Annotated[
        Integer,
        _option("--seed", "Seed of weights, order and augmentation.", _HOW, "N", min=0),
    ] = None,
    engine: Annotated[
        Text,
        _option("--engine", "numpy, compiled, torch, tensorflow or jax.", _RUN, "NAME"),
    ] = None,
    threads: Annotated[
        Integer, _option("--threads", "Engine threads.", _RUN, "N", min=1)
    ] = None,
    dtype: Annotated[
        Text, _option("--dtype", "float32, or float64 (not on compiled).", _RUN, "TYPE")
    ] = None,
    run: Annotated[
        Text,
        _option("--run", "Name or path of the run's folder.", _RUN, "NAME"),
    ] = None,
    resume: Annotated[
        Text, _option("--resume", "Continue a stopped run.", _RUN, "RUN")
    ] = None,
    start: Annotated[
        Text,
        _option(
            "--from",
            "Start from the weights of this run or .pellucid file, instead of NETWORK; "
            "files of others are imported first (pellucid import).",
            _FROM,
            "RUN",
        ),
    ] = None,
    classes: Annotated[
        Texts,
        _option(
            "--classes",
            "With --from: replace the head by a new one for N classes, and freeze "
            "the rest. Of several outputs OUTPUT=N; repeatable.",
            _FROM,
            "N",
        ),
    ] = None,
    freeze: Annotated[
        Texts,
        _option(
            "--freeze",
            "With --from: all (but the head), none, or a layer, by name or by what its "
            "name begins with; repeatable.",
            _FROM,
            "LAYER",
        ),
    ] = None,
    quantize_aware: Annotated[
        bool,
        _option(
            "--quantize-aware",
            "With --from: fold batch norms and round weights and activations as int8 "
            "will, in training.",
            _FROM,
        ),
    ] = False,
    weight_bits: Annotated[
        Integer,
        _option(
            "--weight-bits",
            "With --quantize-aware: of a weight, 2 to 8. Default: 8.",
            _FROM,
            "N",
            min=2,
            max=8,
        ),
    ] = None,
    layers: options.Layers = None,
    json: options.Json = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No progress on stderr.")
    ] = False,
) -> None:
    """Train a network and test it.

    Prints loss and accuracy after each epoch, saves recipe, checkpoint, history,
    weights and curves in runs/NAME, and ends with the accuracy on the test images.

    \b
    [bold]Examples[/bold]
    pellucid train mnist-torch                          train on MNIST
    pellucid train mnist-torch --epochs 1 --limit 5000  a quick try
    pellucid train mnist-fast                           99 % in seconds
    pellucid train lenet5 --find-rate                   which learning rate?
    pellucid train mnist-torch --set conv2d.out_channels=16 --set dense.units=64
    pellucid train lenet5 --data fashion-mnist --augment shift=2 --schedule cosine
    pellucid train mnist-torch --data photos/ --set dense_1.units=3
    pellucid train my_network.py --validation-split 0.1 --early-stopping 3
    pellucid train unet --data FOLDER                   images/ and masks/
    pellucid train --resume mnist-torch --epochs 10     continue
    pellucid train --from resnet18 --data photos/ --classes 3
    pellucid train --from mnist-torch --quantize-aware --learning-rate 1e-4
    """
    from pellucid import recipes
    from pellucid.cli import train_request as request
    from pellucid.cli.own_code import load_own_code
    from pellucid.cli.quantize_aware import prepare, refuse_without_model
    from pellucid.cli.training import find_rate_of, run_training

    own = load_own_code(layers)
    head = {"start": start, "classes": classes, "freeze": freeze}
    refuse_without_model(weight_bits, asked=quantize_aware, **head)
    tables = {
        "data.source": data,
        "data.limit": limit,
        "data.skip_broken": skip_broken or None,
        "validation_split": validation_split,
        **request.parse_augment(augment or []),
        "batch_size": batch_size,
        "optimizer.name": optimizer,
        "optimizer.learning_rate": learning_rate,
        "schedule.name": schedule,
        "early_stopping.patience": early_stopping,
        "average.name": average,
        "accumulate": accumulate,
        **request.parse_sampler(sampler),
        "clip_norm": clip_norm,
        "class_weight": request.parse_class_weight(class_weight or []),
        "loss.label_smoothing": label_smoothing,
        "seed": seed,
        "dtype": dtype,
        **dict(recipes.parse_setting(text) for text in setting or []),
    }
    changes = {key: value for key, value in tables.items() if value is not None}
    also = {"engine": engine, "engine_options.threads": threads, "epochs": epochs}
    allowed = {key: value for key, value in also.items() if value is not None}
    path: Path | None
    if resume is not None:
        chosen = {"from": start, "classes": classes or None, "freeze": freeze or None}
        request.refuse_changes(network=network, run=run, **chosen, **changes)
        recipe, path = request.read_run_recipe(resume)
    elif start is not None or classes or freeze:
        recipe = request.read_start(network, start, classes or [], freeze or [])
        path = None if run is None else request.run_folder(run)
    elif network is None:
        raise RunError(
            "train: NETWORK must be given; got nothing. "
            "Start with: pellucid train mnist-torch"
        )
    else:
        recipe = recipes.read(network)
        path = None if run is None else request.run_folder(run)
    request.check_numbers(changes)
    if quantize_aware and start is not None:
        data_section = recipes.override(recipe, changes).data
        prepared = prepare(start, data_section, bits=weight_bits, quiet=quiet)
        recipe = recipes.read_start(prepared)
    if engine not in (None, recipe.engine):
        # options do not carry over to another engine
        recipe = recipes.override(recipe, {"engine_options": {}})
    recipe = recipes.override(recipe, {**changes, **allowed})
    recipe = recipe.model_copy(update={"loss": own.describe_loss(recipe.loss)})
    if find_rate:
        request.refuse_changes_while_finding(resume=resume, run=run)
        find_rate_of(recipe, json=json, quiet=quiet)
        return
    if path is None:
        path = request.new_folder(str(network or start))
    run_training(recipe, path, is_resumed=resume is not None, json=json, quiet=quiet)

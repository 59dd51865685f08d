"""`pellucid code`: a network as a stand-alone training script."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say

if TYPE_CHECKING:
    from pellucid.network import Network
    from pellucid.runs import ModelFile
    from pellucid.runs.recipe import Recipe


def code(
    network: Annotated[
        str,
        typer.Argument(
            help="A zoo network or recipe, or a .toml, .py or .json file.",
            show_default=False,
        ),
    ],
    framework: Annotated[
        str,
        typer.Option("--framework", help="numpy, torch, keras or jax."),
    ] = "torch",
    weights: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--weights",
            metavar="RUN",
            help="Start from a run's weights, saved next to the script.",
            show_default=False,
        ),
    ] = None,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--data",
            metavar="FOLDER",
            help="The script's default data folder: four IDX files, or CIFAR-10's "
            "binary batches; or a .npz for several inputs or outputs. Default: this "
            "machine's folder of the recipe's data.",
            show_default=False,
        ),
    ] = None,
    setting: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a setting, as in train: loss.OUTPUT.name=mse; repeatable.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output",
            "-o",
            help="File to write. Default: stdout, or a file next to the weights.",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Write a network as one script that does not need pellucid.

    The script contains data loading, model, training loop and evaluation, idiomatic
    for its framework, with the recipe's hyperparameters. The numpy script spells out
    the backward pass of exactly this network.

    \b
    [bold]Examples[/bold]
    pellucid code mnist-torch --framework torch
    pellucid code mnist-keras --framework keras --output mnist_keras.py
    pellucid code lenet5 --framework numpy --weights lenet5 --output lenet5.py
    pellucid code two-heads.json --data shapes.npz --set loss.place.name=mse
    """
    from pellucid import recipes
    from pellucid.code import file_name, write_script
    from pellucid.recipes.builders import build_network, build_preprocessing
    from pellucid.recipes.overrides import override
    from pellucid.runs import ModelFile, model_path

    changes = dict(recipes.parse_setting(text) for text in setting or [])
    recipe = override(recipes.read(network), changes)
    described = build_network(recipe)
    how = build_preprocessing(recipe, described)
    given: dict[str, Any] = {}
    if weights is not None:
        file = ModelFile.read(model_path(weights))
        _check_same_network(described, file, network)
        given, how = {"weights": file.weights}, file.preprocessing
    path = output
    if path is None and weights is not None:
        path = Path(file_name(described, framework))
    if data is not None and recipe.data.source != "xor":
        recipe = override(recipe, {"data.source": data})
    script = write_script(
        described,
        framework,
        recipe=recipe,
        data=data or _data_location(recipe),
        name=path.name if path else "",
        preprocessing=how,
        **given,
    )
    written = [] if path is None else [str(name) for name in script.write(path)]
    if json:
        emit(
            {"network": described.name, "framework": framework, "files": written}
            | ({} if written else {"script": script.text})
        )
    elif path is None:
        answer(script.text.rstrip("\n"))
    for name in written:
        say(f"wrote {name}")


def _data_location(recipe: Recipe) -> str:
    """Return the location of the recipe's data on this machine, or its name."""
    from pellucid.data import sources

    source = recipe.data.source
    for known in sources():
        if known.name == source and known.available and source != "xor":
            return known.location
    return source


def _computation(network: Network) -> list[dict[str, Any]]:
    """Return what, besides weights, determines outputs: layers and their inputs."""
    from pellucid.network import codec

    apart = ("weight_initializer", "bias_initializer", "trainable")
    return [
        {key: value for key, value in node.items() if key not in apart}
        for node in codec.to_json(network)["nodes"]
    ]


def _check_same_network(described: Network, file: ModelFile, network: str) -> None:
    """Raise NetworkError for weights of another network."""
    from pellucid.errors import NetworkError

    if _computation(described) != _computation(file.network):
        raise NetworkError(
            f"code: weights must be those of '{network}'; got a run of "
            f"'{file.network.name}'. Name the run's own network."
        )

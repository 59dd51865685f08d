"""`pellucid verify`: gradient check and engine parity."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import emit


def verify(
    network: Annotated[
        str,
        typer.Argument(
            help="A zoo network, a .py or .json file, or a RUN (with its weights).",
            show_default=False,
        ),
    ],
    gradients: Annotated[
        bool,
        typer.Option(
            "--gradients",
            help="Check gradients against central differences in float64.",
        ),
    ] = False,
    samples: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--samples",
            help="Elements to check per weight array. Default: all of a small network, "
            "else 200, or 5 above 10 million multiply-adds.",
            min=1,
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float,
        typer.Option(
            "--tolerance", min=0.0, help="Largest relative error that passes."
        ),
    ] = 1e-6,
    engines: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--engines",
            metavar="NAMES",
            help="Compare engines in lockstep: numpy,torch,jax or all.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", help="Updates in lockstep.", min=1)
    ] = 50,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Examples per update.", min=1)
    ] = 32,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--data",
            help="Images for --engines, as in train. Default: MNIST in the network's "
            "size and colour.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 or float64, for --engines.")
    ] = "float32",
    picture: options.Picture = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of weights, images and samples.", min=0)
    ] = 0,
    layers: options.Layers = None,
    json: options.Json = False,
) -> None:
    """Check gradients, or that engines agree; exit code 1 if a check fails.

    --gradients (the default): the gradient of the numpy engine, the reference for all
    others, is compared with (L(w + h) − L(w − h)) / 2h. Elements for which a step of h
    crosses a non-differentiable point of ReLU or max-pool are counted as skipped.

    --engines: all engines train on the same batches, each step from the same state.
    Every activation, gradient and updated weight is compared, next to the numpy
    engine's own rounding error.

    \b
    [bold]Examples[/bold]
    pellucid verify mnist-torch --gradients
    pellucid verify xor-one-hidden --gradients --json
    pellucid verify my_network.py --gradients --samples 50
    pellucid verify mnist-torch --engines all --steps 50 --picture parity.png
    pellucid verify runs/mine --engines numpy,torch --data photos/ --dtype float64
    """
    from pellucid.cli.own_code import load_own_code
    from pellucid.cli.verify_engines import verify_engines
    from pellucid.cli.verify_gradients import verify_gradients

    load_own_code(layers)
    found: dict[str, dict[str, Any]] = {}
    if engines is not None:
        found["engines"] = verify_engines(
            network,
            engines=engines,
            steps=steps,
            batch_size=batch_size,
            data=data,
            dtype=dtype,
            seed=seed,
            picture=picture,
            json=json,
        )
    if gradients or engines is None:
        found["gradients"] = verify_gradients(
            network, samples=samples, tolerance=tolerance, seed=seed, json=json
        )
    passes = all(document["passes"] for document in found.values())
    if json:
        (first, *more) = found.values()
        emit({"passes": passes, **found} if more else first)
    if not passes:
        raise typer.Exit(1)

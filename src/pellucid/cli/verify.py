"""This file is `pellucid verify`: which proofs there are, and the exit code."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import emit


def verify(
    network: Annotated[
        str,
        typer.Argument(
            help="A network of the zoo, a .py or .json file, or a RUN, whose weights "
            "are taken.",
            show_default=False,
        ),
    ],
    gradients: Annotated[
        bool,
        typer.Option(
            "--gradients",
            help="Every weight's derivative against central differences in float64.",
        ),
    ] = False,
    samples: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--samples",
            help="Entries of each weight array; else all of a small network, 200, or "
            "5 of one with over 10 million multiply-adds.",
            min=1,
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Largest relative error that passes.")
    ] = 1e-6,
    engines: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--engines",
            metavar="NAMES",
            help="Engines against each other, in lockstep: numpy,torch,jax or all.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option("--steps", help="Updates in lockstep.", min=1)
    ] = 50,
    batch_size: Annotated[
        int, typer.Option("--batch-size", help="Examples of each update.", min=1)
    ] = 32,
    data: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--data",
            help="Pictures for --engines, as in train; else MNIST in the network's "
            "size and colour.",
            show_default=False,
        ),
    ] = None,
    dtype: Annotated[
        str, typer.Option("--dtype", help="float32 or float64, for --engines.")
    ] = "float32",
    picture: options.Picture = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Of weights, images and samples.", min=0)
    ] = 0,
    json: options.Json = False,
) -> None:
    """Prove that derivatives are right, or engines equal; exit code 1 if they are not.

    --gradients, which is what is done where nothing else is asked for: each
    derivative of the numpy engine, which the other engines are held to, is compared
    with (L(w + h) − L(w − h)) / 2h. Entries where a step of h crosses a corner of
    ReLU or max-pool have no derivative to compare with: they are counted as skipped.

    --engines: all train on the same batches, each step from the same state. Every
    activation, gradient and updated weight is compared, beside what rounding does to
    the numpy engine itself.

    \b
    [bold]Examples[/bold]
    pellucid verify mnist-torch --gradients
    pellucid verify xor-one-hidden --gradients --json
    pellucid verify my_network.py --gradients --samples 50
    pellucid verify mnist-torch --engines all --steps 50 --picture parity.png
    pellucid verify runs/mine --engines numpy,torch --data photos/ --dtype float64
    """
    from pellucid.cli.verify_engines import verify_engines
    from pellucid.cli.verify_gradients import verify_gradients

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

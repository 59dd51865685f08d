"""This file is `pellucid verify`: which proofs there are, and the exit code."""

from __future__ import annotations

from typing import Annotated, Optional

import typer

from pellucid.cli import options


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
            "20 of one with over 10 million multiply-adds.",
            min=1,
            show_default=False,
        ),
    ] = None,
    tolerance: Annotated[
        float, typer.Option("--tolerance", help="Largest relative error that passes.")
    ] = 1e-6,
    seed: Annotated[
        int, typer.Option("--seed", help="Of weights, images and samples.", min=0)
    ] = 0,
    json: options.Json = False,
) -> None:
    """Prove that derivatives are right; exit code 1 if they are not.

    Each derivative of the numpy engine, which the other engines are held to, is
    compared with (L(w + h) − L(w − h)) / 2h. Entries where a step of h crosses a
    corner of ReLU or max-pool have no derivative to compare with: they are counted
    as skipped.

    \b
    [bold]Examples[/bold]
    pellucid verify mnist-torch --gradients
    pellucid verify xor-one-hidden --gradients --json
    pellucid verify my_network.py --gradients --samples 50
    """
    from pellucid.cli.verify_gradients import verify_gradients

    del gradients  # the only proof so far, so the default
    passes = verify_gradients(
        network, samples=samples, tolerance=tolerance, seed=seed, json=json
    )
    if not passes:
        raise typer.Exit(1)

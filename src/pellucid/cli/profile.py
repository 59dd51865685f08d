"""`pellucid profile`: where the compiled engine's time goes, layer by layer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, table


def profile(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK",
            help="A zoo network, a .py or .json file, or a run.",
            show_default=False,
        ),
    ],
    size: Annotated[
        Optional[int],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "--size", help="Height and width of images.", min=1, show_default=False
        ),
    ] = None,
    batch: Annotated[int, typer.Option("--batch", help="Images.", min=1)] = 1,
    train: Annotated[
        bool, typer.Option("--train", help="A training step instead of a prediction.")
    ] = False,
    rounds: Annotated[int, typer.Option("--rounds", help="Runs.", min=1)] = 10,
    json: options.Json = False,
) -> None:
    """Show each layer's time and its shares of the core's measured peaks.

    One thread of the compiled engine runs random images, with the engine's options of
    a run (precision …) where NETWORK is one. The shares are those of the
    multiply-adds and of the bytes that this core did at best, measured first; a layer
    near one of them cannot become much faster. The last line is the peak of memory.

    \b
    [bold]Examples[/bold]
    pellucid profile mobilenet-v1
    pellucid profile resnet18 --size 64 --batch 32 --train
    """
    from pellucid.benchmark.networks import resize_input
    from pellucid.benchmark.profiling import profile_plan
    from pellucid.cli.open_run import network_or_run

    chosen, settings = network_or_run(network, "profile")
    if size is not None:
        chosen = resize_input(chosen, size)
    found = profile_plan(
        chosen, batch=batch, train=train, rounds=rounds, options=settings
    )
    if json:
        emit(asdict(found))
        return
    rows = [
        (
            cost.node or "update",
            f"{1e6 * cost.seconds:.1f}",
            f"{cost.share:.1%}",
            f"{cost.arithmetic:.0%}" if cost.arithmetic else "",
            f"{cost.bandwidth:.0%}" if cost.bandwidth else "",
            cost.kernel,
        )
        for cost in found.layers
    ]
    heads = ("layer", "µs an image", "of all", "arithmetic", "bandwidth", "kernels")
    answer(table(heads, rows, numbers=heads[1:5]))
    peaks = found.peaks
    flops = 2e-9 * peaks.multiply_adds * peaks.cycles_per_s
    reads = 1e-9 * peaks.read_bytes * peaks.cycles_per_s
    answer(f"\npeaks of one core: {flops:.0f} GFLOP/s, {reads:.0f} GB/s")
    images = "1 image" if batch == 1 else f"{batch} images"
    answer(f"peak memory of the plan: {found.peak_bytes:,} bytes for {images}")

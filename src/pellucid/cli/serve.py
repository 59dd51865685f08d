"""`pellucid serve`: models over HTTP and gRPC."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import say

_LISTEN, _BATCHES, _LIMITS = "Network", "Batches", "Limits"


def serve(
    runs: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN…",
            help="What to serve: a run's folder, its name under runs/ or a .pellucid "
            "file; NAME=RUN gives it a name, NAME:2=RUN a version.",
            show_default=False,
        ),
    ],
    engine: Annotated[
        str, typer.Option(help="numpy, compiled, torch, tensorflow or jax.")
    ] = "compiled",
    threads: Annotated[
        Optional[int],  # noqa: UP045 - typer reads it at run time
        typer.Option(help="Engine threads.", show_default=False, min=1),
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Reload a run when its best model changes.")
    ] = False,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; a non-local address needs a token.",
            rich_help_panel=_LISTEN,
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(help="Port; 0 picks a free one.", rich_help_panel=_LISTEN)
    ] = 8000,
    grpc_port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            help="Port for gRPC; 0 picks a free one.",
            show_default=False,
            rich_help_panel=_LISTEN,
        ),
    ] = None,
    token: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            envvar="PELLUCID_TOKEN",
            help="Token that clients must send as 'Authorization: Bearer …'.",
            show_default=False,
            rich_help_panel=_LISTEN,
        ),
    ] = None,
    insecure: Annotated[
        bool,
        typer.Option(
            "--insecure",
            help="Allow a non-local address without a token.",
            rich_help_panel=_LISTEN,
        ),
    ] = False,
    batch_size: Annotated[
        int,
        typer.Option(help="Largest batch, in images.", rich_help_panel=_BATCHES, min=1),
    ] = 64,
    delay: Annotated[
        float,
        typer.Option(
            help="Milliseconds that a batch waits for more images.",
            rich_help_panel=_BATCHES,
            min=0,
        ),
    ] = 0.0,
    queue: Annotated[
        int,
        typer.Option(
            help="Images that may wait; beyond that, 429.",
            rich_help_panel=_BATCHES,
            min=1,
        ),
    ] = 2048,
    time_limit: Annotated[
        float,
        typer.Option(help="Timeout of a request, in seconds.", rich_help_panel=_LIMITS),
    ] = 30.0,
    body_limit: Annotated[
        int,
        typer.Option(
            help="Largest request body, in MB.", rich_help_panel=_LIMITS, min=1
        ),
    ] = 32,
    layers: options.Layers = None,
    log: Annotated[
        str, typer.Option(help="requests, events or none; JSON lines on stderr.")
    ] = "requests",
) -> None:
    """Serve models: Open Inference Protocol v2, TensorFlow Serving, plain images.

    /docs documents every path; /metrics is for Prometheus. Ctrl-C answers accepted
    requests, then stops.

    \b
    [bold]Examples[/bold]
    pellucid serve mnist-torch
    curl --data-binary @seven.png -H 'Content-Type: image/png' \\
        http://127.0.0.1:8000/predict
    pellucid serve digits=mnist-torch digits:2=runs/better clothes=fashion --follow
    pellucid serve mnist-torch --grpc-port 8001
    PELLUCID_TOKEN=… pellucid serve mnist-torch --host 0.0.0.0
    """
    from pellucid import engines
    from pellucid.cli.own_code import load_own_code
    from pellucid.serving import Batching, Limits, Log, Settings, create_app
    from pellucid.serving import serve as run_server
    from pellucid.serving.logs import check_level

    load_own_code(layers)
    more: dict[str, Any] = {} if threads is None else {"threads": threads}
    chosen = engines.make(engine, **more)
    check_level(log)
    settings = Settings(
        host=host,
        port=port,
        grpc_port=grpc_port,
        token=token,
        is_insecure=insecure,
        time_limit_s=time_limit,
        batching=Batching(size=batch_size, delay_s=delay / 1000, queue=queue),
        limits=Limits(body_bytes=body_limit * 1024 * 1024),
    )
    sources = [_parse_source(text, chosen) for text in runs]
    app = create_app(sources, settings=settings, log=Log(log), follows=follow)
    run_server(
        app, on_ready=lambda url: say(_address_line(url, app.state.grpc_address))
    )


def _address_line(url: str, grpc_address: str | None) -> str:
    """Return the message with the server's addresses."""
    more = "" if grpc_address is None else f", gRPC at {grpc_address}"
    return f"serving at {url} (see {url}/docs){more}"


def _parse_source(text: str, engine: Any) -> Any:
    """Parse [NAME[:VERSION]=]RUN."""
    from pathlib import Path

    from pellucid.runs import model_path
    from pellucid.serving import Source

    head, equals, run = text.partition("=")
    if not equals:
        head, run = Path(text).stem or Path(text).name, text
    name, _, version = head.partition(":")
    model_path(run)  # raises RunError if there is none
    return Source(name=name, origin=run, version=version or "1", engine=engine)

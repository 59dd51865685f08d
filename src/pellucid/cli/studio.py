"""This file is `pellucid studio`: the page on which people see a network work."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from pellucid.cli.output import say

_BEGINNER = "mnist-torch"  # what is trained where no run is named
_BEGINNER_IMAGES = 12_800


def studio(
    run: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Argument(
            help="What to look into: a run's folder, its name under runs/ or a "
            ".pellucid file. Without it a small training begins at once.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="numpy, compiled, torch, tensorflow or jax.")
    ] = "compiled",
    host: Annotated[
        str, typer.Option(help="Address to listen on; others need a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 takes a free one.")] = 8765,
    token: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            envvar="PELLUCID_TOKEN",
            help="What opens the page to other machines.",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page at once.")
    ] = True,
) -> None:
    """Open the studio: draw a digit, look inside, watch training, build, compare.

    It is one page on this machine and asks nothing of any other.

    \b
    [bold]Examples[/bold]
    pellucid studio                train in seconds, and look
    pellucid studio mnist-torch    look into a run
    pellucid studio --no-browser --port 9000
    """
    from pellucid import engines
    from pellucid.serving import Log, Settings, create_app, serve

    chosen = engines.make(engine)
    settings = Settings(host=host, port=port, token=token)
    bench, sources = _bench(run, chosen)
    bench.warm()
    app = create_app(sources, settings=settings, log=Log("events"), bench=bench)
    wish = _wish(engine) if run is None else None
    serve(app, on_ready=lambda url: _on_ready(url, app, wish, token, browser))


def _bench(run: str | None, engine: Any) -> tuple[Any, list[Any]]:
    """Return what the studio shows, and what is served beside it."""
    from pellucid import Model, zoo
    from pellucid.model import from_file
    from pellucid.runs import ModelFile, model_path
    from pellucid.serving import Source
    from pellucid.studio import Workbench

    if run is None:
        return Workbench(Model(zoo(_BEGINNER), engine=engine), _BEGINNER), []
    path = model_path(run)
    model = from_file(ModelFile.read(path), engine=engine)
    title = model.network.name
    return Workbench(model, title), [Source(name="model", origin=run, engine=engine)]


def _wish(engine: str) -> Any:
    from pellucid.studio.live_training import Wish

    wish = {"network": _BEGINNER, "images": _BEGINNER_IMAGES, "engines": [engine]}
    return Wish.model_validate(wish)


def _on_ready(url: str, app: Any, wish: Any, token: str | None, opens: bool) -> None:
    import webbrowser
    from urllib.parse import quote

    if wish is not None:
        app.studio.start(wish)
    address = url if token is None else f"{url}/?token={quote(token, safe='')}"
    say(f"the studio is at {address} (Ctrl-C ends it)")
    if opens:
        webbrowser.open(address)

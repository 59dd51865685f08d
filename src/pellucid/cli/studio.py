"""`pellucid studio`: a web page that shows a network at work."""

from __future__ import annotations

from typing import Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import say

_BEGINNER = "mnist-torch"  # trained if no run is given
_BEGINNER_IMAGES = 12_800


def studio(
    run: Annotated[
        Optional[str],  # noqa: UP045 - typer reads it at run time
        typer.Argument(
            help="The model to open: a run's folder, its name under runs/, or a "
            ".pellucid file. Without it, a small training starts.",
            show_default=False,
        ),
    ] = None,
    engine: Annotated[
        str, typer.Option(help="numpy, compiled, torch, tensorflow or jax.")
    ] = "compiled",
    host: Annotated[
        str, typer.Option(help="Address to listen on; a non-local one needs a token.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; 0 picks a free one.")] = 8765,
    token: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            envvar="PELLUCID_TOKEN",
            help="Token for access from other machines.",
            show_default=False,
        ),
    ] = None,
    layers: options.Layers = None,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")
    ] = True,
) -> None:
    """Open the studio: draw a digit, inspect, train, build and compare networks.

    The page is served by this machine and loads nothing from the internet.

    \b
    [bold]Examples[/bold]
    pellucid studio                train a network in seconds
    pellucid studio mnist-torch    open a run
    pellucid studio --no-browser --port 9000
    """
    from pellucid import engines
    from pellucid.cli.own_code import load_own_code
    from pellucid.serving import Log, Settings, create_app, serve

    load_own_code(layers)
    chosen = engines.make(engine)
    settings = Settings(host=host, port=port, token=token)
    bench, sources = _bench(run, chosen)
    bench.warm()
    app = create_app(sources, settings=settings, log=Log("events"), bench=bench)
    wish = _wish(engine) if run is None else None
    serve(app, on_ready=lambda url: _on_ready(url, app, wish, token, browser))


def _bench(run: str | None, engine: Any) -> tuple[Any, list[Any]]:
    """Return the studio's model, and the sources to serve."""
    from pellucid import Model, zoo
    from pellucid.model import from_file
    from pellucid.network import to_json
    from pellucid.runs import ModelFile, RunFolder, find, model_path
    from pellucid.runs.recipe import Recipe
    from pellucid.serving import Source
    from pellucid.studio import SharedModel
    from pellucid.studio.examples import OpenedRun

    if run is None:
        return SharedModel(Model(zoo(_BEGINNER), engine=engine), _BEGINNER), []
    path = model_path(run)
    model = from_file(ModelFile.read(path), engine=engine)
    title, opened = model.network.name, None
    folder = find(run)
    if folder.is_dir():
        recipe = Recipe.read(RunFolder(folder).recipe)
        written = {"network": to_json(model.network)}
        opened = OpenedRun(folder.name, recipe.model_copy(update=written))
    return SharedModel(model, title, opened), [
        Source(name="model", origin=run, engine=engine)
    ]


def _wish(engine: str) -> Any:
    from pellucid.studio.live_training import TrainingRequest

    wish = {"network": _BEGINNER, "images": _BEGINNER_IMAGES, "engines": [engine]}
    return TrainingRequest.model_validate(wish)


def _on_ready(url: str, app: Any, wish: Any, token: str | None, opens: bool) -> None:
    import webbrowser
    from urllib.parse import quote

    if wish is not None:
        app.studio.start(wish)
    address = url if token is None else f"{url}/?token={quote(token, safe='')}"
    say(f"Studio running at {address} (Ctrl-C to stop)")
    if opens:
        webbrowser.open(address)

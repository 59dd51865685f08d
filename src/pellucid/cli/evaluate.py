"""`pellucid evaluate`: loss, accuracy, confusion matrix and mistakes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.metric_lines import metric_lines
from pellucid.cli.output import DataProgress, answer, emit, percent, say, table

if TYPE_CHECKING:
    from pellucid.cli.open_run import LoadedRun
    from pellucid.data import Dataset
    from pellucid.explain import Assessment
    from pellucid.training import TestTimeAugment

_SHOWN_MISTAKES = 10  # by file, the most confident
_WIDEST_CONFUSION = 30  # classes; more do not fit a terminal


def evaluate(
    run: options.Run,
    data: options.Data = None,
    engine: options.EngineName = None,
    picture: options.Picture = None,
    skip_broken: options.SkipBroken = False,
    layers: options.Layers = None,
    tta: Annotated[
        Optional[list[str]],  # noqa: UP045 - typer reads it at run time
        typer.Option(
            "--tta",
            help="Average the outputs over views of each image: flip, shift=1; "
            "repeatable.",
            metavar="VIEW",
            show_default=False,
        ),
    ] = None,
    json: options.Json = False,
) -> None:
    """Evaluate a trained network on test data.

    Prints accuracy, precision, F1 and AUC of each class and the confusion matrix (rows:
    true class, columns: predicted class), and saves a picture of the most confident
    mistakes as mistakes.png next to the model. For a regression it prints the mean
    absolute error.
    With several outputs it prints the same for each.

    \b
    [bold]Examples[/bold]
    pellucid evaluate mnist-torch
    pellucid evaluate runs/mnist-torch --engine torch
    pellucid evaluate mnist-torch --data photos/ --picture wrong.png
    pellucid evaluate cifar10-fast --tta flip --tta shift=1
    pellucid evaluate mnist-torch --json | jq .metrics.accuracy
    """
    from pellucid.cli.open_run import data_source, open_run
    from pellucid.cli.own_code import load_own_code
    from pellucid.explain import assess
    from pellucid.network.ports import has_several
    from pellucid.recipes.datasets import load_examples
    from pellucid.runs.recipe import DataSection

    load_own_code(layers)
    loaded = open_run(run, engine)
    source = data_source(loaded, data)
    section = DataSection(source=source)
    own = loaded.recipe.data if loaded.recipe is not None else None
    if own is not None and own.given is None and own.source == source:
        section = own
    if skip_broken:
        section = section.model_copy(update={"skip_broken": True})
    train, test = load_examples(section, loaded.model, progress=DataProgress())
    on = "validation" if train.validation is test else "test"
    views = _parse_views(tta or [])
    if has_several(loaded.model.network):
        _evaluate_outputs(loaded, source, test, on, views, json=json)
        return
    assessment = assess(loaded.model, test, tta=views)
    drawn = _draw_mistakes(assessment, test, picture or loaded.folder / "mistakes.png")
    if json:
        document = _document(loaded, source, assessment, drawn)
        emit({**document, "tested_on": on, "views": tta or []})
        return
    _print_report(assessment)
    _print_mistakes(assessment)
    if drawn is not None:
        say(f"Most confident mistakes saved in {drawn}")
    _say_views(views)
    _print_metrics(assessment, on)


def _parse_views(items: list[str]) -> TestTimeAugment | None:
    """Parse ``flip`` and ``shift=1``."""
    from pellucid.errors import RunError
    from pellucid.recipes import parse_setting
    from pellucid.training import TestTimeAugment

    if not items:
        return None
    given = dict(parse_setting(i if "=" in i else f"{i}=true") for i in items)
    if given.keys() - {"flip", "shift"}:
        raise RunError(
            f"evaluate: --tta must be flip or shift=PIXELS; got {', '.join(items)}. "
            "For both give --tta twice."
        )
    return TestTimeAugment(**{"flip": False, **given})


def _say_views(views: TestTimeAugment | None) -> None:
    if views is not None:
        answer(f"outputs averaged over each image and its views: {views.words}")


def _evaluate_outputs(
    loaded: LoadedRun,
    source: str,
    test: Any,
    on: str,
    views: TestTimeAugment | None,
    *,
    json: bool,
) -> None:
    """Print the report of each output, and all metrics."""
    from pellucid.explain import assess_outputs
    from pellucid.explain.class_table import summary_lines

    found = assess_outputs(loaded.model, test, tta=views)
    if json:
        seen = [] if views is None else [views.words]
        head = _head(loaded, source)
        emit({**head, **found.to_json(), "tested_on": on, "views": seen})
        return
    for name, assessment in found.outputs.items():
        if assessment.classes and len(loaded.model.network.outputs) > 1:
            answer(f"output {name}")
            answer("")
        _print_report(assessment)
        for line in summary_lines(assessment):
            answer(line)
        if len(found.outputs) > 1:
            answer("")
    answer(f"examples: {found.count:,}")
    _say_views(views)
    for line in metric_lines(found.metrics, on, loaded.model.network.outputs):
        answer(line)


def _head(loaded: LoadedRun, source: str) -> dict[str, object]:
    return {
        "run": str(loaded.path),
        "network": loaded.model.network.name,
        "engine": loaded.model.engine.name,
        "data": source,
    }


def _draw_mistakes(assessment: Assessment, test: Dataset, path: Path) -> Path | None:
    """Save a picture of the mistakes, if there are any and examples are images."""
    if not assessment.mistakes or len(test.image_shape) != 3:
        return None
    from pellucid.explain import mistakes_picture
    from pellucid.runs.picture import save_figure

    save_figure(mistakes_picture(assessment, test), path)
    return path


def _document(
    loaded: LoadedRun, source: str, assessment: Assessment, drawn: Path | None
) -> dict[str, object]:
    return {
        **_head(loaded, source),
        "picture": str(drawn) if drawn else None,
        **assessment.to_json(),
    }


def _print_report(assessment: Assessment) -> None:
    from pellucid.explain.class_table import class_table

    names = assessment.classes
    if not names:
        return
    counts = assessment.confusion
    head, rows = class_table(assessment)
    answer(table(head, rows, numbers=head[1:]))
    answer("")
    if assessment.meaning.kind == "labels":
        return
    if len(names) > _WIDEST_CONFUSION:
        say(f"the confusion matrix of {len(names)} classes is in --json")
        return
    confusion = [
        (name, *(str(n) if n else "·" for n in row))
        for name, row in zip(names, counts, strict=True)
    ]
    answer(table(("true ↓  predicted →", *names), confusion, numbers=names))
    answer("")


def _print_mistakes(assessment: Assessment) -> None:
    """Print the files of the most confident mistakes."""
    names, shown = assessment.classes, assessment.mistakes[:_SHOWN_MISTAKES]
    if not names or not any(m.file for m in shown):
        return
    rows = [
        (
            m.file,
            *m.words(names),
            percent(m.probability),
        )
        for m in shown
    ]
    headers = ("most confident mistakes", "true", "predicted", "probability")
    answer(table(headers, rows, numbers=("probability",)))
    more = len(assessment.mistakes) - len(shown)
    if more:
        say(f"{more:,} more mistakes are in --json, with their files")
    answer("")


def _print_metrics(assessment: Assessment, on: str) -> None:
    from pellucid.explain.class_table import summary_lines

    for line in summary_lines(assessment):
        answer(line)
    answer(f"images: {assessment.count:,}")
    if assessment.classes and assessment.meaning.is_per_pixel:
        shares = assessment.class_iou
        if (shares == shares).any():
            mean = float(shares[shares == shares].mean())
            answer(f"{on} mean IoU of the classes, over all pixels: {mean:.4f}")
    for line in metric_lines(assessment.metrics, on):
        answer(line)

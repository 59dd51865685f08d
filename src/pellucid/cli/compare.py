"""`pellucid compare`: engines compared by measurement, criterion by criterion."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, say, table
from pellucid.errors import PellucidError
from pellucid.machine import describe_machine

if TYPE_CHECKING:
    from pellucid.compare.results import Results
    from pellucid.compare.run import Request

Text = Optional[str]  # noqa: UP045 - typer reads these at run time
Place = Optional[Path]  # noqa: UP045


def compare(
    network: Annotated[
        str,
        typer.Argument(
            metavar="NETWORK", help="A zoo network, or a .py or .json file."
        ),
    ] = "mnist-torch",
    data: Annotated[
        Text,
        typer.Option(
            "--data",
            help="mnist, fashion-mnist, cifar10; or a folder or .zip of images with "
            "one subfolder per class, a .csv of paths and labels, or a .npz. Default: "
            "the network's own data.",
            show_default=False,
        ),
    ] = None,
    engines: Annotated[
        Text,
        typer.Option(
            "--engines",
            help="Engines to compare: numpy, compiled, torch, tensorflow, jax. "
            "Default: all five.",
            metavar="NAME,…",
            show_default=False,
        ),
    ] = None,
    is_quick: Annotated[
        bool,
        typer.Option(
            "--quick/--full",
            help="A selection in six minutes, or everything.",
        ),
    ] = True,
    only: Annotated[
        Text,
        typer.Option(
            "--only", help="Criteria to measure.", metavar="ROW,…", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            help="Folder for results.json, report.md and index.html. Results that "
            "it already contains are kept and not measured again.",
        ),
    ] = Path("report"),
    against: Annotated[
        Place,
        typer.Option(
            "--against",
            help="The results.json of an earlier report: show what has changed.",
            show_default=False,
        ),
    ] = None,
    priority: Annotated[
        Text,
        typer.Option(
            "--priority",
            help="Your priorities, the most important first, as in "
            "latency,size,ease; or with weights, as in latency=3,size=1.",
            metavar="NAME,…",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option("--seed", help="Seed of weights and batches.", min=0)
    ] = 0,
    json: options.Json = False,
) -> None:
    """Compare engines by measurement, and rank them by your priorities.

    The report is a table: one row per criterion, one column per engine. Each result is
    measured in its own process; if that crashes, hangs or runs out of memory, the
    report says so and the others continue. Ctrl-C keeps finished results; run the same
    command again to continue.

    \b
    [bold]Examples[/bold]
    pellucid compare
    pellucid compare lenet5 --full --out report-lenet5/
    pellucid compare my_net.py --data photos/ --engines compiled,torch
    pellucid compare --only latency,footprint --priority latency,size
    pellucid compare --against old/results.json
    """
    from pellucid.compare.report import write_report
    from pellucid.compare.results import FILE, read_results
    from pellucid.compare.run import compare as run
    from pellucid.compare.run import read_earlier, show_progress

    before = read_results(against) if against is not None else None
    weights = _parse_priorities(priority)
    request = _request(network, data, engines, only, is_quick=is_quick, seed=seed)
    old = read_earlier(out)
    try:
        with show_progress(say) as watcher:
            results = run(request, out, watcher, old)
    except KeyboardInterrupt:
        if not (out / FILE).is_file():
            say("stopped before the first result; nothing is saved.")
            raise
        write_report(out, read_results(out / FILE), weights, before)
        say(f"stopped; results so far are in {out}. Run the same command to continue.")
        raise
    left = sum(cell.status == "not yet" for cell in results.cells)
    if left:
        say(
            f"Out of time, {left} results left; run the same command again to continue."
        )
    for path in write_report(out, results, weights, before):
        say(f"wrote {path}")
    if json:
        emit(_to_json(results, weights, before))
    else:
        answer(_format(results, weights, before))


def _request(
    network: str,
    data: str | None,
    engines: str | None,
    only: str | None,
    *,
    is_quick: bool,
    seed: int,
) -> Request:
    """Check the arguments."""
    from pellucid.compare.criteria import ENGINES, list_criteria
    from pellucid.compare.methods.subject import check_subject
    from pellucid.compare.run import Request

    columns = _select("--engines", engines, ENGINES)
    rows = _select("--only", only, list_criteria())
    described, source = check_subject(network, data)
    return Request(
        network=described,
        data=source,
        engines=columns,
        rows=rows,
        is_quick=is_quick,
        seed=seed,
        machine=describe_machine(),
    )


def _select(option: str, text: str | None, known: tuple[str, ...]) -> tuple[str, ...]:
    """Return the named ones in the order of ``known``; all if text is None."""
    if text is None:
        return known
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = [name for name in names if name not in known]
    if wrong or not names:
        came = repr(wrong[0]) if wrong else "nothing"
        raise PellucidError(
            f"compare: {option} must be among {', '.join(known)}; got {came}."
        )
    return tuple(name for name in known if name in names)


def _parse_priorities(text: str | None) -> dict[str, float] | None:
    """Parse priorities: weights n, n-1, … 1 by order, or explicit weights."""
    from pellucid.compare.criteria import PRIORITIES

    if text is None:
        return None
    items = [item.strip() for item in text.split(",") if item.strip()]
    weights: dict[str, float] = {}
    for i, item in enumerate(items):
        name, _, number = item.partition("=")
        if name not in PRIORITIES:
            raise PellucidError(
                f"compare: --priority must be among {', '.join(PRIORITIES)}; "
                f"got {name!r}."
            )
        try:
            weights[name] = float(number) if number else float(len(items) - i)
        except ValueError:
            weights[name] = -1.0
        if not 0 <= weights[name] < float("inf"):
            raise PellucidError(
                "compare: the weight of a priority must be a number of at least 0; "
                f"got {item!r}."
            )
    if not any(weights.values()):
        raise PellucidError(
            f"compare: --priority must have a weight above 0; got {text!r}."
        )
    return weights


def _to_json(
    results: Results, weights: dict[str, float] | None, before: Results | None
) -> dict[str, object]:
    from pellucid.compare.results import (
        explain_no_ranking,
        find_changes,
        list_answers,
        list_differences,
        list_left_out,
        make_overview,
        measure_coverage,
        rank,
        to_json,
    )

    document = results.to_json()
    document.pop("schema_version")
    document["overview"] = [row.to_json() for row in make_overview(results)]
    document["answers"] = [answer.to_json() for answer in list_answers(results)]
    document["ranking"] = to_json(rank(results, weights))
    document["unranked"] = explain_no_ranking(results, weights) or None
    document["coverage"] = measure_coverage(results, weights).to_json()
    document["left_out"] = [one.to_json() for one in list_left_out(results)]
    if before is not None:
        document["against"] = {
            "differences": list_differences(before, results),
            "changes": [change.to_json() for change in find_changes(before, results)],
        }
    return document


def _format(
    results: Results, weights: dict[str, float] | None, before: Results | None
) -> str:
    """Return losses, ranking and changes as text."""
    from pellucid.compare.report import (
        answer_lines,
        changed_lines,
        coverage_line,
        summary_lines,
    )
    from pellucid.compare.results import rank

    answers = answer_lines(results)
    parts = ["\n".join(["Which framework for whom:", *answers])] if answers else []
    parts.append("\n".join(summary_lines(results)))
    places = rank(results, weights)
    if places:
        rows = [
            (
                f"{place.place}{' (tie)' if place.is_tied else ''}",
                place.engine,
                f"{place.value:.2f}",
                f"{place.low:.2f} – {place.high:.2f}",
            )
            for place in places
        ]
        parts.append(table(("place", "engine", "score", "interval"), rows))
    parts.append(coverage_line(results, weights))
    if before is not None:
        parts.append("\n".join(changed_lines(before, results)))
    return "\n\n".join(parts)

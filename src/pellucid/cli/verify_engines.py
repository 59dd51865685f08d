"""`pellucid verify --engines`: parity as a table, JSON and a plot."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.output import DataProgress, answer, say, table
from pellucid.errors import EngineError

if TYPE_CHECKING:
    from pellucid.network import Network, Preprocessing
    from pellucid.objectives import Loss, Optimizer
    from pellucid.runs import ModelFile
    from pellucid.verify import ParityReport


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A network to verify, and how it is trained."""

    network: Network
    loss: Loss | None = None
    optimizer: Optimizer | None = None
    preprocessing: Preprocessing | None = None
    file: ModelFile | None = None


def verify_engines(
    source: str,
    *,
    engines: str,
    steps: int,
    batch_size: int,
    data: str | None,
    dtype: str,
    seed: int,
    picture: Path | None,
    json: bool,
) -> dict[str, Any]:
    """Run engines in lockstep, write the result, and return it; no table with json."""
    from pellucid.runs.picture import save_figure
    from pellucid.verify import check_parity, draw_parity, load_examples
    from pellucid.verify.examples import default_loss

    names = engine_names(engines, dtype)
    target = _read_target(source)
    loss = target.loss or default_loss(target.network)
    examples = load_examples(
        target.network,
        loss,
        source=data,
        preprocessing=target.preprocessing,
        count=max(6400, steps * batch_size),
        seed=seed,
        progress=DataProgress(),
    )
    report = check_parity(
        target.network,
        names,
        weights=target.file.weights if target.file else None,
        loss=loss,
        optimizer=target.optimizer,
        examples=examples,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        dtype=dtype,
        on_step=_show_progress,
    )
    if picture is not None:
        save_figure(draw_parity(report), picture)
        say(f"Plot saved in {picture}")
    if not json:
        print_report(report)
    return report.to_json()


def engine_names(engines: str, dtype: str) -> list[str]:
    """Return the engines of a comma-separated list; "all": all that are installed.

    Raises
    ------
    EngineError
        If a name is empty.
    """
    from pellucid.engines import missing_package
    from pellucid.engines.registry import ENGINES

    if engines != "all":
        names = [name.strip() for name in engines.split(",")]
        if not all(names):
            raise EngineError(
                "verify: engines must be names with commas between them, or all; "
                f"got '{engines}'."
            )
        return names
    can = [name for name, record in ENGINES.items() if dtype in record.dtypes]
    return [name for name in can if missing_package(name) is None]


def _read_target(source: str) -> _Target:
    """Return the target: a built-in recipe, a network file, or a RUN."""
    from pellucid import recipes
    from pellucid.cli.verify_gradients import read_model_file
    from pellucid.network import load_network
    from pellucid.objectives import loss_from_json, optimizer_from_json

    if source in recipes.names():
        recipe = recipes.read(source)
        return _Target(
            network=load_network(source),
            loss=loss_from_json(recipe.loss),
            optimizer=optimizer_from_json(recipe.optimizer),
        )
    if Path(source).suffix in (".py", ".json"):
        return _Target(network=load_network(source))
    file = read_model_file(source)
    return _Target(
        network=file.network,
        loss=file.loss,
        optimizer=file.optimizer,
        preprocessing=file.preprocessing,
        file=file,
    )


def print_report(report: ParityReport) -> None:
    """Print a report: every pair, non-differentiable points, the free run."""
    numbers = ("activations", "floor", "gradients", "floor ", "weights", "floor  ")
    rows = []
    for pair in report.pairs:
        cells = [
            f"{a:.1e}" for kind in report.kinds for a in report.worst(kind, pair)[:2]
        ]
        passes = "yes" if report.first_divergence(pair) is None else "NO"
        rows.append((" · ".join(pair), *cells, passes))
    answer(table(("engines", *numbers, "agree"), rows, numbers=numbers))
    answer("")
    answer(_nonsmooth_line(report))
    rows = [
        (name, f"{values[-1]:.1e}", str(int(crossed.sum())))
        for name, values, crossed in zip(
            report.engines, report.free.deviation.T, report.ties.crossed.T, strict=True
        )
    ]
    if report.free.floor.any():
        rows.append(("noise floor", f"{report.free.floor[-1]:.1e}", ""))
    headers = ("engine", f"weights after {report.steps} free steps", "points crossed")
    answer("")
    answer(table(headers, rows, numbers=headers[1:]))
    answer("")
    for pair in report.pairs:
        if parting := report.first_divergence(pair):
            answer(str(parting))
    verdict = "agree" if report.passes else "DO NOT AGREE"
    answer(
        f"{report.network} on {report.data}, {report.dtype}, {report.steps} steps of "
        f"{report.batch_size}: the engines {verdict}"
    )


def _nonsmooth_line(report: ParityReport) -> str:
    kinks, ties = int(report.ties.kinks.sum()), int(report.ties.ties.sum())
    near = f"{kinks} ReLU inputs, {ties} pool windows"
    return f"within 1e-6 of a non-differentiable point: {near}"


def _show_progress(done: int, total: int, what: str) -> None:
    """Show progress on stderr if it is a terminal."""
    if sys.stderr.isatty():
        end = "\n" if done == total else ""
        sys.stderr.write(f"\r{what}: step {done} of {total} {end}")
        sys.stderr.flush()

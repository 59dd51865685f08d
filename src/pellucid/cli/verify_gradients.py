"""`pellucid verify --gradients`: gradient check as a table or JSON."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pellucid.cli.output import answer, say, table

if TYPE_CHECKING:
    from pellucid.runs import ModelFile
    from pellucid.verify import WeightCheck


def verify_gradients(
    source: str, *, samples: int | None, tolerance: float, seed: int, json: bool
) -> dict[str, Any]:
    """Check, print and return the result; no table with json."""
    from pellucid.network import ZOO, load_network
    from pellucid.verify import check_gradients

    file: ModelFile | None = None
    if source in ZOO or Path(source).suffix in (".py", ".json"):
        network = load_network(source)
    else:
        file = read_model_file(source)
        network = file.network
    checked = check_gradients(
        network,
        weights=file.weights if file else None,
        loss=file.loss if file else None,
        samples=samples,
        seed=seed,
        tolerance=tolerance,
        on_weight=_show_progress if sys.stderr.isatty() and not json else None,
    )
    document = {
        "network": checked.network,
        "loss": checked.loss,
        "tolerance": tolerance,
        "passes": checked.passes,
        "weights": [asdict(weight) for weight in checked.weights],
    }
    if json:
        return document
    numbers = ("elements", "checked", "skipped", "relative error")
    rows = [
        (
            weight.name,
            f"{weight.entries:,}",
            f"{weight.checked:,}",
            f"{weight.skipped:,}",
            f"{weight.error:.1e}" if weight.checked else "",
        )
        for weight in checked.weights
    ]
    answer(table(("weight", *numbers), rows, numbers=numbers))
    answer("")
    worst = max((weight.error for weight in checked.weights), default=0.0)
    verdict = "correct" if checked.passes else "WRONG"
    answer(f"gradients of {checked.network}: {verdict}")
    answer(f"largest relative error {worst:.1e}, tolerance {tolerance:.0e}")
    return document


def read_model_file(source: str) -> ModelFile:
    """Read a RUN's model file; if there is none, list what is accepted."""
    from pellucid.errors import NetworkError, RunError
    from pellucid.network import ZOO
    from pellucid.network.architectures import ARCHITECTURES
    from pellucid.runs import ModelFile, model_path

    try:
        return ModelFile.read(model_path(source))
    except RunError as error:
        raise NetworkError(
            f"verify: NETWORK must be one of {', '.join([*ZOO, *ARCHITECTURES])}, a "
            f".py or .json file, or a run; got '{source}'."
        ) from error


def _show_progress(check: WeightCheck) -> None:
    say(f"{check.name}: {check.checked} of {check.entries} checked")

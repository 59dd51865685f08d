"""`pellucid export`: write a model in other formats and verify each file."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Optional

import typer

from pellucid.cli import options
from pellucid.cli.output import answer, emit, percent, say, table

if TYPE_CHECKING:
    from pellucid.cli.open_run import LoadedRun
    from pellucid.data import Dataset
    from pellucid.exchange import ExportReport
    from pellucid.network import Network

_IMAGES = 32  # each file is verified on
#: by which losses of three updates may differ, of each loss
TRAINING_TOLERANCE = 1e-3


def export(
    run: options.Run,
    to: Annotated[
        str, typer.Option("--to", help="Formats, separated by commas: onnx,c,…")
    ],
    out: Annotated[
        Optional[Path],  # noqa: UP045 - typer reads it at run time
        typer.Option("--out", help="Output folder. Default: the run's folder."),
    ] = None,
    data: options.Data = None,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Quantize to int8 (tflite, c, native, wasm), calibrated on the "
            "training images of --data, and report test accuracy before and after.",
        ),
    ] = False,
    calibration: options.Calibration = None,
    target: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--target",
            help="Processor of --to native (x86-64-v3, aarch64 …), or of --to wasm "
            "(wasm32, wasm32-threads …).",
        ),
    ] = None,
    train: Annotated[
        bool,
        typer.Option("--train", help="Export the training step, too (native, wasm)."),
    ] = False,
    batch_size: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--batch-size",
            help="Most images of one step of --train; sets the memory. Default: 64.",
            show_default=False,
        ),
    ] = None,
    layers: options.Layers = None,
    json: options.Json = False,
) -> None:
    """Export a model to other formats, and verify each file in its own runtime.

    Each file is run in the runtime it is made for, on real images, and its output is
    compared with the model's; if the runtime is not installed, the table says so.

    \b
    [bold]Examples[/bold]
    pellucid export mnist-torch --to onnx
    pellucid export digits.pellucid --to onnx,c,javascript --out exported/
    pellucid export mnist-torch --to tflite,c --int8
    pellucid export mnist-torch --to native --target aarch64 --train
    """
    from pellucid.cli.open_run import open_run
    from pellucid.cli.own_code import load_own_code
    from pellucid.errors import ExchangeError
    from pellucid.exchange import formats, write_all
    from pellucid.exchange.api import check_network
    from pellucid.exchange.int8.aware import is_aware
    from pellucid.exchange.native.memory import memory_of
    from pellucid.exchange.native.options import BATCH, NativeOptions

    load_own_code(layers)
    names = [name.strip() for name in to.split(",") if name.strip()]
    if not names:
        raise ExchangeError(f"export: --to must name a format; got {to!r}.")
    entries = [formats.find_int8(n) if int8 else formats.find(n) for n in names]
    is_calibrated = any(entry.is_calibrated for entry in entries)
    if calibration is not None and not is_calibrated:
        raise ExchangeError(
            f"export: --calibration must go with an int8 format; got {to}."
        )
    if batch_size is not None and not train:
        raise ExchangeError(
            f"export: --batch-size must go with --train; got {batch_size} without it."
        )
    most = BATCH if batch_size is None else batch_size
    asked = NativeOptions(target=target, train=train, batch_size=most)
    loaded = open_run(run, "compiled" if is_calibrated else "numpy")
    described = loaded.model.file()
    for entry in entries:
        check_network(described, entry)
    splits = load_splits(loaded, data)
    images = sample_images(loaded, splits)
    ranges = None
    if is_calibrated and (calibration is not None or not is_aware(described.network)):
        ranges = select_calibration(loaded, splits, calibration)
    folder = out or loaded.folder
    is_new = not folder.exists()
    _make_folder(folder)
    stem = loaded.path.stem if loaded.path.is_file() else loaded.path.name
    targets = {folder / f"{stem}{entry.suffix}": entry for entry in entries}
    try:
        write_all(loaded.model, targets, calibration=ranges, options=asked)
    except BaseException:
        if is_new:
            with contextlib.suppress(OSError):  # something lies in it
                folder.rmdir()
        raise
    rows = []
    for path, entry in targets.items():
        row = verify_file(loaded.model, path, images, entry.name)
        if entry.is_compiled:
            row["memory_bytes"] = memory_of(path, entry.name)
        if train and row["runtime"]:
            few = images[:most]
            row |= verify_training(loaded.model, path, few, entry.name)
        if entry.is_calibrated and row["runtime"] and splits is not None:
            row |= measure_accuracy(loaded.model, path, splits[1], entry.name)
        rows.append(row)
    if json:
        emit({"exports": rows})
    else:
        print_report(rows)


def _make_folder(folder: Path) -> None:
    """Create the output folder."""
    from pellucid.errors import ExchangeError

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExchangeError(
            f"export: --out must be a folder that can be written; got '{folder}': "
            f"{error.strerror}."
        ) from error


def load_splits(loaded: LoadedRun, data: str | None) -> tuple[Dataset, Dataset] | None:
    """Return training and test data: the named data, or the run's own; or None.

    Images have the size and colour that the run was trained on.
    """
    from pellucid.errors import DataError, RunError
    from pellucid.recipes.datasets import load_examples
    from pellucid.runs.recipe import DataSection

    section = loaded.recipe.data if loaded.recipe is not None else DataSection()
    if data is not None:
        named = section.model_copy(update={"source": data, "given": None})
        return load_examples(named, loaded.model)
    if loaded.recipe is None or section.given is not None:
        return None
    try:
        return load_examples(section, loaded.model)
    except (DataError, RunError) as error:
        say(f"the run's data cannot be used: {error}")
        return None


def sample_images(loaded: LoadedRun, splits: tuple[Dataset, Dataset] | None) -> Any:
    """Return real images to verify files on; noise if there are none."""
    import numpy as np

    from pellucid.data.several import SeveralDataset

    network = loaded.model.network
    if splits is not None and isinstance(splits[1], SeveralDataset):
        arrays = tuple(array[:_IMAGES] for array in splits[1].images)
        return arrays if len(arrays) > 1 else arrays[0]
    is_single, shape = len(network.inputs) == 1, network.input_shape
    if is_single and splits is not None and splits[1].image_shape == shape:
        return np.asarray(splits[1].images[:_IMAGES])
    what = f"images of shape {shape}" if is_single else "inputs"
    say(f"no {what} available: files are checked on noise")
    return make_noise(network, _IMAGES)


def make_noise(network: Network, count: int) -> Any:
    """Return normal noise of the input's shape; a tuple where there are several."""
    import numpy as np

    random = np.random.default_rng(0)
    arrays = tuple(
        random.normal(size=(count, *network.shapes[name])).astype(np.float32)
        for name in network.inputs
    )
    return arrays if len(arrays) > 1 else arrays[0]


def select_calibration(
    loaded: LoadedRun, splits: tuple[Dataset, Dataset] | None, given: str | None
) -> Any:
    """Return the images that are named, else training images of the data.

    Raises
    ------
    ExchangeError
        If there are none.
    """
    from pellucid.errors import ExchangeError
    from pellucid.recipes.calibration import calibration_images, spread

    if given is not None:
        return calibration_images(given, loaded.model)
    if splits is None:
        raise ExchangeError(
            "export: int8 must be calibrated on images of the network's shape; got "
            "none. Name them with --data or --calibration."
        )
    return spread(splits[0].images)


def measure_accuracy(
    model: Any, path: Path, test: Dataset, name: str
) -> dict[str, Any]:
    """Return the accuracy before and after; nothing for a regression, or several."""
    import numpy as np

    from pellucid.exchange import accuracy
    from pellucid.network.ports import has_several

    if has_several(model.network):
        return {}
    if model.meaning_for(test.labels).kind == "regression":
        return {}
    images = np.asarray(test.images[:])
    found = accuracy(model, path, images, test.labels, format=name)
    return {"accuracy_before": found.before, "accuracy": found.after}


def verify_file(model: Any, path: Path, images: Any, name: str) -> dict[str, Any]:
    """Return a file's verification as JSON values, or why it could not be run."""
    from pellucid.errors import MissingExtraError
    from pellucid.exchange import verify_export

    try:
        proof: ExportReport = verify_export(model, path, images, format=name)
    except MissingExtraError as error:
        return unverified(path, name, error)
    return proof.to_json()


def verify_training(model: Any, path: Path, images: Any, name: str) -> dict[str, float]:
    """Return how far losses of three updates are from the engine's; refuse if far."""
    from pellucid.errors import ExchangeError
    from pellucid.exchange.native.training import verify_training as verify
    from pellucid.exchange.preprocess import preprocess_images

    difference = verify(model, path, name, preprocess_images(model, images))
    if not difference <= TRAINING_TOLERANCE:
        raise ExchangeError(
            f"export: '{path}' must train as the engine does; got losses that differ "
            f"by {difference:.2g}. Please report the model."
        )
    return {"training_difference": difference}


def unverified(path: Path, name: str, error: Exception) -> dict[str, Any]:
    """Return the row of a file that could not be run, with the reason."""
    from pellucid.exchange.verify_export import size_of

    return {
        "format": name,
        "path": str(path),
        "size_bytes": size_of(path, name),
        "runtime": None,
        "reason": str(error),
    }


def print_report(rows: list[dict[str, Any]]) -> None:
    """Print verifications as a table, and why a file was not run."""
    headers = ("format", "file", "bytes", "verified in")
    numbers = ("bytes", "largest difference", "load ms", "latency ms")
    cells = [
        (
            row["format"],
            row["path"],
            f"{row['size_bytes']:,}",
            row["runtime"] or "not verified",
            *(
                _number(row, "difference", 1, ".1e"),
                _number(row, "load_s", 1000, ".1f"),
            ),
            _number(row, "latency_s", 1000, ".3f"),
        )
        for row in rows
    ]
    answer(table((*headers, *numbers[1:]), cells, numbers=numbers))
    for row in rows:
        if "accuracy" in row:
            before, after = percent(row["accuracy_before"]), percent(row["accuracy"])
            answer(f"{row['format']}: test accuracy {before} before, {after} after")
        if "memory_bytes" in row:
            answer(
                f"{row['format']}: {row['memory_bytes']:,} bytes of memory at run time"
            )
        if "training_difference" in row:
            difference = row["training_difference"]
            answer(
                f"{row['format']}: losses of three training steps within "
                f"{difference:.1e} of the engine's"
            )
        if row["runtime"] is None:
            say(f"{row['format']}: {row['reason']}")


def _number(row: dict[str, Any], key: str, factor: float, shown: str) -> str:
    return format(row[key] * factor, shown) if key in row else ""

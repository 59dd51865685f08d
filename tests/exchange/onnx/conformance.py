"""ONNX's own backend tests, run on what pellucid reads from them.

``python conformance.py`` writes ``conformance.md`` beside itself.
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import numpy_helper
from onnx.backend.test.loader import load_model_tests

from pellucid.errors import PellucidError
from pellucid.exchange.onnx import backend
from pellucid.exchange.onnx.operators import READERS

KINDS = ("node", "simple", "pytorch-converted", "pytorch-operator")
#: the largest relative error where the expected outputs were written with few digits;
#: ONNX itself allows 1e-3 everywhere
ROUNDED = {"test_averagepool_2d_ceil_last_window_starts_on_pad": 1e-3}
#: of numbers of 16 bits, which pellucid computes in float32 and rounds once
HALF = 2**-7
REPORT = Path(__file__).with_name("conformance.md")


@dataclass(frozen=True)
class Verdict:
    """How one of ONNX's tests went: passed, refused or failed, and why."""

    test: str
    operator: str
    outcome: str
    reason: str = ""


def cases() -> Iterator[tuple[str, onnx.ModelProto, list[Any], list[Any]]]:
    """Yield name, model, inputs and outputs of the tests of operators that we read."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ONNX makes its data with overflows
        found = [case for kind in KINDS for case in load_model_tests(kind=kind)]
    for case in sorted(found, key=lambda case: case.name):
        model, data = case.model, case.data_sets
        if model is None:
            folder = Path(case.model_dir)
            model = onnx.load(folder / "model.onnx")
            first = folder / "test_data_set_0"
            data = [(_arrays(first, "input"), _arrays(first, "output"))]
        operators = {node.op_type for node in model.graph.node} - {"Constant"}
        is_read = bool(operators) and operators <= set(READERS)
        if is_read and "Cast" not in operators and operators != {"CastLike"}:
            yield case.name, model, *data[0]


def _arrays(folder: Path, stem: str) -> list[Any]:
    count = len(list(folder.glob(f"{stem}_*.pb")))
    tensors = [onnx.TensorProto() for _ in range(count)]
    for i, tensor in enumerate(tensors):
        tensor.ParseFromString((folder / f"{stem}_{i}.pb").read_bytes())
    return [numpy_helper.to_array(tensor) for tensor in tensors]


def verdict(
    name: str, model: onnx.ModelProto, inputs: Any, outputs: Any, engine: str
) -> Verdict:
    """Read a model, run it, and compare with what ONNX expects."""
    operator = model.graph.node[-1].op_type
    try:
        given = backend.prepare(model, engine=engine).run(list(inputs))
    except PellucidError as error:
        return Verdict(name, operator, "refused", str(error))
    error, within = 0.0, ROUNDED.get(name, 1e-5)
    for got, y in zip(given, outputs, strict=True):
        expected, got = np.asarray(y), np.asarray(got)
        if expected.dtype.itemsize == 2 and got.dtype == expected.dtype:
            within = max(within, HALF)
            expected, got = (array.astype(np.float32) for array in (expected, got))
        if got.shape != expected.shape:
            reason = f"shape {got.shape} for {expected.shape}"
            return Verdict(name, operator, "failed", reason)
        scale = np.max(np.abs(expected), initial=0) or 1.0
        error = max(error, np.max(np.abs(got - expected), initial=0) / scale)
    outcome = "passed" if error <= within else "failed"
    return Verdict(name, operator, outcome, f"{error:.1e}")


def run(engine: str) -> list[Verdict]:
    """Return every test's verdict on one engine."""
    return [verdict(*case, engine) for case in cases()]


def report(verdicts: list[Verdict], engine: str) -> str:
    """Return the verdicts as a page."""
    counts = Counter(entry.outcome for entry in verdicts)
    lines = [
        "# ONNX's backend tests",
        "",
        f"onnx {onnx.__version__}, engine {engine}: the tests whose operators pellucid "
        "reads, but casts alone, run by `pellucid.exchange.onnx.backend`. Inputs are "
        "the network's where possible, as a batch or as one example; else the first "
        "is, and the others are constants.",
        "",
        f"**{counts['passed']} passed, {counts['refused']} refused, "
        f"{counts['failed']} failed, {len(verdicts)} in total.**",
        "",
        "| test | operator | outcome | reason or largest relative difference |",
        "|---|---|---|---|",
    ]
    for entry in verdicts:
        reason = entry.reason.replace("|", "\\|").replace("\n", " ")
        lines.append(
            f"| {entry.test} | {entry.operator} | {entry.outcome} | {reason} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", default="numpy")
    name = parser.parse_args().engine
    found = run(name)
    REPORT.write_text(report(found, name), encoding="utf-8")
    sys.stdout.write(report(found, name).split("\n")[4] + "\n")

"""Verify an exported training step: three updates beside the engine's."""

from __future__ import annotations

import ctypes
import json
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.errors import ExchangeError, MissingExtraError
from pellucid.exchange.native import emulate
from pellucid.exchange.native.run import Library, link, runs_here
from pellucid.exchange.nodejs import RELAXED
from pellucid.model import Model, from_file
from pellucid.objectives import BinaryCrossEntropy, CrossEntropy

Array = npt.NDArray[Any]
STEPS = 3

_NODE = """
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
const model = await import(pathToFileURL(process.argv[1]));
const [count, kind, rate] = JSON.parse(process.argv[2]), bytes = readFileSync(0);
const floats = (from, to) => new Float32Array(bytes.buffer.slice(
  bytes.byteOffset + from, bytes.byteOffset + to));
const end = 4 * count * model.inputShape.reduce((a, b) => a * b, 1);
const images = floats(0, end);
const given = floats(end, bytes.length);
const labels = kind === "classes" ? new Int32Array(given.buffer) : given;
const losses = [1, 2, 3].map(() => model.trainStep(images, labels, rate));
console.log(JSON.stringify(losses));
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingCase:
    """What three updates are made with."""

    images: Array
    labels: Array
    rate: float

    @property
    def content(self) -> bytes:
        """Images and labels, as programs read them."""
        return self.images.tobytes() + self.labels.tobytes()


def verify_training(model: Model, path: Path, format_name: str, images: Array) -> float:
    """Return the largest relative difference of a loss of three updates.

    Parameters
    ----------
    model : Model
        With loss and optimizer.
    path : Path
        The file that was written of it, with its training step.
    format_name : {"native", "wasm"}
    images : array of float32
        One batch at most.

    Raises
    ------
    MissingExtraError
        If the file cannot be run here.
    ExchangeError
        If it does not run.
    """
    case = _case(model, images)
    beside = from_file(
        model.file(), engine="compiled", loss=model.loss, optimizer=model.optimizer
    )
    labels = case.labels
    expected = [
        float(beside.train_step(case.images, labels, learning_rate=case.rate))
        for _ in range(STEPS)
    ]
    run = {"native": _native, "wasm": _wasm}[format_name]
    found = run(Path(path), case, model)
    pairs = zip(found, expected, strict=True)
    return float(max(abs(a - b) / (abs(b) or 1.0) for a, b in pairs))


def _case(model: Model, images: Array) -> TrainingCase:
    """Return a batch with random labels of the loss's kind."""
    random, shape = np.random.default_rng(0), model.network.output_shape
    count = len(images)
    labels: Array
    if isinstance(model.loss, CrossEntropy):
        classes = random.integers(0, shape[-1], (count, *shape[:-1]))
        labels = classes.astype(np.int32)
    elif isinstance(model.loss, BinaryCrossEntropy):
        labels = random.integers(0, 2, (count, *shape)).astype(np.float32)
    else:
        labels = random.normal(size=(count, *shape)).astype(np.float32)
    rate = getattr(model.optimizer, "learning_rate", 0.001)
    given = np.ascontiguousarray(images, np.float32)
    return TrainingCase(images=given, labels=labels, rate=float(rate))


def _native(path: Path, case: TrainingCase, model: Model) -> list[float]:
    library = Library(path)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "model.a"
        shutil.copy(path, copy)
        if not runs_here(library.target):
            return emulate.train(
                copy,
                library.target,
                prefix=library.prefix,
                memory=library.memory,
                sizes=(case.images.nbytes, case.labels.nbytes),
                count=len(case.images),
                rate=case.rate,
                given=case.content * STEPS,
            )
        loaded = ctypes.CDLL(str(link(copy, library.target)))
        memory, loss = np.zeros(library.memory, np.uint8), np.zeros(1, np.float32)
        arrays = case.images, case.labels, loss, memory
        images, labels, out, place = (ctypes.c_void_p(a.ctypes.data) for a in arrays)
        getattr(loaded, f"{library.prefix}_init")(place)
        step = getattr(loaded, f"{library.prefix}_train_step")
        count, rate = ctypes.c_int64(len(case.images)), ctypes.c_float(case.rate)
        found = []
        for _ in range(STEPS):
            step(images, labels, count, rate, out, place)
            found.append(float(loss[0]))
        return found


def _wasm(path: Path, case: TrainingCase, model: Model) -> list[float]:
    node = shutil.which("node")
    if node is None:
        raise MissingExtraError(
            "format 'wasm' must be checked in Node; got none. Install Node."
        )
    kind = "classes" if isinstance(model.loss, CrossEntropy) else "numbers"
    given = json.dumps([len(case.images), kind, case.rate])
    command = [node, "--input-type=module", "--eval", RELAXED + _NODE, "--"]
    done = subprocess.run(
        [*command, str(path.resolve()), given],
        input=case.content,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise ExchangeError(
            f"export: '{path}' must train in Node; got {done.stderr.decode()[-300:]}"
        )
    return [float(loss) for loss in json.loads(done.stdout)]

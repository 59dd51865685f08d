"""Criterion "On a phone, on a microcontroller?"."""

from __future__ import annotations

import importlib
import importlib.util
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import exchange
from pellucid.compare.criteria.criterion import Criterion, ScoredMetric
from pellucid.compare.measurement import Measurement
from pellucid.compare.methods.exports import Export, get_exporters
from pellucid.compare.methods.exports.table import Array
from pellucid.compare.methods.failure import describe_failure
from pellucid.compare.methods.programs import find_programs
from pellucid.compare.methods.scripts import silence
from pellucid.compare.methods.subject import build_model, load_data
from pellucid.compare.task import Task
from pellucid.engines.registry import DEFAULT
from pellucid.errors import ExchangeError
from pellucid.model import Model

#: what asks the system for memory
_ALLOCATORS = {"malloc", "calloc", "realloc", "free", "aligned_alloc", "_Znwm"}

#: our formats for small machines, and the package whose runtime opens them
_SMALL = {
    "c": "",
    "c_int8": "",
    "tflite": "ai_edge_litert",
    "tflite_int8": "ai_edge_litert",
    "executorch": "executorch",
}


def measure(task: Task) -> list[Measurement]:
    """Take the network to every small runtime, and look what it needs there."""
    count = 500 if task.is_quick else 5000
    model = _train_briefly(task)
    train, test = load_data(task)
    images = model.preprocessing.apply(test.images[:count], np.float32)
    labels = test.labels[:count]
    calibration = model.preprocessing.apply(train.images[:100], np.float32)
    whole = float(np.mean(_argmax_classes(model.predict(images)) == labels))
    measurements = [
        Measurement(
            name="accuracy before",
            value=100 * whole,
            unit="%",
            runs=count,
            note="Of the framework itself, after one short training, on test images.",
        )
    ]
    routes = _list_routes(task.engine)
    for number, (name, package, export) in enumerate(routes):
        folder = task.folder / f"device-{number}"
        folder.mkdir()
        measurements += _try_route((name, package, export), model, calibration, (
            images, labels, folder))  # fmt: skip
    works = [f for f in measurements if f.name.startswith("runs ") and f.value is True]
    note = f"Of {len(routes)} tried here."
    return [
        Measurement(name="ways to a device", value=len(works), note=note),
        *measurements,
    ]


def _train_briefly(task: Task) -> Model:
    """Train on the fastest engine for a moment: int8 must have something to lose."""
    model = build_model(task, DEFAULT)
    train, _ = load_data(task)
    share = 2000 if task.is_quick else 20000
    with silence():
        model.fit(
            (train.images[:share], train.labels[:share]),
            epochs=1,
            batch_size=64,
            progress=False,
        )
    return model.to(task.engine)


def _list_routes(engine: str) -> list[tuple[str, str, Export]]:
    exports = get_exporters(engine)
    devices = find_programs(engine).devices
    if devices:
        return [(name, package, exports[name]) for name, package in devices]
    found = []
    for entry in exchange.FORMATS.values():
        if entry.name in _SMALL and entry.is_written:
            name = f"{entry.name} ({entry.suffix})"
            found.append((name, _SMALL[entry.name], exports[name]))
    return found


def _try_route(
    way: tuple[str, str, Export],
    model: Model,
    calibration: Array,
    given: tuple[Array, Array, Path],
) -> Iterator[Measurement]:
    (name, package, export), (images, labels, folder) = way, given
    try:
        with silence():
            written = export(model, calibration, folder)
            measured = written.measure(images, name)
    except Exception as error:  # noqa: BLE001 - a refusal is an answer
        yield describe_failure(f"runs {name}", error, value=False)
        return
    outputs = measured.outputs.reshape(len(images), -1)
    right = float(np.mean(_argmax_classes(outputs) == labels))
    yield Measurement(name=f"runs {name}", value=True)
    details = (
        Measurement(
            name=f"accuracy {name}", value=100 * right, unit="%", runs=len(images)
        ),
        Measurement(name=f"latency {name}", value=measured.latency_s * 1000, unit="ms"),
        *_measure_costs(name, package, written.path),
    )
    yield from (replace(measurement, of=f"runs {name}") for measurement in details)


def _measure_costs(name: str, package: str, path: Path) -> Iterator[Measurement]:
    yield Measurement(
        name=f"artifact {name}", value=path.stat().st_size / 1024, unit="KiB"
    )
    if package:
        yield _measure_runtime(name, package)
        return
    try:
        yield from _measure_c(name, path)
    except ExchangeError as error:
        yield Measurement(name=f"needs malloc {name}", value=None, note=str(error))


def _measure_runtime(name: str, package: str) -> Measurement:
    """Return the size of a runtime's libraries, and whether they allocate."""
    libraries = _list_loaded_libraries(package)
    if not libraries:
        note = f"Which libraries of {package} are loaded is not told here."
        return Measurement(name=f"runtime {name}", value=None, note=note)
    names = ", ".join(path.name for path in libraries)
    taken = sorted(
        {s for p in libraries for s in _list_undefined_symbols(p)} & _ALLOCATORS
    )
    return Measurement(
        name=f"runtime {name}",
        value=sum(path.stat().st_size for path in libraries) / 1024,
        unit="KiB",
        note=f"{names} of the desktop's {package}, with every operator; "
        f"{', '.join(taken) or 'nothing'} from the system. A build for one device and "
        "network is smaller.",
    )


def _list_loaded_libraries(package: str) -> list[Path]:
    """Return the libraries of a package that this process has loaded, by name."""
    maps, spec = Path("/proc/self/maps"), importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations or not maps.exists():
        return []
    place = Path(next(iter(spec.submodule_search_locations))).resolve()
    fields = (line.split(maxsplit=5) for line in maps.read_text().splitlines())
    paths = {Path(words[5]) for words in fields if len(words) == 6}
    found = (p for p in paths if ".so" in p.name and p.is_relative_to(place))
    return sorted(found, key=lambda path: path.name)


def _measure_c(name: str, path: Path) -> Iterator[Measurement]:
    """Compile the C for size, and look at the object's symbols."""
    compiler = shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")
    if compiler is None:
        raise ExchangeError("devices: a C compiler must be there; got none.")
    target = path.with_suffix(".o")
    command = [compiler, "-Os", "-std=c99", "-c", str(path), "-o", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise ExchangeError(f"devices: C must compile; got {done.stderr[:200]}")
    text, data, bss = _read_sections(target)
    undefined = _list_undefined_symbols(target)
    header = path.with_suffix(".h").read_text(encoding="utf-8")
    space = int(header.split("_WORKSPACE ")[1].split()[0]) * 4
    yield Measurement(
        name=f"runtime {name}",
        value=0,
        unit="KiB",
        note="The object is all there is; it links against the mathematics of C only: "
        f"{', '.join(sorted(undefined)) or 'nothing'}.",
    )
    yield Measurement(
        name=f"object {name}",
        value=(text + data) / 1024,
        unit="KiB",
        note=f"Code and weights (-Os): what goes into flash; {bss} bytes of bss.",
    )
    yield Measurement(
        name=f"working memory {name}",
        value=space / 1024,
        unit="KiB",
        note="Handed in by the caller; beside image, output and stack.",
    )
    yield Measurement(
        name=f"needs malloc {name}",
        value=bool(undefined & _ALLOCATORS),
        note="By the object's undefined symbols.",
    )


def _read_sections(path: Path) -> tuple[int, int, int]:
    tool = shutil.which("size")
    if tool is None:
        raise ExchangeError("devices: the tool size must be there; got none.")
    done = subprocess.run([tool, str(path)], capture_output=True, text=True, check=True)
    text, data, bss = re.findall(r"\d+", done.stdout.splitlines()[1])[:3]
    return int(text), int(data), int(bss)


def _list_undefined_symbols(path: Path) -> set[str]:
    """Return the symbols that an object or a library takes from elsewhere."""
    tool = shutil.which("nm")
    if tool is None:
        raise ExchangeError("devices: the tool nm must be there; got none.")
    found: set[str] = set()
    for option in ("--undefined-only", "-D"):
        done = subprocess.run(
            [tool, option, str(path)], capture_output=True, text=True, check=False
        )
        found |= set(re.findall(r" [Uw] ([\w.]+)", done.stdout))
    return found


def _argmax_classes(outputs: Any) -> Array:
    return np.asarray(np.argmax(outputs, axis=1))


ROW = Criterion(
    name="devices",
    question="On a phone, on a microcontroller?",
    how="The network, after one short training, goes to small machines' runtimes: "
    "LiteRT, ExecuTorch, and C. Measured on this machine: whether it runs; the "
    "accuracy on test images before and after, in int8 where there is int8; latency "
    "for one image, on this processor, which no device has; the artifact's size and "
    "the runtime's; and by the object's symbols, whether it asks the system for "
    "memory.",
    measure=measure,
    limit_s=240.0,
    needs=("ai-edge-litert", "executorch"),
    aspects=(ScoredMetric.higher("devices", "ways to a device"),),
)

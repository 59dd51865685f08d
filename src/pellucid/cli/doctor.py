"""`pellucid doctor`: what is installed, what is fast or slow here, and why."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib import metadata
from typing import Any, Literal, NamedTuple

from pellucid.cli import options
from pellucid.cli.output import answer, emit

Level = Literal["good", "note", "problem"]
_MARKS: dict[Level, str] = {"good": "ok", "note": "note", "problem": "problem"}
_GB = 1 << 30
_BUSY = 0.5  # load for each usable CPU from which measurements suffer
_LITTLE_MEMORY = 2  # GB
_EMULATORS = (
    "qemu-aarch64",
    "qemu-arm",
    "qemu-riscv64",
    "qemu-system-arm",
)  # of exported native code


class Finding(NamedTuple):
    """One line of the report: what was looked at, how it is, what could be done."""

    subject: str
    level: Level
    text: str
    advice: str = ""


def doctor(json: options.Json = False) -> None:
    """Say what is installed, what is fast or slow on this machine, and why.

    Looks at the processor, memory, engines, extras, system tools and data; compiles a
    small network and checks its numbers against the numpy engine. Changes nothing. Exit
    code 1 if there is a problem.

    \b
    [bold]Examples[/bold]
    pellucid doctor
    pellucid doctor --json
    """
    import typer

    found: list[Finding] = []
    for look in _CHECKS:
        for finding in look():
            found.append(finding)
            if not json:
                _show(finding)
    problems = [finding for finding in found if finding.level == "problem"]
    if json:
        emit({"findings": [finding._asdict() for finding in found]})
    else:
        answer("")
        subjects = ", ".join(finding.subject for finding in problems)
        answer(
            f"{len(problems)} problem(s): {subjects}."
            if problems
            else "Everything that pellucid needs is here."
        )
    if problems:
        raise typer.Exit(1)


def _show(finding: Finding) -> None:
    answer(f"{_MARKS[finding.level]:8} {finding.subject:12} {finding.text}")
    if finding.advice:
        answer(f"{'':21} → {finding.advice}")


def _look_at_processor() -> Iterator[Finding]:
    from pellucid.machine import describe_machine, load_average

    here = describe_machine()
    features = set(here["features"])
    wide = next(
        (
            text
            for name, text in (
                ("avx512f", "AVX-512, 16 numbers at a time"),
                ("avx2", "AVX2, 8 numbers at a time"),
                ("asimd", "NEON, 4 numbers at a time"),
            )
            if name in features
        ),
        None,
    )
    text = f"{here['processor']}, {here['system']}"
    if wide is None:
        yield Finding(
            "processor",
            "note",
            f"{text}: no wide vector instructions found",
            "the compiled engine works, several times slower than with AVX2",
        )
    else:
        yield Finding("processor", "good", f"{text}: {wide}")
    usable, whole = here["usable_cpus"], here["cpus"]
    limits = [
        f"{name}={os.environ[name]}"
        for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS")
        if name in os.environ
    ]
    extra = f"; {', '.join(limits)} limits the frameworks" if limits else ""
    yield Finding("CPUs", "good", f"{usable} of {whole} usable{extra}")
    load = load_average()
    if load is not None and load[0] > _BUSY * usable:
        yield Finding(
            "load",
            "note",
            f"{load[0]:.1f} over the last minute: other programs are running",
            "times measured now are longer than they would be, and vary",
        )


def _look_at_memory() -> Iterator[Finding]:
    from pellucid.data.memory import available_memory_bytes

    free = available_memory_bytes() / _GB
    if free < _LITTLE_MEMORY:
        yield Finding(
            "memory",
            "note",
            f"{free:.1f} GB available",
            "MNIST fits; for large pictures take smaller batches",
        )
    else:
        yield Finding("memory", "good", f"{free:.1f} GB available")


def _look_at_engines() -> Iterator[Finding]:
    from pellucid.cli.engines import describe_engine
    from pellucid.engines import NAMES

    for name in NAMES:
        entry = describe_engine(name)
        versions = ", ".join(f"{k} {v}" for k, v in entry["versions"].items())
        if entry["installed"]:
            yield Finding(name, "good", versions)
        else:
            yield Finding(name, "note", "not installed", entry["install"])


def _look_at_compiler() -> Iterator[Finding]:
    """Compile a small network, compare its numbers, and time a step."""
    import numpy as np

    from pellucid.engines.compiled.codegen import cache
    from pellucid.model import Model
    from pellucid.network import zoo
    from pellucid.objectives import SGD

    network = zoo("lenet5")
    rng = np.random.default_rng(0)
    images = rng.standard_normal((64, *network.input_shape)).astype("float32")
    labels = rng.integers(0, 10, 64)
    begin = time.perf_counter()
    models = {
        engine: Model(
            network,
            engine=engine,
            loss="cross_entropy",
            optimizer=SGD(0.01),
            seed=0,
        )
        for engine in ("numpy", "compiled")
    }
    outputs = {engine: model.predict(images) for engine, model in models.items()}
    losses = {
        engine: float(model.train_step(images, labels))
        for engine, model in models.items()
    }
    ready = time.perf_counter() - begin
    difference = float(np.abs(outputs["numpy"] - outputs["compiled"]).max())
    is_equal = difference < 1e-4 and abs(losses["numpy"] - losses["compiled"]) < 1e-4
    if not is_equal:
        yield Finding(
            "kernels",
            "problem",
            f"compiled and numpy differ by {difference:.1e} on lenet5",
            "results of the compiled engine cannot be trusted here; take "
            "--engine numpy, and report this with `pellucid doctor --json`",
        )
        return
    steps = {
        engine: _median_seconds(partial(model.train_step, images, labels))
        for engine, model in models.items()
    }
    yield Finding(
        "kernels",
        "good",
        f"compiled and loaded in {ready:.1f} s; equal to numpy; a step of lenet5 with "
        f"64 images {steps['compiled'] * 1e3:.2f} ms (numpy: "
        f"{steps['numpy'] * 1e3:.1f} ms)",
    )
    where = cache.folder()
    nearest = next(p for p in (where, *where.parents) if p.exists())
    if os.access(nearest, os.W_OK):
        yield Finding("code cache", "good", str(where))
    else:
        yield Finding(
            "code cache",
            "note",
            f"{where} cannot be written: every start compiles anew",
            "set PELLUCID_CACHE to a folder of your own",
        )


def _median_seconds(call: Callable[[], Any], rounds: int = 7) -> float:
    spent = []
    for _ in range(rounds):
        begin = time.perf_counter()
        call()
        spent.append(time.perf_counter() - begin)
    return sorted(spent)[rounds // 2]


def _look_at_extras() -> Iterator[Finding]:
    for name, packages, purpose in (
        ("exchange", ("onnx", "onnxruntime", "h5py", "flatbuffers"), "file formats"),
        ("serve", ("fastapi", "uvicorn"), "the server and the studio"),
        ("grpc", ("grpcio", "protobuf"), "gRPC"),
        ("compare", ("scikit-learn", "pandas", "scipy"), "comparing engines"),
        ("search", ("optuna",), "searches for hyperparameters"),
        ("sklearn", ("scikit-learn",), "scikit-learn's interface"),
    ):
        missing = [package for package in packages if not _is_installed(package)]
        if missing:
            yield Finding(
                f"[{name}]",
                "note",
                f"{purpose}: {', '.join(missing)} missing",
                f"pip install 'pellucid[{name}]'",
            )
        else:
            yield Finding(f"[{name}]", "good", purpose)


def _is_installed(distribution: str) -> bool:
    try:
        metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def _look_at_tools() -> Iterator[Finding]:
    for name, purpose in (
        ("cc", "proofs of exported C"),
        ("node", "proofs of exported JavaScript"),
    ):
        where = shutil.which(name)
        if where is None:
            yield Finding(name, "note", f"not found; needed only for {purpose}")
        else:
            yield Finding(name, "good", f"{where}, for {purpose}")
    yield _look_at_linker()
    missing = [name for name in _EMULATORS if shutil.which(name) is None]
    if missing:
        text = f"no {', '.join(missing)}; needed only for proofs of native code of"
        yield Finding(
            "qemu",
            "note",
            f"{text} other processors",
            "Debian's qemu-user, qemu-system-arm",
        )
    else:
        yield Finding("qemu", "good", "proofs of native code of other processors")


def _look_at_linker() -> Finding:
    from pellucid.errors import MissingExtraError
    from pellucid.exchange.native.wasm.link import find_linker

    try:
        command = find_linker()
    except MissingExtraError:
        return Finding(
            "wasm-ld",
            "note",
            "not found; needed only for exports to WebAssembly",
            "Debian's lld, or pip install ziglang",
        )
    return Finding("wasm-ld", "good", f"{' '.join(command)}, for WebAssembly")


def _look_at_data() -> Iterator[Finding]:
    from pellucid.data import load

    train, test = load("mnist")
    yield Finding("data", "good", f"MNIST, {len(train):,} + {len(test):,} images")


_CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    _look_at_processor,
    _look_at_memory,
    _look_at_engines,
    _look_at_compiler,
    _look_at_extras,
    _look_at_tools,
    _look_at_data,
)

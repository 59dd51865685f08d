"""The wheel: pure Python, whole, and enough beside what it says it depends on."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest

pytest.importorskip("hatchling", reason="there is no hatchling to build a wheel with")
requirements = pytest.importorskip("packaging.requirements")

ROOT = Path(__file__).parents[1]
USE = """
import importlib.util, sys
sys.path[:0] = sys.argv[1:]
assert importlib.util.find_spec("torch") is None, sys.path
import numpy as np
import pellucid as pl
train, _ = pl.data.load("mnist")
network = pl.Sequential(pl.Input(28, 28, 1), pl.Flatten(), pl.Dense(10))
model = pl.Model(network, engine="compiled", loss="cross_entropy", optimizer="adam")
loss = model.train_step(train.images[:8], train.labels[:8])
pl.exchange.write(model, "digits.c")
model.save("digits.pellucid")
from pellucid.cli import main
assert np.isfinite(loss)
sys.exit(main(["predict", "digits.pellucid", "--help"]))
"""


def needed(name: str) -> set[str]:
    """Return the names of a distribution's own requirements, and of theirs."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for line in metadata.requires(waiting.pop()) or ():
            one = requirements.Requirement(line)
            holds = one.marker is None or one.marker.evaluate({"extra": ""})
            if holds and one.name not in found:
                found.add(one.name)
                waiting.append(one.name)
    return found


def test_the_wheel_works_in_an_environment_of_its_requirements(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d"]
    subprocess.run([*build, str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    site, beside = tmp_path / "site", tmp_path / "beside"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    source = ROOT / "src" / "pellucid"
    for path in source.rglob("*"):
        if path.is_file() and "__pycache__" not in path.parts:
            assert (site / "pellucid" / path.relative_to(source)).is_file()
    beside.mkdir()
    for name in needed("pellucid"):
        for file in metadata.files(name) or ():
            top = file.parts[0]
            if top not in ("..", "__pycache__") and not (beside / top).exists():
                (beside / top).symlink_to(
                    Path(str(file.locate())).parents[len(file.parts) - 1] / top
                )
    run = [sys.executable, "-I", "-S", "-c", USE, str(site), str(beside)]
    done = subprocess.run(run, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "digits.c").is_file()

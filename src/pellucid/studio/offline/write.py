"""Write the lesson: page, network in WebAssembly, and packed images."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.data import Dataset
from pellucid.exchange import write
from pellucid.model import Model
from pellucid.serving.finite import dumps
from pellucid.serving.pages import STATIC
from pellucid.storage import write_together
from pellucid.studio.network_description import describe_network
from pellucid.studio.offline.network import check_network, describe_layers
from pellucid.studio.offline.page import VIEWS, write_page
from pellucid.studio.playground import Preset, Settings, experiment

_ASSETS = Path(__file__).parent / "assets"
_MOST_BATCH = 64  # for which the kernels are made
_SAMPLES = 100  # test images that the page begins with
#: the studio's modules that the lesson has in a form of its own, or not at all
_LEFT_OUT = ("build.js", "compare.js", "source.js")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """What the lesson's form begins with."""

    learning_rate: float
    epochs: int
    images: int
    batch_size: int = 64
    optimizer: str = "adam"


def write_lesson(
    model: Model,
    folder: Path,
    *,
    train: Dataset,
    test: Dataset,
    recipe: Recipe,
    home: str,
    presets: Sequence[Preset] = (),
) -> None:
    """Write the studio's page with a network that answers and trains in the browser.

    Parameters
    ----------
    model : Model
        Trained, with loss and optimizer.
    folder : Path
        Is made; what any web server can serve.
    train, test : Dataset
        Digits that the page trains and is tested on.
    recipe : Recipe
        Its training.
    home : str
        Address of the documentation, relative to the folder.
    presets : sequence of Preset
        Experiments that are run now, for the page to show; without any, the page has
        no view for them.

    Raises
    ------
    NetworkError
        If the network has a layer that the lesson does not show.
    MissingExtraError
        If there is no linker for WebAssembly.
    """
    check_network(model)
    folder.mkdir(parents=True, exist_ok=True)
    write(
        model,
        folder / "model.wasm.mjs",
        train=True,
        batch_size=max(_MOST_BATCH, recipe.batch_size),
    )
    (folder / "model.wasm.d.mts").unlink()
    initial = Model(model.network, engine="numpy", seed=0).weights
    packs: dict[str, Mapping[str, np.ndarray[Any, Any]]] = {
        "train": _arrays(train),
        "test": _arrays(test),
        "samples": {name: array[:_SAMPLES] for name, array in _arrays(test).items()},
        "initial": initial,
    }
    if presets:
        packs["experiments"] = {"json": _run_experiments(presets)}
    files = {f"{name}.bin.gz": _pack(arrays) for name, arrays in packs.items()}
    described = describe_network(model, model.network.name, has_samples=True)
    document = {**described, "engine": "WebAssembly"}
    about = {
        "document": document,
        "network": model.network.name,
        "nodes": described["nodes"],
        "classes": described["classes"],
        "input": described["input"],
        "geometry": describe_layers(model),
        "optimizer": model.optimizer.to_json() if model.optimizer else None,
        "data": "MNIST",
        "wish": {**asdict(recipe), "data": "MNIST"},
        "files": {name: _parts(arrays) for name, arrays in packs.items()},
    }
    files["model.json"] = json.dumps(about, separators=(",", ":")).encode()
    files |= _page(home, recipe, has_experiments=bool(presets))
    for place in {name.rpartition("/")[0] for name in files}:
        inside = {
            n.rpartition("/")[2]: c
            for n, c in files.items()
            if n.rpartition("/")[0] == place
        }
        (folder / place).mkdir(exist_ok=True)
        write_together(folder / place, inside)
    write_together(folder, {"sw.js": _service_worker(folder).encode()})


def _arrays(data: Dataset) -> dict[str, np.ndarray[Any, Any]]:
    return {
        "images": np.asarray(data.images, np.uint8),
        "labels": np.asarray(data.labels, np.uint8),
    }


def _run_experiments(presets: Sequence[Preset]) -> np.ndarray[Any, Any]:
    """Return the presets and what happened in each of their runs, as JSON's bytes."""
    described = [preset.to_json() for preset in presets]
    runs = [experiment(Settings(**run)) for one in described for run in one["runs"]]
    return np.frombuffer(dumps({"presets": described, "runs": runs}).encode(), np.uint8)


def _page(home: str, recipe: Recipe, *, has_experiments: bool) -> dict[str, bytes]:
    """Return the page and its modules: the studio's, where the lesson has none."""
    studio = STATIC / "studio"
    files = {
        path.relative_to(studio).as_posix(): path.read_bytes()
        for pattern in ("**/*.js", "*.css")
        for path in sorted(studio.glob(pattern))
        if path.name not in _LEFT_OUT and (has_experiments or path.name != "play.js")
    }
    for name in ("page.css", "icon.svg"):
        files[name] = (STATIC / name).read_bytes()
    for path in _ASSETS.glob("*.js"):
        files[path.name] = path.read_bytes()
    page = (studio / "index.html").read_text(encoding="utf-8")
    wish = {k: v for k, v in asdict(recipe).items() if k != "optimizer"}
    title = "The lesson: draw, look inside, train"
    views = VIEWS if has_experiments else tuple(v for v in VIEWS if v != "play")
    written = write_page(page, title=title, home=home, wish=wish, views=views)
    files["index.html"] = written.encode()
    return files


def _pack(arrays: Mapping[str, np.ndarray[Any, Any]]) -> bytes:
    content = b"".join(np.ascontiguousarray(a).tobytes() for a in arrays.values())
    return gzip.compress(content, 9, mtime=0)


def _parts(arrays: Mapping[str, np.ndarray[Any, Any]]) -> list[list[Any]]:
    return [[name, a.dtype.str, a.size] for name, a in arrays.items()]


def _service_worker(folder: Path) -> str:
    """Return the script that keeps all files, by what they hold."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    names = sorted(path.relative_to(folder).as_posix() for path in paths)
    names = [name for name in names if name != "sw.js"]
    whole = hashlib.sha256()
    for name in names:
        whole.update(name.encode() + b"\0" + (folder / name).read_bytes())
    script = (_ASSETS / "sw.js").read_text(encoding="utf-8")
    script = script.replace("{version}", f"lesson-{whole.hexdigest()[:16]}")
    return script.replace("{files}", json.dumps(["./", *names]))

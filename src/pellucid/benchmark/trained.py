"""Weights after some epochs of training, made once and kept.

They are trained once, on the compiled engine and in a process of their own, kept in
the user's cache, and handed to all contenders by their canonical names.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import numpy as np

from pellucid import __version__
from pellucid.benchmark.inputs import resize
from pellucid.data import Dataset, load
from pellucid.data.cache import cache_folder
from pellucid.errors import EngineError
from pellucid.model import Model
from pellucid.network import Network, codec
from pellucid.objectives import Adam


def weights_file(network: Network, *, epochs: int, seed: int) -> Path:
    """Return a ``.pellucid`` file of the network after so many epochs of MNIST.

    Raises
    ------
    EngineError
        If training it failed.
    """
    path = weights_path(network, epochs=epochs, seed=seed)
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    module = "pellucid.benchmark.trained"
    run = subprocess.run(
        [sys.executable, "-m", module, str(epochs), str(seed), str(path)],
        input=codec.dumps(network),
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        words = run.stderr.strip().splitlines() or ["nothing"]
        raise EngineError(
            f"benchmark: '{network.name}' must train for {epochs} epochs first; "
            f"got {words[-1]}"
        )
    return path


def weights_path(network: Network, *, epochs: int, seed: int) -> Path:
    """Return where such weights are kept, whether they are there or not."""
    text = f"{codec.dumps(network)} {epochs} {seed} {__version__}"
    digest = hashlib.blake2b(text.encode(), digest_size=8).hexdigest()
    name = f"{network.name}-{epochs}-epochs-{digest}.pellucid"
    return cache_folder() / "benchmark" / name


def train(network: Network, *, epochs: int, seed: int) -> Model:
    """Train on MNIST, batches of 64, Adam at 0.001; return the model."""
    images, _ = load("mnist")
    height, width, channels = network.input_shape
    data = Dataset(
        resize(np.asarray(images.images), height, width, channels),
        images.labels,
        images.classes,
    )
    model = Model(network, loss="cross_entropy", optimizer=Adam(1e-3), seed=seed)
    model.fit(data, epochs=epochs, batch_size=64, progress=False)
    return model


def main() -> None:
    """Train the network on stdin; write it to the path that is named."""
    epochs, seed, path = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    train(codec.loads(sys.stdin.read()), epochs=epochs, seed=seed).save(path)


if __name__ == "__main__":
    main()

"""Write a network as a TensorFlow SavedModel folder."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

from pellucid.engines.registry import make
from pellucid.exchange.metadata import ModelMetadata
from pellucid.runs import ModelFile

CARD = "assets.extra/pellucid_card.json"  # TensorFlow's place for files of others
_WRITTEN_BY_THE_WAY = "fingerprint.pb"  # random, so that no two exports are alike


def contents(file: ModelFile, name: str) -> dict[str, bytes]:
    """Return the folder's files. Images are NHWC, any batch size; needs TensorFlow."""
    state = {f"weights/{key}": array for key, array in file.weights.items()}
    session = make("tensorflow").build(file.network, state=state, dtype="float32")
    with tempfile.TemporaryDirectory() as folder, silence():
        session.native.export(folder, verbose=False)  # type: ignore[attr-defined]
        root = Path(folder)
        found = {
            str(path.relative_to(root)): path.read_bytes()
            for path in sorted(root.rglob("*"))
            if path.is_file() and path.name != _WRITTEN_BY_THE_WAY
        }
    found[CARD] = json.dumps(ModelMetadata.named(file)).encode()
    return found


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Keep what Keras and TensorFlow say while they export off the terminal."""
    from pellucid.engines.tensorflow.imports import quiet

    loggers = [logging.getLogger(name) for name in ("tensorflow", "tf2onnx")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            with quiet():
                yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)

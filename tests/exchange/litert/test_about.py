"""What files of others say of their pictures and classes."""

from __future__ import annotations

import io
import zipfile

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange.litert import container, flatbuffer
from pellucid.exchange.litert.about import (
    AXIS_LABELS,
    IDENTIFIER,
    NORMALIZATION,
    SCHEMA,
    read_about,
)


def metadata(*, mean=(127.5,), std=(63.75,), labels="labels.txt"):
    normalization = {
        "options_type": NORMALIZATION,
        "options": {
            "mean": np.asarray(mean, np.float32),
            "std": np.asarray(std, np.float32),
        },
    }
    graph = {
        "inputs": [{"process_units": [normalization]}],
        "outputs": [{"associated_files": [{"name": labels, "type": AXIS_LABELS}]}],
    }
    return flatbuffer.encode(SCHEMA, {"graphs": [graph]}, identifier=IDENTIFIER)


def packed(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(f"{name}.txt", text)
    return buffer.getvalue()


def test_normalization_and_labels_are_read():
    about = read_about(metadata(), b"a model" + packed(labels="cat\ndog\n"))
    pixels = np.array([[[[0], [255]]]], np.uint8)
    np.testing.assert_allclose(about.preprocessing.apply(pixels).ravel(), [-2, 2])
    assert about.classes == ("cat", "dog")


@pytest.mark.parametrize(
    "content", [b"", b"1234M001", metadata()[:40], b"\0" * 50, metadata(std=(0.0,))]
)
def test_damaged_metadata_says_nothing(content):
    assert not read_about(content, b"").preprocessing.is_known


def test_a_model_has_what_its_file_says(tmp_path, monkeypatch):
    network = pl.Sequential(pl.Input(4, 4, 1), pl.Flatten(), pl.Dense(2))
    model = pl.Model(network, engine="numpy", classes=("n" * 80, "y" * 80))
    monkeypatch.setattr(container, "CARD", "TFLITE_METADATA")
    path = exchange.write(model, tmp_path / "m.tflite")
    monkeypatch.undo()
    content, made = path.read_bytes(), metadata(mean=(1.0,), std=(2.0,))
    path.write_bytes(replace_card(content, made) + packed(labels="no\nyes"))
    back = exchange.read(path, engine="numpy")
    assert back.preprocessing.scale == (0.5,)
    assert back.classes == ("no", "yes")


def replace_card(content, made):
    """Return the file with other bytes in the buffer where our card lay."""
    start = content.index(b'{"preprocessing"')
    size = int.from_bytes(content[start - 4 : start], "little")
    assert len(made) <= size
    return content[:start] + made.ljust(size, b"\0") + content[start + size :]

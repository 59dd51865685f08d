"""Formats that content tells, whatever the file is called."""

from __future__ import annotations

import io
import pickle
import warnings

import numpy as np
import pytest

import pellucid as pl
from pellucid import exchange
from pellucid.exchange import FORMATS
from pellucid.exchange.content import identify

NAMES = ["onnx", "keras", "h5", "pt2", "state_dict", "tflite", "npz", "safetensors"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("ending", [".bin", ".ckpt", ".pth", ".th", ".hdf5", ""])
def test_unknown_endings_are_read_by_content(
    name, ending, small_model, tmp_path, agree, images_of
):
    entry = FORMATS[name]
    for package in (*entry.needs, *(["torch"] if name == "pt2" else [])):
        pytest.importorskip(package, reason=f"{package} is not installed")
    path = exchange.write(small_model, tmp_path / f"model{ending}", format=name)
    more = {"network": small_model.network} if name == "state_dict" else {}
    images = images_of(small_model).astype(np.float32)
    read = exchange.read(path, engine="numpy", **more)
    agree(read.predict(images), small_model.predict(images))


def test_content_counts_before_the_ending(small_model, tmp_path):
    path = exchange.write(small_model, tmp_path / "model.onnx", format="npz")
    back = exchange.read(path, engine="numpy").network
    assert back.input_shape == small_model.network.input_shape


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"\x89HDF\r\n\x1a\n and more", "h5"),
        (b"\x1c\0\0\0TFL3 and more", "tflite"),
        (b"PK\x03\x04 but no zip", None),
        (b"", None),
        (b"plain words", None),
        (pickle.dumps({"a": 1}, protocol=2), "state_dict"),
    ],
)
def test_first_bytes_tell(content, name, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(content)
    assert identify(path) == name


def test_torchscript_is_known_by_its_code(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch's, that TorchScript is deprecated
        torch.jit.save(torch.jit.script(torch.nn.ReLU()), buffer)
    path = tmp_path / "model.pt"
    path.write_bytes(buffer.getvalue())
    assert identify(path) == "torchscript"


def test_what_tells_nothing_is_refused_with_the_formats(tmp_path):
    path = tmp_path / "model.weird"
    path.write_bytes(b"plain words")
    with pytest.raises(
        pl.ExchangeError, match="Name it with --format: onnx, keras"
    ) as e:
        exchange.read(path, engine="numpy")
    assert "javascript" not in str(e.value)  # which is only written


def test_nothing_that_could_run_code_is_unpickled(tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    marker = tmp_path / "it-ran"

    class Harm:
        def __reduce__(self):
            return open, (str(marker), "w")

    path = tmp_path / "model.ckpt"
    path.write_bytes(pickle.dumps({"state_dict": Harm()}, protocol=2))
    with pytest.raises(pl.ExchangeError, match="must "):
        exchange.read(path, engine="numpy", network=pl.zoo("xor-one-hidden"))
    assert not marker.exists()

"""Event files of TensorBoard, and the moments before steps and epochs."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as pl
from pellucid.errors import RunError
from pellucid.training.tensorboard import _masked


def train(*callbacks: Any, epochs: int = 2) -> pl.History:
    network = pl.Sequential(pl.Input(3), pl.Dense(2))
    model = pl.Model(network, engine="numpy", loss="cross_entropy", optimizer=pl.SGD())
    images = np.random.default_rng(0).standard_normal((6, 3)).astype(np.float32)
    labels = np.array([0, 1, 0, 1, 0, 1])
    return model.fit(
        (images, labels),
        epochs=epochs,
        batch_size=2,
        callbacks=callbacks,
        progress=False,
    )


def records(path: Path) -> list[bytes]:
    """Return the contents of a file's records, their checksums looked at."""
    found, content = [], path.read_bytes()
    while content:
        (size,) = struct.unpack("<Q", content[:8])
        assert content[8:12] == _masked(content[:8])
        found.append(content[12 : 12 + size])
        assert content[12 + size : 16 + size] == _masked(found[-1])
        content = content[16 + size :]
    return found


def test_checksums_are_those_of_rfc_3720() -> None:
    # appendix B.4: 32 bytes of zeros have the CRC-32C 0x8A9136AA
    crc = 0x8A9136AA
    wanted = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    assert _masked(bytes(32)) == struct.pack("<I", wanted)


def test_steps_and_epochs_are_logged(tmp_path: Path) -> None:
    history = train(pl.TensorBoard(tmp_path / "logs", each_steps=2))
    (path,) = (tmp_path / "logs").iterdir()
    found = records(path)
    assert b"brain.Event:2" in found[0]
    assert len(found) == 1 + 3 + 2  # steps 2, 4 and 6, two epochs
    loss = struct.pack("<f", history[-1]["loss"])
    assert any(b"epoch/loss" in record and loss in record for record in found)
    assert sum(b"step/learning_rate" in record for record in found) == 3


def test_tensorflow_reads_the_file(tmp_path: Path) -> None:
    tf = pytest.importorskip("tensorflow", reason="tensorflow is not installed")
    history = train(pl.TensorBoard(tmp_path, each_steps=0))
    (path,) = tmp_path.iterdir()
    losses = []
    for record in tf.data.TFRecordDataset([str(path)]).as_numpy_iterator():
        event = tf.compat.v1.Event.FromString(record)
        values = {v.tag: v.simple_value for v in event.summary.value}
        if "epoch/loss" in values:
            losses.append((event.step, values["epoch/loss"]))
    wanted = [(int(r["epoch"]), pytest.approx(r["loss"], rel=1e-6)) for r in history]
    assert losses == wanted


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="TensorBoard: folder must be writable"):
        train(pl.TensorBoard(tmp_path / "file" / "logs"))


class Moments(pl.Callback):
    """Write down what is called when."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_begin(self, trainer: Any) -> None:
        self.seen.append("begin")

    def before_epoch(self, trainer: Any) -> None:
        self.seen.append(f"epoch {trainer.position.epoch}")

    def before_step(self, trainer: Any) -> None:
        self.seen.append(f"step {trainer.position.step}")

    def on_step(self, trainer: Any, loss: float) -> None:
        self.seen.append("done")

    def on_epoch(self, trainer: Any, record: Any) -> None:
        self.seen.append("epoch done")

    def on_end(self, trainer: Any) -> None:
        self.seen.append("end")


def test_callbacks_are_called_before_and_after() -> None:
    moments = Moments()
    train(moments, epochs=1)
    steps = [word for step in range(3) for word in (f"step {step}", "done")]
    assert moments.seen == ["begin", "epoch 0", *steps, "epoch done", "end"]


def test_notebooks_show_tables() -> None:
    history = train(epochs=2)
    assert history._repr_html_().count("<tr>") == 3
    assert "no epoch" in pl.History()._repr_html_()
    images = np.zeros((3, 2, 2, 1), np.uint8)
    data = pl.Dataset(images, np.array([0, 1, 1]), ("<cat>", "dog"))
    assert "<tr><td>&lt;cat&gt;</td><td>1</td></tr>" in data._repr_html_()
    model = pl.Model(pl.Sequential(pl.Input(3), pl.Dense(2)), engine="numpy")
    shown = model._repr_html_()
    assert shown.startswith("<p>Model &#x27;")
    assert "dense" in shown

"""Write a training's curves for TensorBoard; neither it nor TensorFlow is needed.

An event file is a sequence of records: length, checksum, content, checksum. The content
is a protocol buffer, ``Event`` of TensorFlow's event.proto, of which four fields are
enough: wall_time (1), step (2), file_version (3), summary (5).

References
----------
TensorFlow, core/lib/io/record_writer.h and core/util/event.proto.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, ClassVar

from pellucid.errors import RunError
from pellucid.training.callbacks import Callback

if TYPE_CHECKING:
    from pellucid.training.history import EpochRecord
    from pellucid.training.trainer import Trainer


class TensorBoard(Callback):
    """Log the loss of each step, and each epoch's record, as scalars.

    Parameters
    ----------
    folder : path
        Where ``tensorboard --logdir`` looks; each training adds a file.
    each_steps : int
        Steps from one logged step to the next; 0 logs epochs alone.

    Examples
    --------
    >>> logger = TensorBoard("logs/first", each_steps=10)
    """

    may_stop: ClassVar[bool] = False

    def __init__(self, folder: str | Path, *, each_steps: int = 1) -> None:
        self.folder, self.each_steps = Path(folder), each_steps
        self._file: BinaryIO | None = None

    def on_begin(self, trainer: Trainer) -> None:
        """Open a file.

        Raises
        ------
        RunError
            If the folder cannot be written to.
        """
        now = time.time()
        name = f"events.out.tfevents.{int(now)}.{os.getpid()}.{id(self)}.pellucid"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._file = (self.folder / name).open("xb")
        except OSError as error:
            raise RunError(
                f"TensorBoard: folder must be writable; got {error}."
            ) from error
        self._write(_double(1, now) + _text(3, b"brain.Event:2"))

    def on_step(self, trainer: Trainer, loss: float) -> None:
        """Log the step's loss and its learning rate."""
        step = trainer.position.step
        if self.each_steps and step % self.each_steps == 0:
            rate = trainer.position.learning_rate
            self._log({"step/loss": loss, "step/learning_rate": rate}, step)

    def on_epoch(self, trainer: Trainer, record: EpochRecord) -> None:
        """Log what was measured in the epoch."""
        figures = {f"epoch/{k}": v for k, v in record.items() if k != "epoch"}
        self._log(figures, int(record["epoch"]))
        if self._file is not None:
            self._file.flush()

    def on_end(self, trainer: Trainer) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _log(self, figures: Mapping[str, float], step: int) -> None:
        values = b"".join(
            _text(1, _text(1, name.encode()) + _float(2, value))
            for name, value in figures.items()
        )
        self._write(_double(1, time.time()) + _integer(2, step) + _text(5, values))

    def _write(self, content: bytes) -> None:
        if self._file is None:
            return
        length = struct.pack("<Q", len(content))
        parts = (length, _masked(length), content, _masked(content))
        self._file.write(b"".join(parts))


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    found.append(number)
    return bytes(found)


def _integer(field: int, number: int) -> bytes:
    return _varint(field << 3) + _varint(number)


def _double(field: int, number: float) -> bytes:
    return _varint(field << 3 | 1) + struct.pack("<d", number)


def _text(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _float(field: int, number: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", number)


def _make_table() -> tuple[int, ...]:
    """Return the table of CRC-32C, byte by byte."""
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
        table.append(crc)
    return tuple(table)


_TABLE = _make_table()


def _masked(content: bytes) -> bytes:
    """Return the checksum of a record, masked as in TensorFlow's crc32c.h."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc = crc >> 8 ^ _TABLE[(crc ^ byte) & 0xFF]
    crc ^= 0xFFFFFFFF
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)

"""Tests of pictures that stay in their files, and of the processes behind them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from pellucid.data import Batches, Dataset, PictureFiles
from pellucid.data.decoder import Wanted, decode
from pellucid.data.workers import Workers
from pellucid.errors import DataError


@pytest.fixture
def files(pictures):
    wanted = Wanted(source=pictures, shape=(6, 8, 3))
    return PictureFiles(wanted, [f"dog/{number}.png" for number in range(10)])


def test_picture_files_look_like_an_array(files):
    assert files.shape == (10, 6, 8, 3)
    assert files.dtype == np.uint8
    assert len(files) == 10
    assert repr(files).startswith("PictureFiles(10 of (6, 8, 3) in ")


def test_picture_files_are_indexed_like_an_array(files):
    blue = np.arange(10, dtype=np.uint8)
    assert files[3].shape == (6, 8, 3)
    assert files[-1][0, 0].tolist() == [255, 0, 9]
    np.testing.assert_array_equal(files[2:5][:, 0, 0, 2], blue[2:5])
    np.testing.assert_array_equal(files[np.array([7, 1])][:, 0, 0, 2], [7, 1])
    np.testing.assert_array_equal(files.subset(np.array([4]))[0][0, 0], [255, 0, 4])
    with pytest.raises(IndexError):
        files[10]


def test_a_dataset_of_files_is_divided_without_decoding(files, pictures):
    data = Dataset(files, np.arange(10) % 2)
    for path in pictures.rglob("*.png"):
        path.unlink()
    rest, part = data.split(0.2)
    assert isinstance(part.images, PictureFiles)
    assert (len(rest), len(part)) == (8, 2)


def test_a_stream_keeps_the_order_of_its_batches(files):
    batches = [np.array([3, 1]), np.array([], np.int64), np.arange(10)[::-1]]
    out = list(files.stream(batches, workers=2))
    assert [len(pixels) for pixels in out] == [2, 0, 10]
    for batch, pixels in zip(batches, out, strict=True):
        np.testing.assert_array_equal(pixels[:, 0, 0, 2], batch)


def test_a_large_batch_is_decoded_in_pieces(files):
    batch = np.arange(200) % 10
    (pixels,) = files.stream([batch], workers=2)
    np.testing.assert_array_equal(pixels[:, 0, 0, 2], batch)


def test_a_file_that_disappears_is_named_while_streaming(files, pictures):
    (pictures / "dog" / "5.png").unlink()
    batches = Batches(Dataset(files, np.zeros(10, int)), batch_size=2, seed=0)
    with pytest.raises(DataError, match=r"5\.png' must be a file that can be read"):
        list(batches.epoch(0))


def test_closing_a_stream_ends_its_processes(files):
    batches = Batches(Dataset(files, np.zeros(10, int)), batch_size=1, seed=0)
    epoch = batches.epoch(0)
    next(epoch)
    assert children()
    epoch.close()
    assert not children()


def test_a_process_that_dies_is_told(files):
    with Workers(files.wanted, 1) as workers:
        (process,) = workers._processes
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        with pytest.raises(DataError, match="must answer; got exit code -9 while"):
            list(workers.stream([["dog/1.png"]]))


def test_a_script_without_a_main_guard_can_stream(pictures, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import pellucid.data as data
            train, _ = data.load({str(pictures)!r}, memory_limit_bytes=1, cache=False)
            batches = data.Batches(train, batch_size=4, seed=0)
            print(sum(len(batch.labels) for batch in batches.epoch(0)))
            """
        )
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "16\n", "")


def test_a_file_that_is_too_large_is_refused(files, monkeypatch):
    monkeypatch.setattr("pellucid.data.decoder.ENTRY_LIMIT_BYTES", 10)
    with pytest.raises(DataError, match="must have at most 10 bytes; got "):
        decode(files.wanted, ["dog/1.png"])


def children() -> list[str]:
    """Return the decoder processes that this process has started."""
    with open(f"/proc/self/task/{os.getpid()}/children") as file:
        mine = file.read().split()
    for thread in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{thread}/children") as file:
            mine += file.read().split()
    return mine

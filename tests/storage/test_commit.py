"""Files that change together: at every file event old or new, and no leftovers."""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

import pytest
from storage.events import (
    die,
    each_event,
    find_the_disk_full,
    needs_fork,
    nothing_is_flushed,
    press_ctrl_c,
)

__all__ = ["nothing_is_flushed"]

import pellucid as pl
from pellucid.storage import PENDING, open_stage, recover, write_together

OLD = {"a": b"old a", "b": b"old b", "folder/x": b"old x", "folder/gone": b""}
NEW = {"a": b"new a", "b": b"new b", "folder/x": b"new x", "folder/deep/y": b"y"}


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "folder").mkdir()
    return tmp_path / "folder"


def test_files_and_folders_are_replaced_together(folder: Path) -> None:
    write_together(folder, OLD)
    assert content(folder) == OLD
    write_together(folder, NEW)
    assert content(folder) == NEW


@needs_fork
@pytest.mark.parametrize("act", [die, press_ctrl_c, find_the_disk_full])
@pytest.mark.parametrize("old", [OLD, {}], ids=["over an older set", "anew"])
def test_at_every_event_the_next_start_finds_the_old_set_or_the_new(
    folder: Path, act, old
) -> None:
    def prepare() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        if old:
            write_together(folder, old)

    found = []
    works = each_event(
        folder, prepare, lambda: write_together(folder, NEW), act, stride=2
    )
    for said in works:
        recover(folder)
        found.append(content(folder))
        assert found[-1] in (old, NEW)
        assert not (folder / PENDING).exists()
        if act is press_ctrl_c and said:
            assert said == "KeyboardInterrupt"
        if act is find_the_disk_full and said:
            assert said.startswith("RunError: save: ")
            assert "No space left on device" in said
            is_new = "All is written" in said
            assert found[-1] == (NEW if is_new else old)
    assert found[-1] == NEW
    assert len(found) > 10
    if act is die:
        assert found[0] == old


@needs_fork
def test_a_folder_is_never_missing_even_before_the_next_start(folder: Path) -> None:
    sets = ({"m/x": b"1", "m/y": b"1"}, {"m/x": b"2", "m/z": b"2"})

    def prepare() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        write_together(folder, sets[0])

    for _ in each_event(folder, prepare, lambda: write_together(folder, sets[1])):
        there = {f"m/{name}": data for name, data in content(folder / "m").items()}
        assert there in sets
        recover(folder)


@needs_fork
def test_a_repair_that_is_killed_is_repaired_itself(folder: Path) -> None:
    def prepare() -> None:
        shutil.rmtree(folder)
        folder.mkdir()
        write_together(folder, OLD)
        commit = next_commit(folder)
        with contextlib.suppress(KeyboardInterrupt), open_stage(folder) as stage:
            for name, data in NEW.items():
                stage.write(name, data)
            commit(stage)

    for _ in each_event(folder, prepare, lambda: recover(folder)):
        recover(folder)
        assert content(folder) == NEW
        assert not (folder / PENDING).exists()


def next_commit(folder: Path):
    """Return what commits a stage and stops before a file is in its place."""

    def commit(stage) -> None:
        names = sorted(os.listdir(stage.path))
        stage._note_folders(names)
        os.rename(stage.path.parent, folder / PENDING / "commit")
        raise KeyboardInterrupt

    return commit


def test_a_full_disk_is_one_sentence_and_nothing_is_lost(folder: Path) -> None:
    import resource
    import signal

    write_together(folder, OLD)
    former = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    try:
        with pytest.raises(pl.RunError, match=r"save: .*b' must be writable; got File"):
            write_together(folder, {"a": b"new a", "b": b"b" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, former)
    assert content(folder) == OLD


def test_a_file_does_not_take_the_place_of_a_folder(folder: Path) -> None:
    write_together(folder, {"a/x": b"1", "b": b"1"})
    with pytest.raises(pl.RunError, match="Is a directory"):
        write_together(folder, {"a": b"2", "b": b"2"})
    assert content(folder) == {"a/x": b"1", "b": b"1"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_only_be_read_is_refused(folder: Path) -> None:
    folder.chmod(0o500)
    with pytest.raises(pl.RunError, match="must be writable; got Permission denied"):
        write_together(folder, {"a": b"1"})


@needs_fork
def test_what_a_living_process_writes_is_left_alone(folder: Path) -> None:
    with open_stage(folder) as stage:
        stage.write("a", b"1")
        stage.write("b", b"1")
        recover(folder)
        write_together(folder, {"a": b"0", "c": b"0"})
        assert stage.path.is_dir()
    assert content(folder) == {"a": b"1", "b": b"1", "c": b"0"}
    assert not (folder / PENDING).exists()


@needs_fork
def test_sets_of_several_processes_do_not_mix(folder: Path) -> None:
    pids = []
    for number in range(4):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                for turn in range(30):
                    text = f"{number} {turn}".encode()
                    write_together(folder, {"a": text, "b": text, "m/x": text})
                code = 0
            finally:
                os._exit(code)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * 4
    found = content(folder)
    assert len(set(found.values())) == 1
    assert sorted(found) == ["a", "b", "m/x"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_what_a_stranger_laid_into_the_folder_is_not_put_in_place(folder: Path) -> None:
    new = folder / PENDING / "commit" / "new"
    new.mkdir(parents=True)
    (new / "a").write_bytes(b"planted")
    os.chown(folder / PENDING, 12345, -1)
    with pytest.raises(pl.RunError, match="belongs to user 12345"):
        recover(folder)
    assert not (folder / "a").exists()

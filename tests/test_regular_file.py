"""Tests of opening regular files, and nothing else."""

from __future__ import annotations

import os
import socket

import pytest

from pellucid.regular_file import (
    NotRegularFileError,
    open_regular_file,
    read_regular_file,
    read_regular_text,
)


def test_a_file_and_a_link_to_it_are_read(tmp_path):
    path, link = tmp_path / "a", tmp_path / "b"
    path.write_bytes(b"one\r\ntwo")
    link.symlink_to(path)
    for name in (path, str(path), link):
        assert read_regular_file(name) == b"one\r\ntwo"
        assert read_regular_text(name) == "one\ntwo"
        with open_regular_file(name) as file:
            assert file.read(3) == b"one"


def test_a_pipe_is_refused_and_nobody_waits(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(NotRegularFileError, match="a named pipe, not a regular file"):
        read_regular_file(path)


def test_a_link_to_a_device_is_refused(tmp_path):
    path = tmp_path / "zero"
    path.symlink_to("/dev/zero")
    with pytest.raises(NotRegularFileError, match="a device, not a regular file"):
        open_regular_file(path)


def test_a_socket_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        with pytest.raises(NotRegularFileError, match="a socket, not a regular file"):
            open_regular_file("s")


def test_a_folder_and_a_missing_file_are_named_as_elsewhere(tmp_path):
    with pytest.raises(IsADirectoryError, match="directory"):
        open_regular_file(tmp_path)
    with pytest.raises(FileNotFoundError, match="No such file"):
        open_regular_file(tmp_path / "gone")


def test_more_than_the_limit_is_refused(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_regular_file(path, 5) == b"12345"
    with pytest.raises(OSError, match="more than 4 bytes"):
        read_regular_file(path, 4)

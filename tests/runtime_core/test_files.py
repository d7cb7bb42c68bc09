"""Files are complete or absent."""

import os
import socket
from pathlib import Path

import pytest

from runtime_core.files import read_regular, write_atomically


def test_a_file_is_replaced_and_private(tmp_path):
    path = tmp_path / "f"
    write_atomically(path, b"old")
    write_atomically(path, [b"n", b"ew"])
    assert path.read_bytes() == b"new"
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["f"]


def test_permissions_as_asked_or_by_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "asked", b"", mode=0o644)
        write_atomically(tmp_path / "umask", b"", mode=None)
    finally:
        os.umask(before)
    assert (tmp_path / "asked").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "umask").stat().st_mode & 0o777 == 0o640


def test_a_write_that_breaks_off_leaves_the_old_file_alone(tmp_path):
    def pieces():
        yield b"half"
        raise RuntimeError("gone")

    path = tmp_path / "f"
    write_atomically(path, b"old")
    with pytest.raises(RuntimeError):
        write_atomically(path, pieces())
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_only_regular_files_are_opened_and_none_is_waited_for(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    assert read_regular(tmp_path / "file") == b"content"
    os.mkfifo(tmp_path / "fifo")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        for path in (tmp_path / "fifo", tmp_path, Path("/dev/zero"), Path("/dev/full"), tmp_path / "socket"):
            before = len(os.listdir("/proc/self/fd"))
            with pytest.raises(OSError, match=r"not a regular file|No such device"):
                read_regular(path)
            assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_longer_than_the_limit_is_refused(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_regular(path, 5) == b"12345"
    with pytest.raises(OSError, match="longer than 4 bytes"):
        read_regular(path, 4)
    # Files of /proc have no size.
    with pytest.raises(OSError, match="longer than 3 bytes"):
        read_regular("/proc/self/stat", 3)


def test_a_pipe_that_a_shell_passes_is_read():
    reading, writing = os.pipe()
    os.write(writing, b"from a shell")
    os.close(writing)
    try:
        assert read_regular(f"/dev/fd/{reading}") == b"from a shell"
    finally:
        os.close(reading)

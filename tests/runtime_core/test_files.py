"""Files are whole or not there."""

import os

import pytest

from runtime_core.files import write_atomically


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

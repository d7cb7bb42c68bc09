"""NEFF files are written completely, read within limits, and refused with one line."""

import os

import pytest
from neff_files import peak_bytes

from runtime_core.neff.reader import load_neff
from runtime_core.neff.writer import save_neff
from runtime_core.status import NeffError, NrtStatus


def test_a_file_is_written_whole_or_not_at_all(tiny_neff, tmp_path):
    save_neff(tiny_neff, tmp_path / "m.neff")
    assert load_neff(tmp_path / "m.neff").graph == tiny_neff.graph
    assert [p.name for p in tmp_path.iterdir()] == ["m.neff"]


def test_a_missing_file_is_one_clear_line(tmp_path):
    with pytest.raises(NeffError, match="cannot read"):
        load_neff(tmp_path / "none.neff")


def test_a_folder_a_pipe_and_an_endless_device_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(NeffError, match="cannot read"):
            load_neff(path)


def test_a_file_over_the_limit_is_refused_before_it_is_read(tiny_neff, tmp_path):
    path = tmp_path / "m.neff"
    save_neff(tiny_neff, path)
    os.truncate(path, 64 << 30)

    def load():
        with pytest.raises(NeffError, match="allowed"):
            load_neff(path)

    assert peak_bytes(load) < 8 << 20


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644)])
def test_the_umask_decides_who_may_read_the_file(tiny_neff, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        save_neff(tiny_neff, tmp_path / "m.neff")
    finally:
        os.umask(before)
    assert (tmp_path / "m.neff").stat().st_mode & 0o777 == mode


@pytest.mark.parametrize("where", ["none/m.neff", "file/m.neff", "folder"])
def test_a_place_that_cannot_be_written_is_one_clear_line_and_leaves_nothing(tiny_neff, tmp_path, where):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(NeffError, match="cannot write") as caught:
        save_neff(tiny_neff, tmp_path / where)
    assert caught.value.status is NrtStatus.FAILURE
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder"]

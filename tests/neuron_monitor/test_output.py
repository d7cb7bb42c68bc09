"""Outputs: full pipes, rotated files, full disks."""

import os
import signal

import pytest

from neuron_monitor.output import RotatedFile, StandardOutput
from neuron_monitor.signals import Signals


@pytest.fixture
def signals():
    made = Signals()
    yield made
    made.close()


@pytest.fixture
def pipe():
    ends = os.pipe()
    yield ends
    for end in ends:
        try:
            os.close(end)
        except OSError:
            continue


def numbered(path, keep):
    return [path, *(path.with_name(f"{path.name}.{n}") for n in range(1, keep + 1))]


def test_a_full_file_makes_room_for_the_next_line(tmp_path, signals):
    path = tmp_path / "lines"
    file = RotatedFile(path, max_bytes=20, keep=2)
    for number in range(8):
        assert file.write(b"line %d..\n" % number, signals)
    assert [p.read_bytes() for p in numbered(path, 2)] == [
        b"line 6..\nline 7..\n",
        b"line 4..\nline 5..\n",
        b"line 2..\nline 3..\n",
    ]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lines", "lines.1", "lines.2"]


def test_with_none_to_keep_the_full_file_goes(tmp_path, signals):
    file = RotatedFile(tmp_path / "lines", max_bytes=10, keep=0)
    for number in range(3):
        file.write(b"line %d..\n" % number, signals)
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"line 2..\n"]


def test_a_line_longer_than_the_limit_is_written_whole(tmp_path, signals):
    path = tmp_path / "lines"
    file = RotatedFile(path, max_bytes=4, keep=1)
    assert file.write(b"a long line\n", signals)
    assert path.read_bytes() == b"a long line\n"


def test_it_appends_to_what_is_there_and_is_private(tmp_path, signals):
    path = tmp_path / "lines"
    RotatedFile(path).write(b"one\n", signals)
    RotatedFile(path).write(b"two\n", signals)
    assert path.read_bytes() == b"one\ntwo\n"
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_logrotate_moved_is_opened_anew(tmp_path, signals):
    path = tmp_path / "lines"
    file = RotatedFile(path)
    file.write(b"one\n", signals)
    path.rename(tmp_path / "moved")
    file.write(b"two\n", signals)
    assert path.read_bytes() == b"two\n"


def test_a_link_or_a_pipe_is_refused(tmp_path):
    (tmp_path / "target").touch()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    os.mkfifo(tmp_path / "fifo")
    for name in ("link", "fifo", "."):
        with pytest.raises(OSError):
            RotatedFile(tmp_path / name)


def test_a_full_disk_loses_lines_but_leaves_no_half_line_and_is_told_once(tmp_path, signals, capsys, monkeypatch):
    path = tmp_path / "lines"
    file = RotatedFile(path)
    file.write(b"one\n", signals)
    real = os.write

    def short(fd, data):
        return real(fd, data[:2])

    monkeypatch.setattr(os, "write", short)
    assert file.write(b"two\n", signals)
    assert file.write(b"three\n", signals)
    monkeypatch.setattr(os, "write", real)
    assert file.write(b"four\n", signals)
    assert path.read_bytes() == b"one\nfour\n"
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 2
    assert "lines are being lost" in told[0]
    assert "written again" in told[1]


def test_a_pipe_takes_long_lines_whole(pipe, signals):
    reader, writer = pipe
    line = b"x" * 50_000 + b"\n"
    assert StandardOutput(writer).write(line, signals)
    assert os.read(reader, 100_000) == line


def test_a_signal_is_heard_though_nobody_reads(pipe, signals):
    _, writer = pipe
    previous = signal.signal(signal.SIGALRM, signals.handle)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        assert not StandardOutput(writer).write(b"x" * 200_000, signals)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
    assert signals.stop


def test_a_reader_that_left_ends_it(pipe, signals):
    reader, writer = pipe
    os.close(reader)
    assert not StandardOutput(writer).write(b"line\n", signals)
    assert not signals.wait(None, writer)

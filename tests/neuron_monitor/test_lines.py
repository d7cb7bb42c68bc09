"""Lines of a descriptor are complete regardless of how they arrive, and have a maximum length."""

import os
import pty
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_monitor import lines
from neuron_monitor.lines import Lines, lines_until_stop
from neuron_monitor.signals import Signals


@pytest.fixture
def signals():
    made = Signals()
    yield made
    made.close()


def read_all(pieces):
    """Read pieces that are written in turn, each after the previous one was read."""
    found = []
    reading, writing = os.pipe()
    cut = Lines(reading)
    try:
        for piece in pieces:
            os.write(writing, piece)
            found += cut.read()
        os.close(writing)
        writing = None
        assert cut.read() is None
    finally:
        os.close(reading)
        if writing is not None:
            os.close(writing)
    return found


@given(st.lists(st.binary(min_size=1, max_size=40).map(lambda piece: piece.replace(b"x", b"\n")), max_size=20))
def test_lines_are_the_same_wherever_the_stream_was_cut(pieces):
    whole, _, _half = b"".join(pieces).rpartition(b"\n")
    assert read_all(pieces) == (whole.split(b"\n") if b"\n" in b"".join(pieces) else [])


def test_a_line_without_an_end_is_left_out_and_the_next_is_read(monkeypatch):
    monkeypatch.setattr(lines, "MAX_LINE_BYTES", 10)
    assert read_all([b"good\n", b"x" * 11, b"x" * 11, b"rest of it\nnext\nha", b"lf\n"]) == [b"good", b"next", b"half"]


def test_they_end_with_the_stream(signals):
    reading, writing = os.pipe()
    os.write(writing, b"one\ntwo\nhalf")
    os.close(writing)
    assert list(lines_until_stop(reading, signals)) == [b"one", b"two"]
    os.close(reading)


def test_a_signal_ends_them_while_nothing_comes(signals):
    reading, writing = os.pipe()
    found = []
    thread = threading.Thread(target=lambda: found.extend(lines_until_stop(reading, signals)))
    thread.start()
    signals.handle(15)
    thread.join(10)
    assert not thread.is_alive()
    assert found == []
    os.close(reading)
    os.close(writing)


@pytest.mark.parametrize(
    ("module", "arguments"),
    [("prometheus", ("--port", "0")), ("cloudwatch", ("--namespace", "N", "--dry-run")), ("k8s", ())],
)
def test_a_companion_at_a_terminal_says_what_it_needs(module, arguments):
    terminal, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"neuron_monitor.{module}", *arguments],
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=60,
        )
    finally:
        os.close(terminal)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.endswith("standard input is a terminal: pipe neuron-monitor into this command\n")

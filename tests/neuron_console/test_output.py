"""Output that a terminal cannot show, or that nobody reads; options without an effect."""

import io
import os
import stat
import subprocess
import sys

import pytest
from console_scripts import starting
from rich.console import Console

from neuron_console.text import colour_wanted
from neuron_tools.bench.report import print_report
from neuron_tools.bench.result import Result
from neuron_tools.bench.setups import ClockKind
from runtime_core.driver.node import set_up

PROGRAM_WITHOUT_READER = """
import os, sys
r, w = os.pipe()
os.close(r)
os.dup2(w, 1)
os.execv(sys.executable, [sys.executable, "-c", *sys.argv[1:]])
"""


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("name", "arguments"), [("neuron-ls", []), ("neuron-ls", ["-j"]), ("neuron-sim", ["status"]), ("neuron-cc", ["-h"])]
)
def test_a_reader_that_left_is_no_error_message(name, arguments, root):
    # More than the 8 KiB that Python buffers.
    set_up(root, type_name="inf1.24xlarge")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM_WITHOUT_READER, starting(name), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.e2e
@pytest.mark.parametrize("size", ["inf1.xlarge", "inf1.24xlarge"])
def test_a_full_disk_is_one_line(size, root):
    set_up(root, type_name=size)
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", starting("neuron-ls")], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert (done.returncode, done.stderr) == (1, "neuron-ls: No space left on device\n")


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [({}, True), ({"TERM": "dumb"}, False), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True)],
)
def test_colours_are_for_terminals_that_show_them(settings, wanted, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    main, terminal = os.openpty()
    with os.fdopen(main, "rb"), os.fdopen(terminal, "w") as stdout:
        monkeypatch.setattr(sys, "stdout", stdout)
        assert colour_wanted() is wanted
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    assert not colour_wanted()


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("module", "arguments", "told"),
    [
        ("neuron_top", ["--once", "--view", "cores"], "--view is a view of the screen"),
        ("neuron_top", ["--once", "--port", "80"], "--port: requires --serve"),
        ("neuron_tools.bench", ["x.neff", "--max-instances", "1"], "--max-instances requires --advise"),
        ("neuron_tools.bench", ["x.neff", "--p99", "1ms"], "--p99 requires --advise"),
        ("neuron_tools.bench", ["x.neff", "--plot", "x.png"], "expected a name that ends in .svg"),
        ("neuron_tools.neuron_cli", ["infer", "1", "--output-dir", "/dev/null"], "/dev/null: is not a directory"),
    ],
)
def test_options_without_an_effect_are_refused(module, arguments, told, node, command):
    done = command(module, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr


@pytest.mark.e2e
def test_a_missing_folder_is_named(node, command, tmp_path):
    done = command("neuron_monitor", "--once", "--output", tmp_path / "missing" / "x")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"x: folder {tmp_path / 'missing'} not found\n")


@pytest.mark.e2e
def test_what_cannot_be_replaced_is_not_to_be_overwritten(node, command, tmp_path):
    (tmp_path / "folder").mkdir()
    done = command("neuron_tools.sim", "record", tmp_path / "folder", "--overwrite", "--duration", "0.1")
    assert (done.returncode, done.stdout) == (1, "")
    assert "is not a regular file: choose another file\n" in done.stderr


def test_a_model_has_the_permissions_of_new_files(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    from neuron_tools.models.files import save_model

    previous = os.umask(0o022)
    try:
        save_model(onnx.ModelProto(), tmp_path / "x.onnx")
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "x.onnx").stat().st_mode) == 0o644


def test_a_narrow_terminal_loses_no_digit():
    result = Result(
        "inf1.6xlarge", ClockKind.VIRTUAL, 1, 1, 4, 4, 1, None, 10.0, 1234567, 0, 123456.7, 1.2, 1.23, 4.56, 7.89, 0.9,
        0.01, None, 0.5, 1, False, 0.001, 1,
    )  # fmt: skip
    shown = []
    for width in (20, 200):
        console = Console(width=width, file=io.StringIO())
        print_report("net[/x].onnx", [result], console)
        shown.append(console.file.getvalue())
    assert "…" not in shown[0]
    figures = [next(line for line in text.splitlines() if "1.23" in line).split() for text in shown]
    assert figures[0] == figures[1]
    assert "net[/x].onnx" in shown[1]

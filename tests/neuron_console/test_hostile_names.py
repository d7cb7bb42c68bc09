"""Names that others choose cannot control the terminal or forge a line of what is printed."""

import os
import sys
import threading

import pytest

from neuron_tools.gatherinfo import health
from neuron_tools.sim.load_results import ProcessResult, format_summary, summarize
from neuron_tools.sim.node_commands import describe_status
from neuron_tools.sim.run_progress import watch
from runtime_core.nrt import Runtime
from runtime_core.telemetry.health import Place, Severity, Verdict, VerdictKind

HOSTILE = "e\x1b[31mRED\x07\u202e\n  pid 1  root  cores 0  fake"


def assert_harmless(text, *, lines):
    shown = text.removesuffix("\n").split("\n")
    assert len(shown) == lines
    assert all(line.isprintable() for line in shown)
    assert "RED" in text


def test_status(node, monkeypatch):
    monkeypatch.setenv("NEURON_PROCESS_TAG", HOSTILE)
    with Runtime():
        assert_harmless(describe_status(as_json=False), lines=3)


def test_summary_of_a_run():
    result = ProcessResult(HOSTILE, 1, (HOSTILE,), {}, 0, 10**9, (0, {}), (0, {}), {}, 0)
    plain = ProcessResult("web", 1, ("net",), {}, 0, 10**9, (0, {}), (0, {}), {}, 0)
    lines = len(format_summary(summarize([plain], tag="web", pid=1, numerics=True)).split("\n"))
    assert_harmless(format_summary(summarize([result], tag=HOSTILE, pid=1, numerics=True)), lines=lines)


def test_health(node, capsys, monkeypatch):
    verdict = Verdict(VerdictKind.ERRORS, Severity.WARNING, Place(pid=1, tag=HOSTILE), 0, 1.0, "x", "y")
    watched = health.watch
    monkeypatch.setattr(health, "watch", lambda *arguments: (watched(*arguments)[0], (verdict,)))
    health.show_health(f"sim:{node}", as_json=False, seconds=0.02)
    assert_harmless(capsys.readouterr().out, lines=1)


def test_the_progress_of_a_run(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    main, terminal = os.openpty()
    looks = iter([True, True, False])
    with os.fdopen(main, "rb", buffering=0) as screen:
        with os.fdopen(terminal, "w") as stderr:
            monkeypatch.setattr(sys, "stderr", stderr)
            title = f"[red]{HOSTILE}[/nonsense]"
            watch(title, 1.0, threading.Event(), running=lambda: next(looks), look=lambda: (), quiet=False)
            stderr.flush()
            shown = screen.read(65536).decode()
        monkeypatch.undo()
    assert "RED" in shown
    assert "[red]e" in shown
    assert "\x1b[31mRED" not in shown
    assert "\n  pid 1" not in shown


@pytest.mark.e2e
@pytest.mark.parametrize(("module", "arguments"), [("neuron_ls", ()), ("neuron_top", ("--once",))])
def test_viewers(module, arguments, node, command, monkeypatch):
    monkeypatch.setenv("NEURON_PROCESS_TAG", HOSTILE)
    with Runtime():
        shown = command(module, *arguments).stdout
    assert shown
    assert all(line.isprintable() for line in shown.split("\n"))
    assert not any(line.startswith("  pid 1  root") for line in shown.split("\n"))

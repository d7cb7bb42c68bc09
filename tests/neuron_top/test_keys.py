"""Every key, in the view it belongs to."""

import json
import signal
import subprocess
import sys

import pytest
from screens import Still, drive, lines, recorded_app, recorded_moments, text, until
from worlds import make_runtime

from neuron_top.screens.confirm import SignalScreen
from neuron_top.screens.help import HelpScreen
from neuron_top.settings import Settings
from neuron_top.views.catalogue import VIEWS
from runtime_core.telemetry.owners import UnprovenError


@pytest.fixture(scope="module")
def moments():
    return recorded_moments(seconds=40)


def shown_view(app):
    """The view on show; exactly one is."""
    (view,) = [v for v in app.screen.query("#views > *") if v.display]
    return view


def column(app, title):
    """A column of the process table, top down."""
    table = app.screen.query_one("#process-table")
    heads = [head.title for head in table._heads]
    return [line.cells[heads.index(title)] for line in table._lines]


def test_each_view_has_its_key(moments):
    async def check(app, pilot):
        for entry in VIEWS:
            await pilot.press(entry.key)
            assert shown_view(app).id == entry.name
            assert f" {entry.title} " in text(app)

    drive(check, (120, 40), moments=moments)


def test_question_mark_shows_every_key_and_escape_closes_it(moments):
    async def check(app, pilot):
        await pilot.press("p", "question_mark")
        assert isinstance(app.screen, HelpScreen)
        shown = text(app)
        for part in ("SIGTERM or SIGKILL", "Switch between percent and FLOPS", "t           Topology", "Ctrl-s", "1-9"):
            assert part in shown
        await pilot.press("escape")
        assert app.screen is app.node

    drive(check, (120, 60), moments=moments)


def test_the_command_palette_knows_the_views(moments):
    async def check(app, pilot):
        await pilot.press("ctrl+p")
        await pilot.press(*"topol")
        await until(pilot, lambda: "View: Topology" in text(app), "the found command")
        await pilot.press("enter", "enter")
        await until(pilot, lambda: app.screen is app.node and shown_view(app).id == "topology", "the chosen view")

    drive(check, (120, 40), moments=moments)


def test_space_pauses_and_brackets_step_through_what_was(moments):
    async def check(app, pilot):
        session = app.node.session
        await pilot.press("left_square_bracket")
        assert session.paused
        assert session.moment is moments[-2]
        await pilot.press("left_curly_bracket")
        assert session.moment is moments[-12]
        assert "12 s back" not in text(app)
        assert "11 s back" in text(app)
        await pilot.press("right_square_bracket", "right_square_bracket")
        assert session.moment is moments[-10]
        await pilot.press("right_curly_bracket")
        assert session.moment is moments[-1]
        await pilot.press(*["left_curly_bracket"] * 9)
        assert session.moment is moments[0]
        await pilot.press("space")
        assert not session.paused
        assert session.moment is session.live

    drive(check, (120, 40), moments=moments)


def test_events_end_at_the_moment_on_show(moments):
    async def check(app, pilot):
        await pilot.press("e")
        assert "runtime started on NeuronCores 48-49" in text(app)
        await pilot.press("left_curly_bracket", "left_curly_bracket")
        assert "runtime started" not in text(app)

    drive(check, (120, 40), moments=moments)


def test_plus_and_minus_zoom_the_charts(moments):
    async def check(app, pilot):
        await pilot.press("h")
        assert "Last 1 min (all data)" in text(app)
        await pilot.press("minus", "minus")
        assert "Last 5 min" in text(app)
        await pilot.press("plus", "equals_sign", "plus", "plus")
        assert "Last 10 s" in text(app)
        await pilot.press("0")
        assert "Last 1 min (all data)" in text(app)

    drive(check, (120, 40), moments=moments)


def test_s_sorts_and_r_turns_around(moments):
    async def check(app, pilot):
        await pilot.press("p", "s")
        assert column(app, "PID") == sorted(column(app, "PID"), key=int, reverse=True)
        await pilot.press("r")
        assert column(app, "PID") == sorted(column(app, "PID"), key=int)
        await pilot.press("s", "s", "s")
        loads = [float(cell.strip("% ")) for cell in column(app, "UTIL")]
        assert loads == sorted(loads, reverse=True)
        await pilot.press("S", "S")
        assert column(app, "TAG") == sorted(column(app, "TAG"), key=str.casefold)

    drive(check, (120, 40), moments=moments)


def test_slash_filters_while_one_types_enter_keeps_and_escape_drops(moments):
    async def check(app, pilot):
        await pilot.press("p", "slash", *"web", "space", *"8081")
        await until(pilot, lambda: column(app, "PID") == ["4002"], "the filtered table")
        await pilot.press("enter")
        assert column(app, "PID") == ["4002"]
        assert "filter: web 8081" in text(app)
        await pilot.press("m")
        assert "no loaded model matches" in text(app)
        await pilot.press("slash", "escape")
        await until(pilot, lambda: "bert-large" in text(app), "every process")

    drive(check, (120, 40), moments=moments)


def test_a_filter_where_there_is_nothing_to_filter_says_where(moments):
    async def check(app, pilot):
        await pilot.press("t", "slash")
        await until(pilot, lambda: "can be filtered" in text(app), "the notice")

    drive(check, (120, 40), moments=moments)


def test_enter_opens_the_history_of_a_process(moments):
    async def check(app, pilot):
        await pilot.press("p", "I", "I", "down", "down", "down", "down", "enter")
        assert shown_view(app).id == "history"
        assert ">pipeline<" in text(app)

    drive(check, (120, 40), moments=moments)


def test_a_sort_puts_the_cursor_on_its_first_row_and_there_it_stays(moments):
    async def check(app, pilot):
        await pilot.press("p", "end")
        table = app.screen.query_one("#process-table")
        key = table.cursor_key
        await pilot.press("r")
        assert table.cursor_key == key
        assert table.cursor == 0
        await pilot.press("pagedown", "pageup", "down", "home")
        assert table.cursor == 0
        await pilot.press("right")
        assert table.scroll_offset.x > 0

    drive(check, (80, 24), moments=moments)


def test_y_copies_the_row(moments):
    async def check(app, pilot):
        await pilot.press("p", "y")
        assert app.clipboard.split()[:2] == ["4006", "nightly"]
        await pilot.press("m", "y")
        assert app.clipboard.startswith("▼ web:4001 (pid 4001), 4 models")

    drive(check, (120, 40), moments=moments)


@pytest.mark.parametrize(("width", "columns"), [(119, 1), (120, 2), (200, 2)])
def test_the_help_has_two_columns_where_there_is_room(width, columns, moments):
    async def check(app, pilot):
        await pilot.press("question_mark")
        shown = lines(app)
        views = next(line for line in shown if "Views" in line and "Overview" not in line)
        assert ("Everywhere" in views) is (columns == 2)

    drive(check, (width, 50), moments=moments)


def test_ctrl_s_saves_the_screen_as_svg(moments, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def check(app, pilot):
        await pilot.press("ctrl+s")
        await until(pilot, lambda: list(tmp_path.glob("*.svg")), "the picture")
        assert "NeuronCore" in next(tmp_path.glob("*.svg")).read_text()

    drive(check, (80, 24), moments=moments)


def test_ctrl_s_tells_when_it_cannot_write(moments, monkeypatch):
    def refuse(*_arguments, **_named):
        raise PermissionError(13, "Permission denied", "x.svg")

    async def check(app, pilot):
        monkeypatch.setattr(app, "save_screenshot", refuse)
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "cannot write to" in text(app), "the notice")

    drive(check, (120, 40), moments=moments)


def test_q_ends_and_gives_back_what_is_to_be_remembered(moments):
    app = recorded_app()

    async def check(app, pilot):
        app.theme = "nord"
        await pilot.press("p", "s", "h", "plus", "f", "c", "q")
        await pilot.pause()

    drive(check, app=app, moments=moments)
    left = app.return_value
    assert left == Settings(view="cores", theme="nord", flops=True, sort_reverse=True, sort_column=0, chart_span=1)
    assert json.dumps(left)


def test_what_was_remembered_is_where_one_begins(moments):
    async def check(app, pilot):
        assert shown_view(app).id == "history"
        assert app.theme == "gruvbox"
        assert "Last 1 min" in text(app)

    drive(check, app=recorded_app("history", theme="gruvbox", chart_span=2), moments=moments)


@pytest.fixture
def sleeper():
    """A process that only a signal ends."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    yield process
    process.kill()
    process.wait()


def with_process(pid):
    return Still(runtimes=(make_runtime(1.0, pid, (0,), "web", "python serve.py"),))


@pytest.mark.parametrize(("key", "number"), [("t", signal.SIGTERM), ("k", signal.SIGKILL)])
def test_a_signal_is_sent_after_a_question(key, number, sleeper):
    async def check(app, pilot):
        await pilot.press("p", "k")
        assert isinstance(app.screen, SignalScreen)
        assert f"pid {sleeper.pid}" in text(app)
        assert sleeper.poll() is None
        await pilot.press(key)
        await until(pilot, lambda: sleeper.poll() is not None, "the end of the process")
        await until(pilot, lambda: "was sent to web" in text(app), "the notice")

    drive(check, (120, 40), with_process(sleeper.pid))
    assert sleeper.returncode == -number


def test_a_process_that_is_not_proven_gets_no_signal_and_the_reason_is_shown(sleeper):
    source = with_process(sleeper.pid)

    def refuse(pid, start_ns):
        raise UnprovenError("it runs in another pid namespace", mend="send the signal from there")

    source.pin = refuse

    async def check(app, pilot):
        await pilot.press("p", "k")
        await until(pilot, lambda: "runs in another pid namespace" in text(app), "the reason")
        await pilot.press("k")
        await until(pilot, lambda: "nothing was sent" in text(app), "the notice")

    drive(check, (120, 40), source)
    assert sleeper.poll() is None


def test_a_process_that_leaves_the_node_during_the_question_gets_no_signal(sleeper):
    source = with_process(sleeper.pid)
    proofs = [source.pin]

    def once(pid, start_ns):
        if not proofs:
            raise UnprovenError(f"process {pid} does not own the runtime, or the runtime has ended")
        return proofs.pop()(pid, start_ns)

    source.pin = once

    async def check(app, pilot):
        await pilot.press("p", "k", "k")
        await until(pilot, lambda: "nothing was sent" in text(app), "the notice")

    drive(check, (120, 40), source)
    assert sleeper.poll() is None


def test_read_only_sends_no_signal_and_saves_no_picture(sleeper, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    async def check(app, pilot):
        await pilot.press("p", "k")
        await until(pilot, lambda: "signals are off" in text(app), "the refusal")
        assert app.screen is app.node
        await pilot.press("ctrl+s")
        await until(pilot, lambda: "screenshots are off" in text(app), "the refusal")
        assert "Screenshot" not in {command.title for command in app.get_system_commands(app.screen)}

    drive(check, (120, 40), with_process(sleeper.pid), read_only=True)
    assert sleeper.poll() is None
    assert list(tmp_path.glob("*.svg")) == []


def test_processes_of_a_recording_get_no_signal(sleeper):
    source = with_process(sleeper.pid)
    source.name = "replay:/tmp/incident.nrec"

    async def check(app, pilot):
        await pilot.press("p", "k")
        await until(pilot, lambda: "this machine only" in text(app), "the refusal")
        assert app.screen is app.node

    drive(check, (120, 40), source)


@pytest.mark.parametrize("key", ["n", "escape", "q"])
def test_no_signal_is_sent_when_the_answer_is_no(key, sleeper):
    async def check(app, pilot):
        await pilot.press("p", "k", key)
        assert app.screen is app.node
        await pilot.press("p", "k", "n")

    drive(check, (120, 40), with_process(sleeper.pid))
    assert sleeper.poll() is None


def test_a_process_that_ended_meanwhile_gets_no_signal(sleeper):
    async def check(app, pilot):
        await pilot.press("p", "k")
        sleeper.kill()
        sleeper.wait()
        await pilot.press("t")
        await until(pilot, lambda: "nothing was sent" in text(app), "the notice")

    drive(check, (120, 40), with_process(sleeper.pid))


def test_a_process_of_somebody_else_is_refused_in_words(sleeper, monkeypatch):
    def refuse(*_):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(signal, "pidfd_send_signal", refuse)

    async def check(app, pilot):
        await pilot.press("p", "k", "t")
        await until(pilot, lambda: "no permission to send SIGTERM" in text(app), "the notice")

    drive(check, (120, 40), with_process(sleeper.pid))

"""States in which there is nothing, or not enough, to show: each says what is wrong and how to mend it."""

import threading

from screens import Still, drive, recorded_app, recorded_moments, text, until
from worlds import make_runtime

from neuron_console.text import ascii_only
from neuron_top.glyphs import ASCII, UNICODE, terminal_glyphs
from neuron_top.pods import PodWatch
from runtime_core.telemetry import NodeError
from runtime_core.telemetry.kubelet.holdings import CORE_RESOURCE, Holding


class Failing(Still):
    """A source that fails as it is told to."""

    error = None

    def snapshot(self, *, host=False):
        if self.error is not None:
            raise self.error
        return super().snapshot(host=host)


def test_a_node_that_goes_is_missed_and_welcomed_back_with_its_history():
    source = Still()

    async def check(app, pilot):
        before = len(app.node.session.history._samples)
        source.gone = True
        await until(pilot, lambda: "neuron-sim up" in text(app), "the missing node")
        assert "retrying every" in text(app)
        assert "ND0" not in text(app)
        source.gone = False
        await until(pilot, lambda: "ND0" in text(app), "the returned node")
        assert len(app.node.session.history._samples) >= before
        await pilot.press("e")
        assert "the node is gone" in text(app)

    drive(check, (100, 30), source)


def test_a_node_that_may_not_be_read_is_said_with_its_file():
    source = Failing()

    async def check(app, pilot):
        source.error = PermissionError(13, "Permission denied", "/run/neuron-sim/node.json")
        await until(pilot, lambda: "no permission for /run/neuron-sim/node.json" in text(app), "the reason")
        source.error = OSError(5, "Input/output error", "/sys/x")
        await until(pilot, lambda: "Input/output error (/sys/x)" in text(app), "the reason")
        source.error = NodeError("the datastore has version 9, this program knows 1")
        await until(pilot, lambda: "has version 9" in text(app), "the reason")
        source.error = None
        await until(pilot, lambda: "ND0" in text(app), "the node")

    drive(check, (100, 30), source)


def test_a_terminal_too_small_says_how_small_and_grows_back():
    async def check(app, pilot):
        assert "too small: 40x10" in text(app)
        assert "needs 78x20 or more" in text(app)
        await pilot.resize_terminal(80, 24)
        await until(pilot, lambda: "NeuronCore v1 Utilization" in text(app), "the sections")
        await pilot.resize_terminal(30, 5)
        await until(pilot, lambda: "too small" in text(app), "the notice")

    drive(check, (40, 10))


def test_a_source_that_hangs_holds_up_no_key():
    hanging, release = threading.Event(), threading.Event()

    class Hanging(Still):
        hang = False

        def snapshot(self, *, host=False):
            if self.hang:
                hanging.set()
                release.wait(30)
            return super().snapshot(host=host)

    source = Hanging()

    async def check(app, pilot):
        source.hang = True
        await until(pilot, hanging.is_set, "a look that hangs")
        for key, words in (("c", "share of time busy"), ("p", "COMMAND"), ("t", "Owners"), ("o", "VCPU Utilization")):
            await pilot.press(key)
            assert words in text(app)
        release.set()

    drive(check, (140, 40), source)


def test_a_runtime_that_cannot_be_read_is_told_and_the_rest_shown():
    stuck = make_runtime(1.0, 9, (4,), "stuck", error="its page stays locked")
    source = Still(runtimes=(make_runtime(1.0, 8, (0,), "fine"), stuck._replace(host_memory=None)))

    async def check(app, pilot):
        await pilot.press("p")
        assert "its page stays locked" in text(app)
        await pilot.press("e")
        assert "its page stays locked" in text(app)

    drive(check, (160, 30), source)


def test_the_pods_of_processes_are_named_where_there_are_any():
    def named(app):
        return app.screen.query_one("#process-table").header(0, 200).plain

    async def check(app, pilot):
        await pilot.press("p")
        assert "POD" not in named(app)
        app.node._look._pods = PodWatch(lambda: (Holding("web-0", "prod", "main", CORE_RESOURCE, ("0", "1")),))
        await until(pilot, lambda: "POD" in named(app), "the column")
        assert "prod/web-0" in text(app)
        await pilot.press("slash", *"prod/web", "enter")
        assert len(app.screen.query_one("#processes")._processes) == 1

    drive(check, (200, 30))


def test_a_kubelet_that_does_not_answer_is_waited_for_by_nobody():
    answer, asked = threading.Event(), []

    def ask():
        asked.append(None)
        answer.wait(30)

    watch, snapshot = PodWatch(ask, 3600.0), Still().snapshot()
    assert [watch.pods(snapshot) for _ in range(3)] == [{}, {}, {}]
    answer.set()
    with watch._asking:
        assert len(asked) == 1
    assert watch.pods(snapshot) == {}


def test_ascii_glyphs_make_a_screen_of_ascii_alone():
    moments = recorded_moments(seconds=12, clean=ascii_only)

    async def check(app, pilot):
        for key in "ochpmte":
            await pilot.press(key)
            odd = {c for c in text(app) if ord(c) > 126}
            assert not odd, (key, odd)
        assert "????" in text(app)

    drive(check, (120, 40), app=recorded_app(glyphs=ASCII), moments=moments)


def test_the_terminal_s_encoding_and_locale_choose_the_glyphs(monkeypatch):
    monkeypatch.delenv("LC_ALL", raising=False)
    monkeypatch.setattr("sys.stdout", type("Out", (), {"encoding": "utf-8"}))
    assert terminal_glyphs() is UNICODE
    monkeypatch.setattr("sys.stdout", type("Out", (), {"encoding": "iso-8859-1"}))
    assert terminal_glyphs() is ASCII
    monkeypatch.setattr("sys.stdout", type("Out", (), {"encoding": "utf-8"}))
    monkeypatch.setenv("LC_ALL", "C")
    assert terminal_glyphs() is ASCII


def test_no_color_draws_without_any_colour(monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    moments = recorded_moments(seconds=12)

    async def check(app, pilot):
        for key in "ochpmte":
            await pilot.press(key)
            strips = app.screen._compositor.render_strips()
            coloured = [s for strip in strips for s in strip if s.style and (s.style.color or s.style.bgcolor)]
            plain = [s for s in coloured if not {s.style.color, s.style.bgcolor} <= {None, _default()}]
            assert not plain, (key, plain[:3])

    drive(check, (120, 40), app=recorded_app(), moments=moments)


def _default():
    from rich.color import Color

    return Color.default()

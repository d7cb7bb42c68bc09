"""Every view at three sizes, from recorded looks, as pictures: what changed is shown side by side when one differs."""

import time

import pytest
from faulty_world import recorded_incident
from screens import RECORDED_SECONDS, feed, recorded_app, recorded_moments

from neuron_top.glyphs import ASCII, UNICODE, cleaner
from neuron_top.views.catalogue import NAMES

SIZES = ((80, 24), (120, 40), (200, 60))


@pytest.fixture(autouse=True)
def same_clock_everywhere(monkeypatch):
    """Times of day are local ones."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="module")
def moments():
    return recorded_moments(seconds=RECORDED_SECONDS)


@pytest.fixture(scope="module")
def incident_moments():
    """Three faults at once."""
    return recorded_incident()


def picture(snap_compare, moments, size, view="overview", press=(), glyphs=UNICODE, theme=""):
    async def show(pilot):
        feed(pilot.app, moments)
        await pilot.pause()
        if press:
            await pilot.press(*press)
            await pilot.pause()

    return snap_compare(recorded_app(view, glyphs, theme=theme), terminal_size=size, run_before=show)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("view", NAMES)
def test_view(view, size, moments, snap_compare):
    assert picture(snap_compare, moments, size, view)


INCIDENT_VIEWS = ("overview", "cores", "processes", "topology", "events", "history")
LIGHT = ((80, 24), (120, 40))
CASES = [(view, size, "textual-dark") for view in INCIDENT_VIEWS for size in SIZES]
CASES += [(view, size, "textual-light") for view in INCIDENT_VIEWS for size in LIGHT]
CASES += [(view, (200, 60), "textual-light") for view in ("overview", "topology")]


@pytest.mark.parametrize(("view", "size", "theme"), CASES, ids=lambda value: str(value).replace(" ", ""))
def test_incident(view, size, theme, incident_moments, snap_compare):
    assert picture(snap_compare, incident_moments, size, view, theme=theme)


STATES = {
    "one-tab-in-flops-with-an-open-tree": ("overview", ("2", "f", "x")),
    "paused-and-stepped-back": ("history", ("space", "left_square_bracket", "left_curly_bracket")),
    "zoomed-in": ("history", ("plus", "plus")),
    "sorted-by-utilization": ("processes", ("s", "s", "s", "r")),
    "filtered": ("processes", ("slash", *"web", "enter")),
    "the-question-before-a-signal": ("processes", ("down", "k")),
    "help": ("processes", ("question_mark",)),
    "everything-open": ("models", ("x",)),
}


@pytest.mark.parametrize("state", STATES)
def test_state(state, moments, snap_compare):
    view, keys = STATES[state]
    assert picture(snap_compare, moments, (100, 30), view, keys)


@pytest.mark.parametrize("view", ["overview", "cores", "topology", "history"])
def test_ascii(view, snap_compare):
    moments = recorded_moments(seconds=20, clean=cleaner(ASCII))
    assert picture(snap_compare, moments, (100, 30), view, glyphs=ASCII)


@pytest.mark.parametrize("view", ["overview", "cores"])
def test_no_colour(view, moments, snap_compare, monkeypatch):
    monkeypatch.setenv("NO_COLOR", "1")
    assert picture(snap_compare, moments, (100, 30), view)

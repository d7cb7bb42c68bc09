"""The views there are, their keys, and how each is made when it is first opened."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from neuron_top.settings import Settings
from neuron_top.views.base import View


class ViewEntry(NamedTuple):
    """One view: what it is called in settings and on screen, its key, and what makes it."""

    name: str
    key: str
    title: str
    make: Callable[[Settings], View]


def _overview(settings: Settings) -> View:
    from neuron_top.views.overview import OverviewView

    return OverviewView()


def _cores(settings: Settings) -> View:
    from neuron_top.views.cores import CoresView

    return CoresView()


def _history(settings: Settings) -> View:
    from neuron_top.views.history import AUTOMATIC, SPANS_SECONDS, HistoryView

    return HistoryView(max(AUTOMATIC, min(len(SPANS_SECONDS) - 1, settings.chart_span)))


def _processes(settings: Settings) -> View:
    from neuron_top.views.processes import ProcessesView

    return ProcessesView((settings.sort_column, settings.sort_reverse))


def _models(settings: Settings) -> View:
    from neuron_top.views.models import ModelsView

    return ModelsView()


def _topology(settings: Settings) -> View:
    from neuron_top.views.topology import TopologyView

    return TopologyView()


def _events(settings: Settings) -> View:
    from neuron_top.views.events import EventsView

    return EventsView()


VIEWS: tuple[ViewEntry, ...] = (
    ViewEntry("overview", "o", "Overview", _overview),
    ViewEntry("cores", "c", "Cores", _cores),
    ViewEntry("history", "h", "History", _history),
    ViewEntry("processes", "p", "Processes", _processes),
    ViewEntry("models", "m", "Models", _models),
    ViewEntry("topology", "t", "Topology", _topology),
    ViewEntry("events", "e", "Events", _events),
)
NAMES = tuple(entry.name for entry in VIEWS)


def entry_of(name: str) -> ViewEntry:
    """Return the view with a name; the first view if the name is unknown."""
    return next((entry for entry in VIEWS if entry.name == name), VIEWS[0])

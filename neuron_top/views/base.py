"""What all views have in common."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding
from textual.widget import Widget

from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.widgets.kept import Column
from neuron_top.widgets.lines import Lines
from runtime_core.telemetry.health import Place


class View(Column):
    """One view: draws the states of the screen that it receives.

    Attributes:
        NOTES: what its keys don't tell, for the help screen.
        FILTERS: whether the filter narrows what it shows.
    """

    NOTES: ClassVar[str] = ""
    FILTERS: ClassVar[bool] = False
    DEFAULT_CSS = "View { height: 1fr; width: 1fr; }"

    def show(self, shown: Shown) -> None:
        """Draw what changed in ``shown``."""
        raise NotImplementedError

    def look_at(self, place: Place) -> None:
        """Move the cursor or scroll to a place, if the view can."""

    def main_widget(self) -> Widget:
        """Return the widget that gets the focus when the view is opened."""
        raise NotImplementedError

    def remember(self, settings: Settings) -> Settings:
        """The settings with what the view adds to them."""
        return settings


def declared_bindings(view: View) -> list[Binding]:
    """The keys of a view and of its main widget, as they are declared beside it."""
    own = [b for b in vars(type(view)).get("BINDINGS", ()) if isinstance(b, Binding)]
    inside = {b.key: b for b in declared_bindings_of(view.main_widget())}
    return [*own, *(b for key, b in inside.items() if key not in {o.key for o in own})]


def declared_bindings_of(widget: Widget) -> list[Binding]:
    """The keys of a list, a table, a tree: those that Textual itself adds are left out."""
    found: dict[str, Binding] = {}
    for kind in (kind for kind in type(widget).__mro__ if issubclass(kind, Lines)):
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding):
                found.setdefault(binding.key, binding)
    return list(found.values())

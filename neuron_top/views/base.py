"""What all views have in common."""

from __future__ import annotations

from typing import ClassVar

from textual.binding import Binding
from textual.containers import Vertical
from textual.widget import Widget

from neuron_top.settings import Settings
from neuron_top.shown import Shown
from neuron_top.widgets.lines import Lines


class View(Vertical):
    """One view: shows a state of the screen when it is asked to.

    Attributes:
        NOTES: what its keys don't tell, for the help screen.
        FILTERS: whether the filter narrows what it shows.
    """

    NOTES: ClassVar[str] = ""
    FILTERS: ClassVar[bool] = False
    DEFAULT_CSS = "View { height: 1fr; width: 1fr; }"

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        raise NotImplementedError

    def main_widget(self) -> Widget:
        """What keys go to when the view is opened."""
        raise NotImplementedError

    def remember(self, settings: Settings) -> Settings:
        """The settings with what the view adds to them."""
        return settings


def declared_bindings(view: View) -> list[Binding]:
    """The keys of a view and of its main widget, as they are declared beside it."""
    kinds = [type(view), *(kind for kind in type(view.main_widget()).__mro__ if issubclass(kind, Lines))]
    found: dict[str, Binding] = {}
    for kind in kinds:
        for binding in vars(kind).get("BINDINGS", ()):
            if isinstance(binding, Binding):
                found.setdefault(binding.key, binding)
    return list(found.values())

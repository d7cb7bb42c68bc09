"""The tree of loaded models."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widget import Widget

from neuron_top.model.models import make_models
from neuron_top.shown import Shown
from neuron_top.views.base import View
from neuron_top.widgets.memory_tree import MemoryTree


class ModelsView(View):
    """Processes of the tab, their models, where each is loaded, and its memory."""

    NOTES = "Arrow keys move in the tree and open its rows. A model shows id, name, state and the start of its UUID."
    FILTERS = True

    def __init__(self) -> None:
        """Nothing to show yet."""
        super().__init__(id="models")
        nothing = "no loaded model matches, or the source does not report models"
        self._tree = MemoryTree("Process / model / NeuronCore", nothing, first_open=True, id="model-tree")

    def compose(self) -> ComposeResult:
        """One tree."""
        yield self._tree

    def main_widget(self) -> Widget:
        """The tree."""
        return self._tree

    def show(self, shown: Shown) -> None:
        """Draw what changed."""
        rows = make_models(shown.moment.snapshot, shown.selected, shown.needle)
        self._tree.show(rows, shown.glyphs)

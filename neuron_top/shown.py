"""What the application hands to the view on show, at every look and after every key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from neuron_top.glyphs import Glyphs
from neuron_top.model.events import Event
from neuron_top.model.history import History
from neuron_top.model.moment import Moment


class Shown(NamedTuple):
    """One state of the screen.

    Attributes:
        moment: the look that is shown: the last one, or an earlier one while paused.
        selected: the tab; 0 is all runtimes.
        events: those up to the moment, oldest first.
        needle: the filter, "" for none.
    """

    moment: Moment
    selected: int
    history: History
    events: Sequence[Event]
    flops: bool
    needle: str
    glyphs: Glyphs
    colour: bool

"""One frame, printed with Rich, for scripts and CI logs."""

from __future__ import annotations

import time

from rich.console import Console

from neuron_top.draw import overview as draw
from neuron_top.draw.health import health_line
from neuron_top.draw.tabs import tab_line
from neuron_top.draw.tree import tree_heading, tree_line
from neuron_top.glyphs import Glyphs, cleaner
from neuron_top.model.overview import make_view, visible_rows
from neuron_top.model.processes import make_applications
from neuron_top.title import title_text
from neuron_top.watcher import Watcher
from runtime_core.telemetry import Source

_MAX_COLUMNS = 160


def print_once(source: Source, interval_seconds: float, glyphs: Glyphs) -> None:
    """Look twice, ``interval_seconds`` apart, and print what the overview would show, the tree wholly open.

    Raises:
        NodeError: there is no node.
    """
    before = source.snapshot(host=True)
    time.sleep(interval_seconds)
    after = source.snapshot(host=True)
    source.close()
    watcher = Watcher(cleaner(glyphs))
    watcher.moment(None, before)
    moment = watcher.moment(before, after)
    view = make_view(moment.snapshot, moment.rates, 0, moment.faults, moment.lost)
    console = Console(highlight=False)
    width = min(console.width, _MAX_COLUMNS)
    console.print(title_text(moment.snapshot), style="bold", no_wrap=True, crop=True)
    console.print(health_line(moment.health, after.time_ns, width, glyphs, None), no_wrap=True, crop=True)
    tree = [tree_line(depth, row, width, opened=True, glyphs=glyphs) for depth, row in visible_rows(view.tree, _open)]
    details = [draw.heading("Memory Usage Details", width, glyphs), tree_heading(width), *tree]
    tabs = [tab_line(view.tabs, view.selected, width, glyphs)]
    for block in (*draw.view_blocks(view, width, glyphs, make_applications(moment)), details, tabs):
        for line in block:
            console.print(line, no_wrap=True, crop=True)


def _open(_key: str) -> bool:
    return True

"""One frame, printed with Rich, for scripts and CI logs."""

from __future__ import annotations

import time

from rich.console import Console

from neuron_top import sections
from neuron_top.collector import Frame
from neuron_top.view import make_view
from runtime_core.telemetry import Source, rates


def print_once(source: Source, interval_seconds: float) -> None:
    """Look twice, ``interval_seconds`` apart, and print what the screen would show.

    Raises:
        NodeError: there is no node.
    """
    from neuron_top.app import title_text, unicode_terminal

    before = source.snapshot(host=True)
    time.sleep(interval_seconds)
    after = source.snapshot(host=True)
    source.close()
    view = make_view(after, rates(before, after), 0)
    console = Console(highlight=False)
    width = min(console.width, 160)
    wide = unicode_terminal()
    console.print(title_text(Frame(after, None)), style="bold", no_wrap=True, crop=True)
    blocks = (
        [sections.heading("NeuronCore v1 Utilization", width), *sections.core_lines(view.rows, width, unicode=wide)],
        [sections.heading("VCPU Utilization", width), *sections.vcpu_lines(view, width, unicode=wide)],
        [sections.heading("Memory Usage Summary", width), *sections.memory_lines(view, width)],
        [
            sections.heading("Memory Usage Details", width),
            sections.tree_heading(width),
            *sections.tree_lines(view.tree, width, lambda _: True),
        ],
        [sections.tab_line(view, width)],
    )
    for block in blocks:
        for line in block:
            console.print(line, no_wrap=True, crop=True)

"""The table of a fleet, printed with Rich for scripts and CI logs."""

from __future__ import annotations

import time

from rich.console import Console

from neuron_top.draw.fleet import totals_text
from neuron_top.model.fleet import COLUMNS, NOT_ASKED, STATE_COLUMN, totals
from neuron_top.model.table import sort_rows
from neuron_top.remote.fleet import Fleet

_POLL_SECONDS = 0.02


def print_fleet(fleet: Fleet) -> bool:
    """Ask every node until each answered or failed and an interval has passed, for rates; print the table.

    Returns whether any node answered.
    """
    fleet.start()
    enough = time.monotonic() + fleet.interval_seconds
    while time.monotonic() < enough or any(row.problem == NOT_ASKED for row in fleet.rows()):
        time.sleep(_POLL_SECONDS)
    fleet.stop()
    rows = sort_rows(sort_rows(fleet.rows(), COLUMNS[0], reverse=False), COLUMNS[STATE_COLUMN], reverse=True)
    heads = tuple(column.title for column in COLUMNS)
    cells = [heads, *(tuple(column.text(row).strip() for column in COLUMNS) for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(COLUMNS))]
    console = Console(highlight=False)
    console.print(totals_text(totals(tuple(rows))), style="bold", no_wrap=True, crop=False)
    for line in cells:
        pieces = (
            f"{text:>{width}}" if column.numeric else f"{text:<{width}}"
            for text, width, column in zip(line, widths, COLUMNS, strict=True)
        )
        console.print("  ".join(pieces).rstrip(), no_wrap=True, crop=False, markup=False, soft_wrap=True)
    return any(not row.problem for row in rows)

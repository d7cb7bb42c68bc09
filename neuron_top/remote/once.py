"""The table of a fleet, printed for scripts and CI logs."""

from __future__ import annotations

import enum
import sys
import time
from collections.abc import Sequence

from rich.console import Console

from neuron_top.draw.fleet import totals_text
from neuron_top.model.fleet import COLUMNS, NOT_ASKED, STATE_COLUMN, NodeRow, totals
from neuron_top.model.table import sort_rows
from neuron_top.remote.fleet import Fleet

_POLL_SECONDS = 0.02


class Form(enum.Enum):
    """How the table is printed."""

    TEXT = "text"
    CSV = "csv"
    JSON = "json"


def print_fleet(fleet: Fleet, form: Form = Form.TEXT) -> bool:
    """Query all nodes now and again after an interval, to compute rates, and print the table.

    Returns whether any node answered.
    """
    began = time.monotonic()
    fleet.start(at_once=True)
    again = began + fleet.interval_seconds
    latest = again + fleet.interval_seconds + fleet.patience_seconds
    while not all(_known(row, again) for row in fleet.rows()):
        time.sleep(_POLL_SECONDS)
        if time.monotonic() > latest and all(row.problem != NOT_ASKED for row in fleet.rows()):
            break
    fleet.stop()
    rows = sort_rows(sort_rows(fleet.rows(), COLUMNS[0], reverse=False), COLUMNS[STATE_COLUMN], reverse=True)
    if form is Form.TEXT:
        _print_table(rows)
    else:
        from neuron_top.model.fleet_export import as_csv, as_json

        sys.stdout.write(as_csv(rows) if form is Form.CSV else as_json(rows))
    return any(not row.problem for row in rows)


def _known(row: NodeRow, again: float) -> bool:
    """Whether a node failed, or answered for the second time."""
    if row.problem:
        return row.problem != NOT_ASKED
    return row.answered_at is not None and row.answered_at >= again


def _print_table(rows: Sequence[NodeRow]) -> None:
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

"""Convert snapshots to printed text."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from typing import NamedTuple

from neuron_console.text import colour_wanted
from neuron_ls.table import render_table
from neuron_ls.topology_view import render_topology
from neuron_ls.watchers import Watcher
from runtime_core.telemetry import NodeNotFoundError, Snapshot, open_source


class View(NamedTuple):
    """The selected output."""

    wide: bool = False
    show_all: bool = False
    topology: bool = False
    as_json: bool = False


def render(
    snapshot: Snapshot,
    view: View,
    watchers: tuple[Watcher, ...] = (),
    *,
    pods: Mapping[int, str] | None = None,
    bold: bool = False,
) -> str:
    """Return the text for one snapshot; ``pods``: global core index -> the pod that holds it, if a kubelet runs."""
    if view.as_json:
        from neuron_ls.report import render_json

        return render_json(snapshot, watchers)
    text = render_table(snapshot, watchers, pods=pods, wide=view.wide, bold=bold)
    return f"{text}\n{render_topology(snapshot)}" if view.topology else text


def _pods(snapshot: Snapshot) -> Mapping[int, str] | None:
    """Return the pods that hold the cores; ``None`` without a kubelet."""
    from runtime_core.telemetry.kubelet.pods import pods_by_core, read_holdings

    holdings = read_holdings()
    return None if holdings is None else pods_by_core(holdings, snapshot)


def show(view: View, source_name: str | None, watch_seconds: float | None) -> None:
    """Print the node once, or repeatedly.

    Raises:
        NodeNotFoundError: the node has no device.
    """
    source = open_source(source_name)
    bold = colour_wanted()
    clears = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    deadline = time.monotonic()
    while True:
        snapshot = source.snapshot()
        if not snapshot.devices:
            raise NodeNotFoundError(f"no Neuron Device found in {source.name}")
        watchers: tuple[Watcher, ...] = ()
        if view.show_all:
            from neuron_ls.watchers import find_watchers

            watchers = find_watchers(snapshot)
        pods = _pods(snapshot) if view.wide and not view.as_json else None
        text = render(snapshot, view, watchers, pods=pods, bold=bold)
        if watch_seconds is None:
            print(text)
            return
        # On a terminal, each list replaces the previous one.
        print(f"\x1b[2J\x1b[H{text}" if clears else text, flush=True)
        deadline += watch_seconds
        time.sleep(max(0.0, deadline - time.monotonic()))

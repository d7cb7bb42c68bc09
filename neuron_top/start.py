"""Runs what the command line requests."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuron_top.glyphs import ASCII, Glyphs, cleaner, terminal_glyphs
from runtime_core.telemetry import NodeError, Source, UsageError, open_source

if TYPE_CHECKING:
    from neuron_top.remote.prometheus import Prometheus

_NODE_SECONDS = 1.0
_FLEET_SECONDS = 5.0


# Hundreds of looks are kept in records without cycles, which the garbage collector would traverse again and again.
_GC_THRESHOLDS = (50_000, 50, 1000)


class Wish(NamedTuple):
    """The command line.

    Attributes:
        interval_seconds: ``None`` for what suits one node or a fleet.
        names: neuron-rtd addresses, or with ``remote`` more nodes.
        remote, hostfile: the nodes of a fleet; one of this machine is watched when there are none.
        replay: a recording to show instead.
        read_only: no signals, and no files are written.
        discovery: service discoveries that name nodes of a fleet.
        prometheus: a server whose targets are nodes of a fleet.
        csv, json: with ``once``: the fleet in this form.
    """

    interval_seconds: float | None
    once: bool
    source: str | None
    view: str | None
    plain: bool
    names: tuple[str, ...]
    remote: tuple[str, ...]
    hostfile: Path | None
    replay: Path | None = None
    read_only: bool = False
    discovery: tuple[str, ...] = ()
    prometheus: str | None = None
    csv: bool = False
    json: bool = False

    @property
    def fleet(self) -> bool:
        """Whether nodes are watched over the network."""
        return bool(self.remote or self.discovery) or self.hostfile is not None or self.prometheus is not None


def start(wish: Wish) -> None:
    """Watch the requested node or fleet until the user quits, and save the settings.

    Raises:
        UsageError: the options exclude each other, or an address is invalid.
        NodeError: with ``once``: there is no node.
    """
    gc.set_threshold(*_GC_THRESHOLDS)
    glyphs = ASCII if wish.plain else terminal_glyphs()
    if wish.csv or wish.json:
        _check_form(wish)
    if wish.once and wish.view is not None:
        raise UsageError("--once prints the overview, and --view is a view of the screen", mend="omit one of them")
    recording = _recording_path(wish)
    if recording is not None:
        if wish.names or wish.fleet or (wish.replay is not None and wish.source is not None):
            raise UsageError(
                "a recording is shown alone, without nodes, addresses or another source", mend="use only one of them"
            )
        _recording(wish, recording, glyphs)
        return
    if not wish.fleet:
        _node(wish, glyphs)
        return
    if wish.source is not None:
        raise UsageError(
            "--source reads this machine's node, --remote, --hostfile, --sd and --prometheus others",
            mend="give only one of them",
        )
    _fleet(wish, glyphs)


def _check_terminal() -> None:
    """Refuse to run without a terminal: Textual would read the end of the input in a loop, and take a whole core."""
    # A page of --serve has a driver of its own instead of a terminal.
    if "TEXTUAL_DRIVER" not in os.environ and not (sys.stdin is not None and sys.stdin.isatty()):
        raise UsageError("the screen needs a terminal as standard input", mend="use --once to print one frame")


def _recording_path(wish: Wish) -> Path | None:
    """The recording of ``--replay`` or ``--source replay:FILE``; ``$NEURON_SOURCE`` holds only for a single node."""
    if wish.replay is not None:
        return wish.replay
    spec = wish.source or ("" if wish.fleet else os.environ.get("NEURON_SOURCE", ""))
    path = spec.removeprefix("replay:")
    return Path(path) if path and path != spec else None


def _check_form(wish: Wish) -> None:
    if wish.csv and wish.json:
        raise UsageError("--csv and --json exclude each other", mend="use one of them")
    if not wish.once:
        raise UsageError("--csv and --json print one table", mend="add --once")
    if not wish.fleet:
        raise UsageError(
            "--csv and --json print the table of many nodes", mend="for this node, use neuron-monitor --once"
        )


def _source(wish: Wish) -> Source:
    from neuron_top.rtd import RtdSource, watched_addresses

    addresses = watched_addresses(wish.names)
    source = open_source(wish.source)
    return RtdSource(source, addresses) if addresses else source


def _node(wish: Wish, glyphs: Glyphs) -> None:
    source = _source(wish)
    interval_seconds = wish.interval_seconds or _NODE_SECONDS
    if wish.once:
        from neuron_top.once import print_once

        print_once(source, interval_seconds, glyphs)
        return
    _check_terminal()
    from neuron_top.app import NeuronTop
    from neuron_top.looks import SourceLook
    from neuron_top.pods import PodWatch
    from neuron_top.settings import load_settings, save_settings, settings_path

    path = settings_path()
    settings = load_settings(path)
    if wish.view is not None:
        settings = settings._replace(view=wish.view)
    look = SourceLook(source, cleaner(glyphs), None if source.name.startswith("replay:") else PodWatch())
    left = NeuronTop(look, interval_seconds, settings, glyphs, read_only=wish.read_only).run()
    if left is not None and not wish.read_only:
        save_settings(path, left)


def _recording(wish: Wish, path: Path, glyphs: Glyphs) -> None:
    interval_seconds = wish.interval_seconds or _NODE_SECONDS
    if wish.once:
        from neuron_top.once import print_once

        print_once(open_source(f"replay:{path}"), interval_seconds, glyphs)
        return
    _check_terminal()
    from neuron_top.replay import ReplayLook, ReplayTop
    from neuron_top.settings import load_settings, save_settings, settings_path

    settings_file = settings_path()
    settings = load_settings(settings_file)
    if wish.view is not None:
        settings = settings._replace(view=wish.view)
    look = ReplayLook(path, cleaner(glyphs))
    left = ReplayTop(look, interval_seconds, settings, glyphs, read_only=wish.read_only).run()
    if left is not None and not wish.read_only:
        save_settings(settings_file, left)


def _fleet(wish: Wish, glyphs: Glyphs) -> None:
    from neuron_top.remote.client import Client
    from neuron_top.remote.endpoint import distinct, gather_endpoints
    from neuron_top.remote.fleet import Fleet

    client = Client()
    endpoints = gather_endpoints((*wish.remote, *wish.names), wish.hostfile)
    for discovery in wish.discovery:
        from neuron_top.remote.discovery import read_discovery

        endpoints += read_discovery(discovery, client)
    prometheus: Prometheus | None = None
    if wish.prometheus is not None:
        from neuron_top.remote.prometheus import Prometheus

        prometheus = Prometheus(wish.prometheus, client)
        endpoints += prometheus.targets()
    fleet = Fleet(distinct(endpoints), wish.interval_seconds or _FLEET_SECONDS, cleaner(glyphs))
    if wish.once:
        from neuron_top.remote.once import Form, print_fleet

        form = Form.CSV if wish.csv else Form.JSON if wish.json else Form.TEXT
        if not print_fleet(fleet, form):
            raise NodeError("no node answers", mend="start neuron-monitor --prometheus there, or check the addresses")
        return
    _check_terminal()
    from neuron_top.app import FleetTop
    from neuron_top.settings import load_settings, save_settings, settings_path

    path = settings_path()
    settings = load_settings(path)
    if wish.view is not None:
        settings = settings._replace(view=wish.view)
    left = FleetTop(fleet, settings, glyphs, read_only=wish.read_only, prometheus=prometheus).run()
    if left is not None and not wish.read_only:
        save_settings(path, left)

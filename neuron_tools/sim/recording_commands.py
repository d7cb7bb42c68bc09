"""``neuron-sim record`` and ``neuron-sim replay``."""

from __future__ import annotations

import datetime
import json
import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from neuron_console.units import rounded
from neuron_tools.sim.progress import live_line
from runtime_core.driver.paths import node_root
from runtime_core.errors import NodeError, UsageError
from runtime_core.telemetry import Source, open_source
from runtime_core.telemetry.recording import Recording, RecordingWriter
from runtime_core.telemetry.recording.node import start_replay


class RecordPlan(NamedTuple):
    """A recording to make. ``seconds`` 0: until a signal; ``host``: also the host's figures."""

    path: Path
    source: str | None
    interval_seconds: float
    seconds: float
    overwrite: bool
    host: bool


def record(plan: RecordPlan, *, as_json: bool) -> str:
    """Record until the time is up or a signal arrives; returns a summary.

    While the node is missing, the recording has a gap.

    Raises:
        NeuronError: the node is missing at the start, or the file cannot be written.
    """
    source = open_source(plan.source)
    source.snapshot()
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        writer = RecordingWriter(
            plan.path, source=source.name, interval_seconds=plan.interval_seconds, overwrite=plan.overwrite
        )
        try:
            missed = _follow(source, writer, plan, stopped)
        finally:
            writer.close()
    finally:
        source.close()
        for number, handler in previous.items():
            signal.signal(number, handler)
    facts = {
        "file": str(plan.path),
        "snapshots": writer.snapshots,
        "missed": missed,
        "bytes": writer.bytes_written,
        "bytes_per_snapshot": round(writer.bytes_written / max(1, writer.snapshots)),
    }
    if as_json:
        return json.dumps(rounded(facts))
    gaps = f", {missed} times without a node" if missed else ""
    return f"{plan.path}: {writer.snapshots} snapshots, {writer.bytes_written} bytes{gaps}"


def _follow(source: Source, writer: RecordingWriter, plan: RecordPlan, stopped: threading.Event) -> int:
    """Take a snapshot per interval, counted from the start; returns how often the node was missing."""
    started = time.monotonic()
    missed = number = 0
    with live_line(f"recording {source.name}") as tell:
        while not stopped.is_set():
            try:
                writer.add(source.snapshot(host=plan.host))
            except NodeError:
                missed += 1
            tell(f"{writer.snapshots} snapshots, {writer.bytes_written / 1e6:.2f} MB")
            # Late snapshots are omitted.
            number = max(number + 1, int((time.monotonic() - started) / plan.interval_seconds))
            due = number * plan.interval_seconds
            if plan.seconds and due > plan.seconds:
                break
            stopped.wait(max(0.0, started + due - time.monotonic()))
    return missed


def parse_moment(text: str, recording: Recording) -> float:
    """Parse a time in a recording: ``90``, ``1:30``, ``1:01:30``, or a time in UTC like ``2026-11-21T14:00:00``.

    Returns:
        Seconds since the start of the recording.

    Raises:
        UsageError: it is malformed, or not within the recording.
    """
    try:
        if "T" in text:
            moment = datetime.datetime.fromisoformat(text)
            if moment.tzinfo is None:
                moment = moment.replace(tzinfo=datetime.UTC)
            seconds = moment.timestamp() - recording.times_ns[0] / 1e9
        else:
            seconds = 0.0
            for part in text.split(":"):
                seconds = seconds * 60 + float(part)
    except ValueError:
        raise UsageError(
            "expected seconds, MM:SS, HH:MM:SS or a time like 2026-11-21T14:00:00", where=f"--seek {text}"
        ) from None
    if not 0 <= seconds <= recording.seconds:
        first, last = (_clock(t) for t in (recording.times_ns[0], recording.times_ns[-1]))
        raise UsageError(
            f"--seek {text} is not in the recording: it holds {recording.seconds:.0f} s, {first} to {last}"
        )
    return seconds


def _clock(time_ns: int) -> str:
    return datetime.datetime.fromtimestamp(time_ns / 1e9, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def replay(path: Path, speed: float, seek: str | None, *, as_json: bool) -> str:
    """Replay a recording as the node; returns a summary.

    Raises:
        UsageError: an invalid time.
        NeuronError: the file is not a recording, or a simulated node exists.
    """
    recording = Recording(path)
    seconds = 0.0 if seek is None else parse_moment(seek, recording)
    start_replay(node_root(), path, speed=speed, seek_seconds=seconds)
    if recording.damage:
        print(f"neuron-sim: {path}: {recording.damage}; the part before it is shown", file=sys.stderr)
    facts = {
        "root": str(node_root()),
        "recording": str(path),
        "recorded_from": recording.header.source,
        "snapshots": len(recording),
        "first": _clock(recording.times_ns[0]),
        "last": _clock(recording.times_ns[-1]),
        "seek_seconds": seconds,
        "speed": speed,
        "ends_in_seconds": round((recording.seconds - seconds) / speed, 3),
    }
    recording.close()
    if as_json:
        return json.dumps(rounded(facts))
    return (
        f"{facts['root']} shows {path} ({facts['snapshots']} snapshots of {facts['recorded_from']}, "
        f"{facts['first']} to {facts['last']}) from {seconds:g} s on, at {speed:g} times its speed, "
        f"for {facts['ends_in_seconds']:g} s"
    )

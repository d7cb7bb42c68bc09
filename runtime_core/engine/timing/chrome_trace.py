"""Encode a timeline as Chrome's trace event JSON, for Perfetto (ui.perfetto.dev) and chrome://tracing."""

from __future__ import annotations

import msgspec

from runtime_core.engine.timing.timeline import Timeline, Track

_HOST_PID = 1


def _process(track: Track) -> tuple[int, str]:
    if track.device is None:
        return _HOST_PID, "Host"
    return _HOST_PID + 1 + track.device, f"Neuron Device {track.device}"


def _thread(track: Track) -> str:
    return track.lane if track.core is None else f"NC{track.core} {track.lane}"


def chrome_trace(timeline: Timeline) -> bytes:
    """Return the timeline in the JSON object format: events in microseconds, with names of processes and threads."""
    return encode_trace(timeline.model, trace_events(timeline))


def encode_trace(model: str, events: list[dict[str, object]]) -> bytes:
    """Return the content of a file with these events."""
    return msgspec.json.encode({"displayTimeUnit": "ns", "otherData": {"model": model}, "traceEvents": events})


def trace_events(timeline: Timeline) -> list[dict[str, object]]:
    """Return the timeline's events in microseconds, with names of processes and threads."""
    tracks = sorted({span.track for span in timeline.spans}, key=lambda t: (_process(t)[0], _thread(t)))
    threads = {track: number for number, track in enumerate(tracks, 1)}
    events: list[dict[str, object]] = []
    for pid, name in sorted({_process(track) for track in tracks}):
        events.append({"ph": "M", "pid": pid, "name": "process_name", "args": {"name": name}})
        events.append({"ph": "M", "pid": pid, "name": "process_sort_index", "args": {"sort_index": pid}})
    for track, tid in threads.items():
        names = {"pid": _process(track)[0], "tid": tid}
        events.append({"ph": "M", **names, "name": "thread_name", "args": {"name": _thread(track)}})
    for span in timeline.spans:
        details: dict[str, object] = {"operator": span.operator, "bound": span.bound.value}
        if span.flops:
            details["flops"] = span.flops
        if span.size_bytes:
            details["bytes"] = span.size_bytes
        events.append(
            {
                "ph": "X",
                "pid": _process(span.track)[0],
                "tid": threads[span.track],
                "ts": span.start_ns / 1000,
                "dur": span.duration_ns / 1000,
                "name": span.name,
                "cat": span.bound.value,
                "args": details,
            }
        )
    return events

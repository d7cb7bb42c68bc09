"""Write a timeline as a TensorBoard profile: an XSpace at the path that the plugin reads."""

from __future__ import annotations

from pathlib import Path

from neuron_tools.profile.xplane_pb2 import XPlane, XSpace
from runtime_core.engine.timing.timeline import Span, Timeline, Track

_HOST_PLANE = "/host:CPU"
"""Name of the host's plane in the plugin."""
_DEVICE_PLANES = "/device:CUSTOM:"
"""Prefix of the names of device planes in the plugin."""
_PICOSECONDS = 1000
_STATS = ("operator", "bound", "flops", "bytes")


def profile_path(log_folder: Path, run: str, host: str) -> Path:
    """Return the path that TensorBoard's profile plugin reads: ``LOGDIR/plugins/profile/RUN/HOST.xplane.pb``."""
    return log_folder / "plugins" / "profile" / run / f"{host}.xplane.pb"


def xspace(timeline: Timeline) -> bytes:
    """Return the serialised XSpace: a plane for the host and for each device, with a line per track."""
    space = XSpace(hostnames=["neuron-sim"])
    devices = sorted({span.track.device for span in timeline.spans}, key=lambda d: -1 if d is None else d)
    for number, device in enumerate(devices, 1):
        plane = space.planes.add(
            id=number, name=_HOST_PLANE if device is None else f"{_DEVICE_PLANES}Neuron Device {device}"
        )
        for stat_id, name in enumerate(_STATS, 1):
            plane.stat_metadata[stat_id].id = stat_id
            plane.stat_metadata[stat_id].name = name
        spans = [span for span in timeline.spans if span.track.device == device]
        tracks = sorted({span.track for span in spans}, key=_line_name)
        names = {name: i for i, name in enumerate(dict.fromkeys(span.name for span in spans), 1)}
        for name, event_id in names.items():
            plane.event_metadata[event_id].id = event_id
            plane.event_metadata[event_id].name = name
        for line_id, track in enumerate(tracks, 1):
            _add_line(plane, line_id, track, [s for s in spans if s.track == track], names, timeline.total_ns)
    return space.SerializeToString(deterministic=True)


def _line_name(track: Track) -> str:
    return track.lane if track.core is None else f"NC{track.core} {track.lane}"


def _add_line(
    plane: XPlane, line_id: int, track: Track, spans: list[Span], names: dict[str, int], total_ns: int
) -> None:
    line = plane.lines.add(id=line_id, name=_line_name(track), duration_ps=total_ns * _PICOSECONDS)
    for span in spans:
        event = line.events.add(
            metadata_id=names[span.name],
            offset_ps=span.start_ns * _PICOSECONDS,
            duration_ps=span.duration_ns * _PICOSECONDS,
        )
        event.stats.add(metadata_id=1, str_value=span.operator)
        event.stats.add(metadata_id=2, str_value=span.bound.value)
        if span.flops:
            event.stats.add(metadata_id=3, uint64_value=span.flops)
        if span.size_bytes:
            event.stats.add(metadata_id=4, uint64_value=span.size_bytes)

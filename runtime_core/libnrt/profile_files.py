"""Write profiles and traces to files."""

from __future__ import annotations

from pathlib import Path

from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.timing.chrome_trace import encode_trace, trace_events
from runtime_core.engine.timing.timeline import timeline_of
from runtime_core.files import write_atomically
from runtime_core.instance import INSTANCE_TYPES
from runtime_core.libnrt.events import Event
from runtime_core.libnrt.refusal import CallError
from runtime_core.status import NrtStatus

_SIZE = INSTANCE_TYPES["inf1.24xlarge"]
"""A size with enough cores for any model; all sizes have the same chips and links."""

_CALLS_PID = 1000
"""Process id of the calls in the trace, after those of host and devices."""


def model_profile(model: LoadedModel, calls: list[Event]) -> bytes:
    """Return Chrome trace events: the modelled timeline of one execution, and the calls as measured."""
    events = trace_events(timeline_of(model.graph, _SIZE, model.cores))
    events.append({"ph": "M", "pid": _CALLS_PID, "name": "process_name", "args": {"name": "Calls, as measured"}})
    first_ns = calls[0].start_ns if calls else 0
    for call in calls:
        events.append(
            {
                "ph": "X",
                "pid": _CALLS_PID,
                "tid": call.thread_id,
                "ts": (call.start_ns - first_ns) / 1000,
                "dur": call.duration_ns / 1000,
                "name": call.event_type,
                "cat": "call",
                "args": {"status": call.status, "nc_idx": call.nc_idx},
            }
        )
    return encode_trace(model.graph.name, events)


def write(path: Path, content: bytes) -> None:
    """Write a file; its directory is created if it is missing.

    Raises:
        CallError: FAILURE, with the name of the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, content, mode=None)
    except OSError as error:
        raise CallError(NrtStatus.FAILURE, f"{error.strerror}", where=str(path)) from error

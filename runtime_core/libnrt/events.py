"""Records of calls for traces and profiles, kept per NeuronCore up to a limit."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import NamedTuple

import msgspec

from runtime_core.engine.execution import LoadedModel
from runtime_core.libnrt import session
from runtime_core.nrt import Tensor

FORMAT = "neuron-sim-sys-trace-1"
DEFAULT_MAX_EVENTS = 10_000
"""Limit per NeuronCore."""

EXECUTION_TYPES = ("nrt_execute", "nrt_execute_repeat", "nrta_execute_schedule")
MODEL_TYPES = ("nrt_load", "nrt_load_collectives", "nrt_unload")
TENSOR_TYPES = (
    "nrt_tensor_allocate", "nrt_tensor_free", "nrt_tensor_read", "nrt_tensor_write", "nrt_tensor_copy",
    "nrta_tensor_read", "nrta_tensor_write", "nrta_tensor_copy",
)  # fmt: skip
EVENT_TYPES = (*MODEL_TYPES, *EXECUTION_TYPES, *TENSOR_TYPES)
"""The calls that are recorded; the type of an event is the name of the call."""

_NO_CORE = -1


class Event(NamedTuple):
    """One call.

    Attributes:
        event_type: name of the call.
        nc_idx: the process's index of the core that the call uses; -1 for none.
        model_id: id of the model that the call uses; -1 for none.
        start_ns: CLOCK_MONOTONIC time.
        duration_ns: time until the call returned.
        thread_id: the kernel's id of the calling thread.
        status: status returned by the call.
    """

    event_type: str
    nc_idx: int
    model_id: int
    start_ns: int
    duration_ns: int
    thread_id: int
    status: int


class Recorder:
    """Keeps the newest events of each core."""

    def __init__(
        self,
        types: Iterable[str] = EVENT_TYPES,
        *,
        max_events: int = DEFAULT_MAX_EVENTS,
        without_cores: Iterable[int] = (),
        model_id: int | None = None,
    ) -> None:
        """Create a recorder, optionally limited to some types, to one model, or to cores not in ``without_cores``."""
        self._types = frozenset(types)
        self._without = frozenset(without_cores)
        self._model_id = model_id
        self._max_events = max_events
        self._events: dict[int, deque[Event]] = {}
        self._guard = threading.Lock()

    def add(self, event: Event) -> None:
        """Add an event, if it is selected."""
        if event.event_type not in self._types or event.nc_idx in self._without:
            return
        if self._model_id is not None and event.model_id != self._model_id:
            return
        with self._guard:
            self._events.setdefault(event.nc_idx, deque(maxlen=self._max_events)).append(event)

    def fetch(self, nc_idx: int | None = None, max_events: int | None = None) -> list[Event]:
        """Remove and return events, sorted by start: those of one core or of all, at most ``max_events`` per core."""
        taken: list[Event] = []
        with self._guard:
            for core, events in self._events.items():
                if nc_idx is None or core == nc_idx:
                    count = len(events) if max_events is None else min(max_events, len(events))
                    taken += [events.popleft() for _ in range(count)]
        return sorted(taken, key=lambda event: event.start_ns)


def as_json(events: list[Event]) -> bytes:
    """Return events as one JSON object with the name of the format."""
    return msgspec.json.encode({"format": FORMAT, "events": [event._asdict() for event in events]})


_active: tuple[Recorder, ...] = ()


def start(recorder: Recorder) -> None:
    """Pass every event to the recorder from now on."""
    global _active
    _active = (*_active, recorder)


def stop(recorder: Recorder) -> None:
    """Pass no more events to the recorder, which keeps its events."""
    global _active
    _active = tuple(r for r in _active if r is not recorder)


def _subject(handle: object) -> tuple[int, int]:
    """Return core index and model id of the model or tensor behind a handle."""
    found = session.handles.peek(handle) if isinstance(handle, int) else None
    try:
        if isinstance(found, LoadedModel):
            return session.core_index(found.cores[0]), found.model_id
        if isinstance(found, Tensor) and found.core is not None:
            return session.core_index(found.core), -1
    except (ValueError, LookupError):
        pass
    return _NO_CORE, -1


def recorded(
    name: str, call: Callable[..., int | None], status_of: Callable[[BaseException], int]
) -> Callable[..., int | None]:
    """Return the call wrapped for the recorders; without recorders, the overhead is one check."""

    def seen(*arguments: object) -> int | None:
        if not _active:
            return call(*arguments)
        core, model_id = _subject(arguments[0])
        started_ns = time.monotonic_ns()
        status = 0
        try:
            result = call(*arguments)
            status = result or 0
        except BaseException as error:
            status = status_of(error)
            raise
        finally:
            ended_ns = time.monotonic_ns()
            event = Event(
                name, core, model_id, started_ns, ended_ns - started_ns, threading.get_native_id(), int(status)
            )
            for recorder in _active:
                recorder.add(event)
        return result

    return seen


def _forget() -> None:
    global _active
    _active = ()


session.at_fork(_forget)

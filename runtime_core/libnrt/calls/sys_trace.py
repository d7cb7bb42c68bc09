"""The system trace: calls as events in JSON. The published headers specify neither events nor format; both are ours."""

from __future__ import annotations

from runtime_core.libnrt import abi, events, session
from runtime_core.libnrt.abi import OK, CData, require, text
from runtime_core.libnrt.events import EVENT_TYPES, Recorder
from runtime_core.libnrt.lists import give_list
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.status import NrtStatus


class TraceConfig:
    """Selection of the events of a system trace."""

    def __init__(self) -> None:
        """The defaults."""
        self.set_defaults()

    def set_defaults(self) -> None:
        """Select every type and every core."""
        self.types = set(EVENT_TYPES)
        self.without_cores: set[int] = set()
        self.max_events = events.DEFAULT_MAX_EVENTS

    def enable_type(self, name: str, enabled: bool) -> None:
        """Enable or disable a type of events.

        Raises:
            CallError: INVALID for an unknown type.
        """
        if name not in EVENT_TYPES:
            raise CallError(NrtStatus.INVALID, f"unknown event type {name!r}: expected one of {', '.join(EVENT_TYPES)}")
        (self.types.add if enabled else self.types.discard)(name)

    def enable_core(self, core: int, enabled: bool) -> None:
        """Enable or disable the events of a core."""
        (self.without_cores.discard if enabled else self.without_cores.add)(core)

    def recorder(self) -> Recorder:
        """Return a recorder for the selected events."""
        return Recorder(self.types, max_events=self.max_events, without_cores=self.without_cores)


class FetchOptions:
    """Selection of the events to fetch; ``None``: all."""

    def __init__(self) -> None:
        """All."""
        self.core: int | None = None
        self.max_events: int | None = None


_recorder: Recorder | None = None
_running = False


def _config(handle: int) -> TraceConfig:
    return session.options.find(handle, TraceConfig)


@status_call
def nrt_sys_trace_config_allocate(options: CData) -> int:
    require(options, "options")
    options[0] = session.options.add(TraceConfig())
    return OK


@plain_call
def nrt_sys_trace_config_set_defaults(options: int) -> None:
    _config(options).set_defaults()


@plain_call
def nrt_sys_trace_config_free(options: int) -> None:
    if options:
        session.options.take(options, TraceConfig)


@plain_call
def nrt_sys_trace_config_set_max_events_per_nc(options: int, max_events_per_nc: int) -> None:
    _config(options).max_events = min(max_events_per_nc, 1 << 24)


@plain_call
def nrt_sys_trace_config_set_capture_enabled_for_nc(options: int, nc_idx: int, enabled: bool) -> None:
    _config(options).enable_core(nc_idx, enabled)


@status_call
def nrt_sys_trace_config_set_capture_enabled_for_event_type(options: int, event_type: CData, enabled: bool) -> int:
    _config(options).enable_type(text(event_type, "event_type"), enabled)
    return OK


@status_call
def nrt_sys_trace_config_get_enabled_event_types(options: int, event_types: CData, count: CData) -> int:
    enabled = _config(options).types
    give_list([name for name in EVENT_TYPES if name in enabled], event_types, count)
    return OK


@status_call
def nrt_sys_trace_get_event_types(event_types: CData, count: CData) -> int:
    give_list(EVENT_TYPES, event_types, count)
    return OK


@plain_call
def nrt_sys_trace_free_event_types(event_types: CData, count: int) -> None:
    if event_types:
        session.give_back(event_types)


@status_call
def nrt_sys_trace_start(options: int) -> int:
    global _recorder, _running
    session.runtime()
    config = _config(options) if options else TraceConfig()
    with session.guard:
        if _running:
            raise CallError(NrtStatus.INVALID, "a system trace is running", mend="call nrt_sys_trace_stop first")
        _recorder, _running = config.recorder(), True
        events.start(_recorder)
    return OK


@status_call
def nrt_sys_trace_stop() -> int:
    session.runtime()
    if not _running:
        raise CallError(NrtStatus.INVALID, "no system trace is running")
    _stop()
    return OK


def _stop() -> None:
    global _running
    with session.guard:
        if _recorder is not None:
            events.stop(_recorder)
        _running = False


@status_call
def nrt_sys_trace_fetch_options_allocate(options: CData) -> int:
    require(options, "options")
    options[0] = session.options.add(FetchOptions())
    return OK


@plain_call
def nrt_sys_trace_fetch_options_set_defaults(options: int) -> None:
    found = session.options.find(options, FetchOptions)
    found.core = found.max_events = None


@plain_call
def nrt_sys_trace_fetch_options_free(options: int) -> None:
    if options:
        session.options.take(options, FetchOptions)


@plain_call
def nrt_sys_trace_fetch_options_set_max_events_per_nc(options: int, max_events_per_nc: int) -> None:
    session.options.find(options, FetchOptions).max_events = max_events_per_nc


@plain_call
def nrt_sys_trace_fetch_options_set_nc_idx(options: int, nc_idx: int) -> None:
    session.options.find(options, FetchOptions).core = nc_idx


@status_call
def nrt_sys_trace_fetch_events(buffer: CData, written_size: CData, options: int) -> int:
    session.runtime()
    require(buffer, "buffer")
    chosen = session.options.find(options, FetchOptions) if options else FetchOptions()
    if _recorder is None:
        raise CallError(NrtStatus.INVALID, "no system trace was started")
    encoded = events.as_json(_recorder.fetch(chosen.core, chosen.max_events))
    buffer[0] = session.lend(abi.ffi.new("char[]", encoded))
    if written_size:
        written_size[0] = len(encoded)
    return OK


@plain_call
def nrt_sys_trace_buffer_free(buffer: CData) -> None:
    if buffer:
        session.give_back(buffer)


def _close() -> None:
    global _recorder
    _stop()
    _recorder = None


def _forget() -> None:
    global _recorder, _running
    _recorder, _running = None, False


session.at_close(_close)
session.at_fork(_forget)

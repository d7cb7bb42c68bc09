"""Inspection: the system trace and a profile of each model, written to a directory when the inspection stops."""

from __future__ import annotations

import os
import resource
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime_core import nrt
from runtime_core.libnrt import events, profile_files, session
from runtime_core.libnrt.abi import OK, CData, require, text
from runtime_core.libnrt.calls.profiling import DEFAULT_OUTPUT_DIR
from runtime_core.libnrt.calls.sys_trace import TraceConfig
from runtime_core.libnrt.events import EXECUTION_TYPES, Recorder
from runtime_core.libnrt.lists import give_list
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import plain_call, status_call
from runtime_core.nrt.config import read_flag
from runtime_core.status import NrtStatus

ACTIVITIES = ("system_profile", "device_profile", "host_memory", "cpu_util")
_ALL = "all"


class InspectConfig:
    """Activities to record in an inspection, and the output directory."""

    def __init__(self) -> None:
        """The defaults."""
        self.set_defaults()

    def set_defaults(self) -> None:
        """Enable system and device profiles, with output to ``./output``."""
        self.trace = TraceConfig()
        self.output_dir = DEFAULT_OUTPUT_DIR
        self.session_id = 0
        self.enabled = True
        self.on_fail = False
        self.activities = {"system_profile", "device_profile"}

    def read_environment(self) -> None:
        """Override the defaults with NEURON_RT_INSPECT_*.

        Raises:
            NrtError: INVALID; names the variable.
        """
        self.output_dir = os.environ.get("NEURON_RT_INSPECT_OUTPUT_DIR") or self.output_dir
        for activity in ("system_profile", "device_profile"):
            variable = f"NEURON_RT_INSPECT_{activity.upper()}"
            self.set_activity(activity, read_flag(os.environ, variable, default=True))
        self.on_fail = read_flag(os.environ, "NEURON_RT_INSPECT_ON_FAIL", default=False)

    def set_activity(self, name: str, enabled: bool) -> None:
        """Enable or disable an activity, or ``all``.

        Raises:
            CallError: INVALID for an unknown activity.
        """
        if name not in (*ACTIVITIES, _ALL):
            raise CallError(NrtStatus.INVALID, f"unknown activity {name!r}: expected {', '.join(ACTIVITIES)} or all")
        names = set(ACTIVITIES) if name == _ALL else {name}
        self.activities = self.activities | names if enabled else self.activities - names


class Inspection(NamedTuple):
    """A running inspection."""

    output_dir: Path
    session_id: int
    on_fail: bool
    activities: frozenset[str]
    recorder: Recorder


_running: Inspection | None = None


def _config(handle: int) -> InspectConfig:
    return session.options.find(handle, InspectConfig)


def begin(config: InspectConfig) -> int:
    """Begin an inspection.

    Raises:
        NrtError: INVALID if one is running.
    """
    global _running
    session.runtime()
    with session.guard:
        if _running is not None:
            raise CallError(NrtStatus.INVALID, "an inspection is running", mend="call nrt_inspect_stop first")
        if not config.enabled:
            return OK
        recorder = config.trace.recorder()
        _running = Inspection(
            Path(config.output_dir), config.session_id, config.on_fail, frozenset(config.activities), recorder
        )
        events.start(recorder)
    return OK


def asked_for() -> InspectConfig | None:
    """Return the inspection that the environment requests at nrt_init by NEURON_RT_INSPECT_ENABLE.

    Raises:
        NrtError: INVALID; names the variable.
    """
    if not read_flag(os.environ, "NEURON_RT_INSPECT_ENABLE", default=False):
        return None
    config = InspectConfig()
    config.read_environment()
    return config


@status_call
def nrt_inspect_begin() -> int:
    session.runtime()
    config = InspectConfig()
    config.read_environment()
    return begin(config)


@status_call
def nrt_inspect_begin_with_options(options: int) -> int:
    session.runtime()
    return begin(_config(options) if options else InspectConfig())


@status_call
def nrt_inspect_stop() -> int:
    session.runtime()
    if _running is None:
        raise CallError(NrtStatus.INVALID, "no inspection is running", mend="call nrt_inspect_begin first")
    _finish()
    return OK


def _finish() -> None:
    global _running
    with session.guard:
        inspection, _running = _running, None
    if inspection is None:
        return
    events.stop(inspection.recorder)
    calls = inspection.recorder.fetch()
    if inspection.on_fail and not any(call.status for call in calls):
        return
    folder = inspection.output_dir / f"session_{inspection.session_id}_pid_{os.getpid()}"
    if "system_profile" in inspection.activities:
        profile_files.write(folder / "system_profile.json", events.as_json(calls))
    if "device_profile" in inspection.activities:
        for model in nrt.current().models:
            mine = [c for c in calls if c.model_id == model.model_id and c.event_type in EXECUTION_TYPES]
            name = f"device_profile_model_{model.model_id}.trace.json"
            profile_files.write(folder / name, profile_files.model_profile(model, mine))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    host = {
        "host_memory": {"peak_resident_bytes": usage.ru_maxrss * 1024},
        "cpu_util": {"user_seconds": usage.ru_utime, "system_seconds": usage.ru_stime},
    }
    for activity in inspection.activities & host.keys():
        profile_files.write(folder / f"{activity}.json", msgspec.json.encode(host[activity]))


@status_call
def nrt_inspect_config_allocate(options: CData) -> int:
    require(options, "options")
    options[0] = session.options.add(InspectConfig())
    return OK


@status_call
def nrt_inspect_config_set_defaults(options: int) -> int:
    _config(options).set_defaults()
    return OK


@status_call
def nrt_inspect_config_free(options: int) -> int:
    session.options.take(options, InspectConfig)
    return OK


@status_call
def nrt_inspect_config_set_session_id(options: int, session_id: int) -> int:
    _config(options).session_id = session_id
    return OK


@status_call
def nrt_inspect_config_set_output_dir(options: int, output_dir: CData) -> int:
    _config(options).output_dir = text(output_dir, "output_dir")
    return OK


@status_call
def nrt_inspect_config_set_sys_trace_max_events_per_nc(options: int, max_events_per_nc: int) -> int:
    _config(options).trace.max_events = min(max_events_per_nc, 1 << 24)
    return OK


@status_call
def nrt_inspect_config_set_capture_enabled_for_nc(options: int, nc_idx: int, enabled: bool) -> int:
    _config(options).trace.enable_core(nc_idx, enabled)
    return OK


@status_call
def nrt_inspect_config_set_capture_enabled_for_event_type_string(options: int, event_type: CData, enabled: bool) -> int:
    _config(options).trace.enable_type(text(event_type, "event_type"), enabled)
    return OK


@status_call
def nrt_inspect_config_set_enable_inspect(options: int, enable: bool) -> int:
    _config(options).enabled = enable
    return OK


@status_call
def nrt_inspect_config_set_enable_inspect_on_fail(options: int, enable: bool) -> int:
    _config(options).on_fail = enable
    return OK


@status_call
def nrt_inspect_config_set_activity(options: int, activity_type: CData, enabled: bool) -> int:
    _config(options).set_activity(text(activity_type, "activity_type"), enabled)
    return OK


@status_call
def nrt_inspect_config_get_all_activity_types(activity_types: CData, count: CData) -> int:
    give_list((*ACTIVITIES, _ALL), activity_types, count)
    return OK


@status_call
def nrt_inspect_config_get_enabled_activity_types(options: int, activity_types: CData, count: CData) -> int:
    enabled = _config(options).activities
    give_list([name for name in ACTIVITIES if name in enabled], activity_types, count)
    return OK


@plain_call
def nrt_inspect_config_free_activity_types(activity_types: CData, count: int) -> None:
    if activity_types:
        session.give_back(activity_types)


def _forget() -> None:
    global _running
    _running = None


session.at_close(_finish)
session.at_fork(_forget)

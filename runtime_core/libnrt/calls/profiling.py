"""Profiles of a model's executions, and traces to a file. Files contain Chrome trace events, which Perfetto opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from runtime_core.engine.execution import LoadedModel
from runtime_core.libnrt import events, profile_files, session
from runtime_core.libnrt.abi import OK, CData, require, text
from runtime_core.libnrt.calls.models import model_of
from runtime_core.libnrt.events import EVENT_TYPES, EXECUTION_TYPES, MODEL_TYPES, Recorder
from runtime_core.libnrt.refusal import CallError
from runtime_core.libnrt.registry import status_call
from runtime_core.status import NrtStatus

DEFAULT_OUTPUT_DIR = "./output"


class Profile(NamedTuple):
    """A running profile."""

    model: LoadedModel
    recorder: Recorder


class ContinuousOptions:
    """Output directory of continuous profiles."""

    def __init__(self) -> None:
        """Use the default directory."""
        self.output_dir = DEFAULT_OUTPUT_DIR


_profiles: dict[str, Profile] = {}
_trace: Recorder | None = None
_continuous: Recorder | None = None


@status_call
def nrt_profile_start(model: int, filename: CData) -> int:
    loaded = model_of(model)
    path = text(filename, "filename")
    with session.guard:
        if path in _profiles:
            raise CallError(NrtStatus.INVALID, "a profile to this file is running", where=str(path))
        recorder = Recorder(EXECUTION_TYPES, model_id=loaded.model_id)
        _profiles[path] = Profile(loaded, recorder)
        events.start(recorder)
    return OK


@status_call
def nrt_profile_stop(filename: CData) -> int:
    session.runtime()
    path = text(filename, "filename")
    with session.guard:
        profile = _profiles.pop(path, None)
    if profile is None:
        raise CallError(NrtStatus.INVALID, "no profile to this file is running", where=str(path))
    events.stop(profile.recorder)
    profile_files.write(Path(path), profile_files.model_profile(profile.model, profile.recorder.fetch()))
    return OK


@status_call
def nrt_trace_start(trace_mem: bool) -> int:
    global _trace
    session.runtime()
    with session.guard:
        if _trace is not None:
            raise CallError(NrtStatus.INVALID, "a trace is running", mend="call nrt_trace_stop first")
        _trace = Recorder(EVENT_TYPES if trace_mem else (*MODEL_TYPES, *EXECUTION_TYPES))
        events.start(_trace)
    return OK


@status_call
def nrt_trace_stop(filename: CData) -> int:
    global _trace
    session.runtime()
    path = text(filename, "filename")
    with session.guard:
        recorder, _trace = _trace, None
    if recorder is None:
        raise CallError(NrtStatus.INVALID, "no trace is running")
    events.stop(recorder)
    profile_files.write(Path(path), events.as_json(recorder.fetch()))
    return OK


def _options(handle: int) -> ContinuousOptions:
    return session.options.find(handle, ContinuousOptions)


@status_call
def nrt_profile_continuous_options_allocate(options: CData) -> int:
    require(options, "options")
    options[0] = session.options.add(ContinuousOptions())
    return OK


@status_call
def nrt_profile_continuous_options_free(options: int) -> int:
    session.options.take(options, ContinuousOptions)
    return OK


@status_call
def nrt_profile_continuous_options_set_output_dir(options: int, output_dir: CData) -> int:
    _options(options).output_dir = text(output_dir, "output_dir")
    return OK


@status_call
def nrt_profile_continuous_start(options: int) -> int:
    global _continuous
    session.runtime()
    if options:
        _options(options)
    with session.guard:
        if _continuous is not None:
            raise CallError(NrtStatus.INVALID, "continuous profiling is running")
        _continuous = Recorder(EXECUTION_TYPES)
        events.start(_continuous)
    return OK


@status_call
def nrt_profile_continuous_save(vnc: int, options: int) -> int:
    """Write the executions on a core since the last call, to one file per model."""
    runtime = session.runtime()
    session.check_core(vnc)
    folder = Path(_options(options).output_dir if options else DEFAULT_OUTPUT_DIR)
    if _continuous is None:
        raise CallError(
            NrtStatus.INVALID, "continuous profiling is not running", mend="call nrt_profile_continuous_start"
        )
    calls = _continuous.fetch(vnc)
    for model in runtime.models:
        mine = [call for call in calls if call.model_id == model.model_id]
        if mine:
            name = f"nc{vnc}_model_{model.model_id}_pid_{os.getpid()}.trace.json"
            profile_files.write(folder / name, profile_files.model_profile(model, mine))
    return OK


@status_call
def nrt_profile_continuous_stop() -> int:
    global _continuous
    session.runtime()
    with session.guard:
        recorder, _continuous = _continuous, None
    if recorder is None:
        raise CallError(NrtStatus.INVALID, "continuous profiling is not running")
    events.stop(recorder)
    return OK


def _close() -> None:
    """End running profiles without writing their files."""
    global _trace, _continuous
    for recorder in (*(p.recorder for p in _profiles.values()), _trace, _continuous):
        if recorder is not None:
            events.stop(recorder)
    _profiles.clear()
    _trace = _continuous = None


session.at_close(_close)
session.at_fork(_close)

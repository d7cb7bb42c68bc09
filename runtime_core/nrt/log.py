"""Log lines of Runtime 2.x, as ``contracts/runtime.md`` shows them, on the console or in syslog."""

from __future__ import annotations

import datetime
import enum
import os
import sys
import threading

LEVEL_VARIABLE = "NEURON_RT_LOG_LEVEL"
LOCATION_VARIABLE = "NEURON_RT_LOG_LOCATION"

_FUNCTION_COLUMN = 44
# The contract prints nrt_init's lines in a narrower column than the others.
_NARROW_COLUMNS = {"nrt_init": 18}


class LogLevel(enum.IntEnum):
    """Severity; a line is written when it is at or below the chosen level."""

    QUIET = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4
    TRACE = 5


def chosen_level(environment: os._Environ[str] | dict[str, str], *, to_syslog: bool) -> LogLevel:
    """The level of the environment; by default errors on the console, INFO and up in syslog."""
    name = environment.get(LEVEL_VARIABLE, "").upper()
    if name in LogLevel.__members__:
        return LogLevel[name]
    return LogLevel.INFO if to_syslog else LogLevel.ERROR


def format_line(level: LogLevel, function: str, message: str, *, when: datetime.datetime, pid: int, tid: int) -> str:
    """One line: ``2026-Nov-21 02:56:07.123456  PID:TID   ERROR  NRT:function   message``."""
    place = f"NRT:{function}".ljust(_NARROW_COLUMNS.get(function, _FUNCTION_COLUMN))
    return f"{when:%Y-%b-%d %H:%M:%S.%f}  {pid}:{tid}   {level.name}  {place}{message}"


def emit(level: LogLevel, function: str, message: str) -> None:
    """Write a line where the environment wants it."""
    to_syslog = os.environ.get(LOCATION_VARIABLE, "console").lower() == "syslog"
    if level > chosen_level(os.environ, to_syslog=to_syslog):
        return
    if to_syslog:
        import syslog

        severity = {
            LogLevel.ERROR: syslog.LOG_ERR,
            LogLevel.WARNING: syslog.LOG_WARNING,
            LogLevel.INFO: syslog.LOG_INFO,
        }
        syslog.syslog(severity.get(level, syslog.LOG_DEBUG), f"NRT:{function} {message}")
        return
    now = datetime.datetime.now()
    print(
        format_line(level, function, message, when=now, pid=os.getpid(), tid=threading.get_native_id()),
        file=sys.stderr,
        flush=True,
    )

"""Log lines of Runtime 2.x, in the form of AWS's runtime, on the console or in syslog."""

from __future__ import annotations

import contextlib
import datetime
import enum
import os
import sys
import threading
import time
from collections.abc import Iterator

LEVEL_VARIABLE = "NEURON_RT_LOG_LEVEL"
LOCATION_VARIABLE = "NEURON_RT_LOG_LOCATION"
_COMPONENT = "_NRT"
"""Suffix of both variables for this component only, which takes precedence."""

_FUNCTION_COLUMN = 44
# English in every locale, unlike strftime, which uses the locale of the process.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# The runtime prints nrt_init's lines in a narrower column than the others.
_NARROW_COLUMNS = {"nrt_init": 18}


class LogLevel(enum.IntEnum):
    """Severity. A line is written if its level is at or below the selected level."""

    QUIET = 0
    ERROR = 1
    WARNING = 2
    INFO = 3
    DEBUG = 4
    TRACE = 5


def _setting(environment: os._Environ[str] | dict[str, str], variable: str) -> str:
    return environment.get(f"{variable}{_COMPONENT}") or environment.get(variable, "")


def chosen_level(environment: os._Environ[str] | dict[str, str], *, to_syslog: bool) -> LogLevel:
    """The level set by the environment; default: ERROR on the console, INFO in syslog."""
    name = _setting(environment, LEVEL_VARIABLE).upper()
    name = {"WARN": "WARNING"}.get(name, name)
    if name in LogLevel.__members__:
        return LogLevel[name]
    return LogLevel.INFO if to_syslog else LogLevel.ERROR


def format_line(level: LogLevel, function: str, message: str, *, when: datetime.datetime, pid: int, tid: int) -> str:
    """One line: ``2026-Nov-21 02:56:07.123456  PID:TID   ERROR  NRT:function   message``."""
    place = f"NRT:{function}".ljust(_NARROW_COLUMNS.get(function, _FUNCTION_COLUMN))
    return f"{when:%Y}-{_MONTHS[when.month - 1]}-{when:%d %H:%M:%S.%f}  {pid}:{tid}   {level.name}  {place}{message}"


class _Repeats:
    """Counts repeated lines."""

    MOST = 256
    EVERY_SECONDS = 10.0

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._seen: dict[tuple[LogLevel, str, str], tuple[int, float]] = {}

    def text(self, level: LogLevel, function: str, message: str) -> str | None:
        """The line to write now; ``None`` if it is only counted."""
        now = time.monotonic()
        with self._guard:
            count, written = self._seen.get((level, function, message), (-1, 0.0))
            if count >= 0 and now - written < self.EVERY_SECONDS:
                self._seen[level, function, message] = (count + 1, written)
                return None
            if len(self._seen) < self.MOST or count >= 0:
                self._seen[level, function, message] = (0, now)
        return message if count <= 0 else f"{message} ({count + 1} times since the last such line)"

    def rest(self) -> list[tuple[LogLevel, str, str]]:
        """Lines that report the counts not yet written."""
        with self._guard:
            left = [(key, count) for key, (count, _) in self._seen.items() if count]
        return [(level, function, f"{message} ({count} more times)") for (level, function, message), count in left]


_repeats: _Repeats | None = None


@contextlib.contextmanager
def counting_repeats() -> Iterator[None]:
    """Within the block, a line that repeats another is counted; its count is written every 10 seconds and at the end.

    This is for programs that can fail a thousand times per second. The C library writes every line.
    """
    global _repeats
    _repeats = counting = _Repeats()
    try:
        yield
    finally:
        _repeats = None
        for level, function, message in counting.rest():
            emit(level, function, message)


def emit(level: LogLevel, function: str, message: str) -> None:
    """Write a line to the place that the environment names: the console, syslog, or a file (a path with a ``/``)."""
    location = _setting(os.environ, LOCATION_VARIABLE) or "console"
    to_syslog = location.lower() == "syslog"
    if level > chosen_level(os.environ, to_syslog=to_syslog):
        return
    if _repeats is not None:
        text = _repeats.text(level, function, message)
        if text is None:
            return
        message = text
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
    line = format_line(level, function, message, when=now, pid=os.getpid(), tid=threading.get_native_id()) + "\n"
    # The call must not fail because its log cannot be written.
    with contextlib.suppress(OSError, ValueError):
        if "/" in location:
            with open(location, "a", encoding="utf-8", errors="replace") as file:
                file.write(line)
        elif sys.stderr is not None:
            sys.stderr.write(line)
            sys.stderr.flush()

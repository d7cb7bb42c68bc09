"""Log lines of Runtime 2.x, in the form of AWS's runtime, on the console or in syslog."""

from __future__ import annotations

import contextlib
import datetime
import enum
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping

from runtime_core.errors import NeuronError

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


def _setting(environment: Mapping[str, str], variable: str) -> tuple[str, str]:
    """The variable that applies, and its value."""
    own = f"{variable}{_COMPONENT}"
    return (
        (own, environment[own].strip()) if environment.get(own) else (variable, environment.get(variable, "").strip())
    )


def _level(text: str) -> LogLevel | None:
    name = text.upper()
    return LogLevel.__members__.get({"WARN": "WARNING"}.get(name, name))


def chosen_level(environment: Mapping[str, str], *, to_syslog: bool) -> LogLevel:
    """The level set by the environment; default: ERROR on the console, INFO in syslog."""
    level = _level(_setting(environment, LEVEL_VARIABLE)[1])
    if level is not None:
        return level
    return LogLevel.INFO if to_syslog else LogLevel.ERROR


def problems(environment: Mapping[str, str]) -> Iterator[NeuronError]:
    """What is wrong with the variables of the log, which then has its defaults."""
    variable, text = _setting(environment, LEVEL_VARIABLE)
    if text and _level(text) is None:
        levels = ", ".join(level.name for level in LogLevel)
        yield NeuronError(f"expected one of {levels}", where=f"{variable}={text!r}", mend="the default is used")
    variable, text = _setting(environment, LOCATION_VARIABLE)
    if text and "/" not in text and text.lower() not in ("console", "syslog"):
        expected = "expected console, syslog or the path of a file with a '/'"
        yield NeuronError(expected, where=f"{variable}={text!r}", mend="the console is used")


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


def _line_of_now(level: LogLevel, function: str, message: str) -> str:
    now = datetime.datetime.now()
    return format_line(level, function, message, when=now, pid=os.getpid(), tid=threading.get_native_id()) + "\n"


_unwritable: set[str] = set()
"""Files that could not be written, each of which is reported once."""

_reported: set[str] = set()
"""Problems that were reported: a simulation has thousands of runtimes in one process."""


def report_problems() -> None:
    """Log the :func:`problems` of the environment, each once in a process."""
    for text in map(str, problems(os.environ)):
        if text not in _reported:
            _reported.add(text)
            emit(LogLevel.ERROR, "nrt_init", text)


def emit(level: LogLevel, function: str, message: str) -> None:
    """Write a line to the place that the environment names: the console, syslog, or a file (a path with a ``/``).

    A line that cannot be written to the file goes to the console.
    """
    variable, location = _setting(os.environ, LOCATION_VARIABLE)
    to_syslog = location.lower() == "syslog"
    if level > chosen_level(os.environ, to_syslog=to_syslog):
        return
    if _repeats is not None:
        text = _repeats.text(level, function, message)
        if text is None:
            return
        message = text
    # Bytes of names that are not UTF-8 are lone surrogates, which cannot be written.
    message = message.encode("utf-8", "backslashreplace").decode()
    if to_syslog:
        import syslog

        severity = {
            LogLevel.ERROR: syslog.LOG_ERR,
            LogLevel.WARNING: syslog.LOG_WARNING,
            LogLevel.INFO: syslog.LOG_INFO,
        }
        syslog.syslog(severity.get(level, syslog.LOG_DEBUG), f"NRT:{function} {message}")
        return
    line = _line_of_now(level, function, message)
    if "/" in location:
        try:
            with open(location, "a", encoding="utf-8") as file:
                file.write(line)
            return
        except OSError as error:
            if location not in _unwritable:
                _unwritable.add(location)
                what = f"{variable}={location!r}: cannot be written ({error.strerror}): the console is used"
                line = _line_of_now(LogLevel.ERROR, function, what) + line
    # The call must not fail because its log cannot be written.
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr is not None:
            sys.stderr.write(line)
            sys.stderr.flush()

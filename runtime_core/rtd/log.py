"""The daemon's log lines: ``nrtd[PID]: [NMGR:load] text``, to syslog or to stderr."""

from __future__ import annotations

import datetime
import enum
import os
import socket
import sys
import threading
from pathlib import Path

SYSLOG_SOCKET = Path("/dev/log")


class Level(enum.IntEnum):
    """syslog's severities, the values of ``-l``."""

    EMERGENCY = 0
    ALERT = 1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    NOTICE = 5
    INFO = 6
    DEBUG = 7


def format_line(component: str, place: str, message: str, *, pid: int) -> str:
    """``nrtd[PID]: [COMPONENT:place] message``, always one line."""
    return f"nrtd[{pid}]: [{component}:{place}] {' '.join(message.split())}"


class Log:
    """Writes lines and counts them by kind."""

    def __init__(self, level: Level = Level.INFO, *, console: bool = False) -> None:
        """Write lines up to ``level``.

        Args:
            level: less urgent lines are omitted.
            console: write to stderr even if syslog is available.
        """
        self._level = level
        self._to_syslog = not console and SYSLOG_SOCKET.exists()
        self._guard = threading.Lock()
        self.errors = 0
        self.warnings = 0

    def write(self, level: Level, component: str, place: str, message: str) -> None:
        """Write a line; errors and warnings are counted even when they are not written."""
        with self._guard:
            self.errors += level <= Level.ERROR
            self.warnings += level == Level.WARNING
        if level > self._level:
            return
        line = format_line(component, place, message, pid=os.getpid())
        if self._to_syslog:
            import syslog

            syslog.openlog("neuron-rtd", syslog.LOG_PID, syslog.LOG_DAEMON)
            syslog.syslog(int(level), line)
            return
        now = datetime.datetime.now()
        print(f"{now:%b %d %H:%M:%S} {socket.gethostname()} {line}", file=sys.stderr, flush=True)

    def error(self, component: str, place: str, message: str) -> None:
        """Something failed."""
        self.write(Level.ERROR, component, place, message)

    def warning(self, component: str, place: str, message: str) -> None:
        """Write a warning."""
        self.write(Level.WARNING, component, place, message)

    def info(self, component: str, place: str, message: str) -> None:
        """Something happened."""
        self.write(Level.INFO, component, place, message)

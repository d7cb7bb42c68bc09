"""Prove that a process is the one a viewer shows before a signal is sent to it.

The data that a viewer shows comes from files, which are not proof: a page can be forged, a recording describes another
time, a mirror may describe another machine, and the pid of a process in a container differs from its pid here.
Therefore the kernel is asked which process holds the page's lock or the device, by its pid in this pid namespace. The
process is pinned by a pidfd *before* that question, so that no later process with the same pid can take its place.
"""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable
from pathlib import Path

from runtime_core.errors import NeuronError

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_SLACK_NS = 10**9
"""Tolerance: the start of a process is known to one clock tick, and the two clocks are not read simultaneously."""


class UnprovenError(NeuronError):
    """The process cannot be proven to be the one shown; the message gives the reason."""


def pin(pid: int, proof: Callable[[], None]) -> int:
    """Return a pidfd of a process, if ``proof`` holds for it.

    Args:
        pid: process id in the caller's pid namespace.
        proof: a function that raises if ``pid`` is not the intended process; called while the process is pinned.

    Returns:
        The pidfd, which the caller must close.

    Raises:
        UnprovenError: ``proof`` failed, or the process has ended or cannot be accessed.
    """
    if pid <= 1:
        raise UnprovenError("its process id in this pid namespace is unknown", mend="send the signal where it runs")
    try:
        # If /proc belongs to another pid namespace, its pids identify other processes here.
        if os.readlink("/proc/self") != str(os.getpid()):
            raise UnprovenError("/proc shows another pid namespace", mend="send the signal where it runs")
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        # The proof may give a better reason: a process in another namespace has no pid here.
        proof()
        raise UnprovenError(f"process {pid} has ended") from None
    except OSError as error:
        raise UnprovenError(f"process {pid} cannot be accessed: {error.strerror}") from None
    try:
        proof()
        # The process is alive after the proof, so the proof was about the pinned process.
        if has_ended(handle):
            raise UnprovenError(f"process {pid} has ended")
    except BaseException:
        os.close(handle)
        raise
    return handle


def has_ended(handle: int) -> bool:
    """Return whether the process of a pidfd has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def check_started_before(pid: int, monotonic_ns: int) -> None:
    """Check that a process started before an action that is attributed to it.

    Args:
        pid: process id.
        monotonic_ns: time of the action (CLOCK_MONOTONIC, nanoseconds).

    Raises:
        UnprovenError: the process started later, or its start time cannot be read.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        # Field 22; the command name before it may contain spaces and parentheses.
        start_ns = int(stat.rpartition(b")")[2].split()[19]) * 10**9 // _TICKS_PER_SECOND
    except FileNotFoundError:
        raise UnprovenError(f"process {pid} has ended") from None
    except (OSError, ValueError, IndexError):
        raise UnprovenError(f"the start time of process {pid} cannot be read") from None
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    if start_ns - asleep_ns > monotonic_ns + _SLACK_NS:
        raise UnprovenError(f"process {pid} started later than the runtime: it is another process")


def check_holds_open(pid: int, identity: tuple[int, int], what: str) -> None:
    """Check that a process has a file open.

    Args:
        pid: process id.
        identity: device and inode of the file.
        what: name of the file for error messages.

    Raises:
        UnprovenError: the process does not have the file open, or its open files cannot be read.
    """
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        raise UnprovenError(f"process {pid} has ended") from None
    except OSError:
        raise UnprovenError(
            f"the open files of process {pid} cannot be read", mend="run as its user or as root"
        ) from None
    for name in names:
        try:
            found = os.stat(f"{folder}/{name}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == identity:
            return
    raise UnprovenError(f"process {pid} does not have {what} open: it is another process")

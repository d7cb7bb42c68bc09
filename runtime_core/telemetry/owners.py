"""Proof that a process is the one a viewer shows, before anybody sends it a signal.

What a viewer shows comes from files: a page can be forged, a recording is of another time, a mirror can be of another
machine, and a container's process has another number here. So nothing in them is believed: the kernel is asked who
holds the page's lock or the device, by its own number in this pid namespace, and the process is pinned by a pidfd
*before* it is asked, so that no later process with the same pid can take its place.
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
"""A process's start is known to a clock tick, and the two clocks are read one after the other."""


class UnprovenError(NeuronError):
    """It is not proven that a process is the one shown; says why."""


def pin(pid: int, proof: Callable[[], None]) -> int:
    """A pidfd of a process, when ``proof`` holds for it.

    Args:
        pid: in the caller's pid namespace.
        proof: raises when ``pid`` is not the process that is meant; called while the process is pinned.

    Returns:
        The pidfd; the caller closes it.

    Raises:
        UnprovenError: ``proof`` fails, the process has ended, or cannot be reached.
    """
    if pid <= 1:
        raise UnprovenError("its process id is not known here", mend="send the signal where it runs")
    try:
        # Where /proc shows another pid namespace, its numbers are other processes' here.
        if os.readlink("/proc/self") != str(os.getpid()):
            raise UnprovenError("/proc shows another pid namespace", mend="send the signal where it runs")
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        # There may be a better reason than this: a process of another namespace has no number here.
        proof()
        raise UnprovenError(f"process {pid} has ended") from None
    except OSError as error:
        raise UnprovenError(f"process {pid} cannot be reached: {error.strerror}") from None
    try:
        proof()
        # Alive after the proof: then the proof was about the process that was pinned before it.
        if has_ended(handle):
            raise UnprovenError(f"process {pid} has ended")
    except BaseException:
        os.close(handle)
        raise
    return handle


def has_ended(handle: int) -> bool:
    """Whether the process of a pidfd has ended."""
    poll = select.poll()
    poll.register(handle, select.POLLIN)
    return bool(poll.poll(0))


def check_started_before(pid: int, monotonic_ns: int) -> None:
    """Check that a process is not younger than what it is said to have done.

    Args:
        pid: the process.
        monotonic_ns: CLOCK_MONOTONIC of an act of the process.

    Raises:
        UnprovenError: the process started later, or cannot be looked at.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes()
        # Field 22; the command before it may contain blanks and brackets.
        start_ns = int(stat.rpartition(b")")[2].split()[19]) * 10**9 // _TICKS_PER_SECOND
    except FileNotFoundError:
        raise UnprovenError(f"process {pid} has ended") from None
    except (OSError, ValueError, IndexError):
        raise UnprovenError(f"process {pid} cannot be looked at") from None
    asleep_ns = time.clock_gettime_ns(time.CLOCK_BOOTTIME) - time.monotonic_ns()
    if start_ns - asleep_ns > monotonic_ns + _SLACK_NS:
        raise UnprovenError(f"process {pid} started later than the runtime: it is another process")


def check_holds_open(pid: int, identity: tuple[int, int], what: str) -> None:
    """Check that a process has a file open.

    Args:
        pid: the process.
        identity: device and inode of the file.
        what: the file in messages.

    Raises:
        UnprovenError: the process does not, or it cannot be known.
    """
    folder = f"/proc/{pid}/fd"
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        raise UnprovenError(f"process {pid} has ended") from None
    except OSError:
        raise UnprovenError(
            f"the open files of process {pid} cannot be seen", mend="run as its user or as root"
        ) from None
    for name in names:
        try:
            found = os.stat(f"{folder}/{name}")
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == identity:
            return
    raise UnprovenError(f"process {pid} does not have {what} open: it is another process")

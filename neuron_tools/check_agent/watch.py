"""Run an agent, and observe its output, its memory and its end."""

from __future__ import annotations

import enum
import fcntl
import os
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import IO, NamedTuple

import psutil

from neuron_tools.check_agent.cases import Piece
from runtime_core.errors import NeuronError

_KEPT_BYTES = 4 << 20
_LOOK_SECONDS = 0.05
_KILL_SECONDS = 5.0
_DRAIN_SECONDS = 0.005
_ENDED_BY_SIGTERM = (-signal.SIGTERM, 128 + signal.SIGTERM)


class Fed(enum.Enum):
    """Result of writing a stream to an agent."""

    WHOLE = "whole"
    ENDED = "the agent ended first"
    STUCK = "the agent does not read"


class Observation(NamedTuple):
    """Behaviour of an agent.

    Attributes:
        exit_status: negative: killed by that signal; ``None``: it had to be killed.
        early: it ended before its input.
        seconds: time from start to end.
        peak_bytes: highest resident memory of the agent and its children.
        output: the last 4 MiB of its output on both streams.
        errors: its output on stderr.
        seen: content fetched by an observer at the end of the input.
    """

    exit_status: int | None
    early: bool
    seconds: float
    peak_bytes: int
    output: str
    errors: str
    seen: str = ""


class _Tail:
    """Reads a pipe to its end and keeps the last part."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._kept = bytearray()
        self._thread = threading.Thread(target=self._read, name="agent-output", daemon=True)
        self._thread.start()

    def _read(self) -> None:
        while piece := self._pipe.read1(1 << 16):  # type: ignore[attr-defined]  # a BufferedReader
            self._kept += piece
            if len(self._kept) > 2 * _KEPT_BYTES:
                del self._kept[:-_KEPT_BYTES]

    def text(self) -> str:
        self._thread.join(_KILL_SECONDS)
        return bytes(self._kept[-_KEPT_BYTES:]).decode("utf-8", "replace")


class Agent:
    """A running agent, in its own process group."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], *, reads: bool) -> None:
        """Start the agent; ``reads``: it gets a stream on standard input.

        Raises:
            NeuronError: the agent cannot be started.
        """
        self._began = time.monotonic()
        try:
            self._process = subprocess.Popen(  # noqa: S603 - the command is the user's own
                list(command),
                stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **environment},
                start_new_session=True,
            )
        except OSError as error:
            raise NeuronError(f"cannot start {command[0]}: {error.strerror or error}") from None
        assert self._process.stdout is not None and self._process.stderr is not None  # noqa: S101, PT018
        self._out, self._err = _Tail(self._process.stdout), _Tail(self._process.stderr)
        self._peak_bytes = 0
        self._watching = threading.Event()
        self._watcher = threading.Thread(target=self._watch_memory, name="agent-memory", daemon=True)
        self._watcher.start()

    @property
    def ended(self) -> bool:
        """Return whether the agent has ended."""
        return self._process.poll() is not None

    def _watch_memory(self) -> None:
        with suppress(psutil.Error):
            process = psutil.Process(self._process.pid)
            while not self._watching.wait(_LOOK_SECONDS):
                family = [process, *process.children(recursive=True)]
                self._peak_bytes = max(self._peak_bytes, sum(_resident(member) for member in family))

    def feed(self, pieces: Iterable[Piece], timeout_seconds: float) -> Fed:
        """Write each piece after the agent has read the previous one, within ``timeout_seconds`` for each."""
        stream = self._process.stdin
        assert stream is not None  # noqa: S101
        os.set_blocking(stream.fileno(), False)
        for piece in pieces:
            time.sleep(piece.pause_seconds)
            fed = self._write(stream.fileno(), piece.data, time.monotonic() + timeout_seconds)
            if fed is not Fed.WHOLE:
                return fed
        return Fed.ENDED if self.ended else Fed.WHOLE

    def _write(self, fd: int, data: bytes, deadline: float) -> Fed:
        left = memoryview(data)
        while time.monotonic() < deadline:
            if self.ended:
                return Fed.ENDED
            try:
                if left:
                    left = left[os.write(fd, left) :]
                elif not _unread_bytes(fd):
                    return Fed.WHOLE
            except BlockingIOError:
                pass
            except OSError:
                return Fed.ENDED
            time.sleep(_DRAIN_SECONDS)
        return Fed.STUCK

    def close_input(self) -> None:
        """Close the agent's input."""
        if self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()

    def wait(self, seconds: float) -> bool:
        """Wait for the agent to end; return False if it is still running."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True

    def terminate(self) -> bool:
        """Terminate the agent; return False if it had to be killed."""
        self._signal(signal.SIGTERM)
        ended = self.wait(_KILL_SECONDS)
        # Also end its remaining child processes.
        self._signal(signal.SIGKILL)
        self.wait(_KILL_SECONDS)
        return ended

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, number)

    def observation(self, *, early: bool, killed: bool, seen: str = "") -> Observation:
        """Return the behaviour of the agent, which has ended."""
        seconds = time.monotonic() - self._began
        self._watching.set()
        self._watcher.join()
        self._signal(signal.SIGKILL)
        out, err = self._out.text(), self._err.text()
        status = None if killed else self._process.returncode
        return Observation(status, early, seconds, self._peak_bytes, out + err, err, seen)


def _unread_bytes(fd: int) -> int:
    """Return the number of bytes that the reader of a pipe has not read yet."""
    count: int = struct.unpack("i", fcntl.ioctl(fd, termios.FIONREAD, bytes(4)))[0]
    return count


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def watch_reader(
    command: Sequence[str],
    environment: dict[str, str],
    pieces: Iterable[Piece],
    timeout_seconds: float,
    observe: Callable[[], str],
    *,
    stays: bool,
) -> Observation:
    """Run an agent that reads a stream.

    Args:
        command: the agent.
        environment: environment variables in addition to ours.
        pieces: the stream.
        timeout_seconds: time to read a piece, and to end after the input.
        observe: fetches figures that the agent shows elsewhere than in its output; called before the stream ends.
        stays: the agent does not end with its input.
    """
    agent = Agent(command, environment, reads=True)
    fed = agent.feed(pieces, timeout_seconds)
    seen = observe() if fed is Fed.WHOLE else ""
    early = fed is Fed.ENDED or agent.ended
    agent.close_input()
    if stays and not early:
        stopped = agent.terminate()
        did = agent.observation(early=False, killed=not stopped or fed is Fed.STUCK, seen=seen)
        return did._replace(exit_status=0) if did.exit_status in _ENDED_BY_SIGTERM else did
    ended = agent.wait(timeout_seconds)
    if not ended:
        agent.terminate()
    return agent.observation(early=early, killed=not ended, seen=seen)

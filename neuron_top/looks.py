"""Sources of moments: a node of this machine, or a node that answers over the network."""

from __future__ import annotations

from typing import Protocol

from neuron_console.text import printable
from neuron_top.model.moment import Clean, Moment
from neuron_top.pods import NO_PODS, PodWatch
from neuron_top.watcher import Watcher
from runtime_core.telemetry import NeuronError, NodeError, Snapshot, Source


class Look(Protocol):
    """A node that can be looked at any number of times."""

    @property
    def name(self) -> str:
        """Return the name of the node."""
        ...

    @property
    def local(self) -> bool:
        """Whether its processes are processes of this machine."""
        ...

    def moment(self) -> Moment:
        """Look once. The first moment, and the first one after a failure, has no rates.

        Raises:
            NodeError: the node does not exist or cannot be read; says what to do.
        """
        ...

    def pin(self, pid: int, start_ns: int) -> int:
        """A pidfd of a process that is shown; see :meth:`runtime_core.telemetry.Source.pin`.

        Raises:
            NeuronError: it is not proven that this process is the one shown; says why.
        """
        ...

    def close(self) -> None:
        """Close open files and connections."""
        ...


class SourceLook:
    """A node of this machine, or a recording of one."""

    def __init__(self, source: Source, clean: Clean = printable, pods: PodWatch | None = None) -> None:
        """Read ``source``.

        Args:
            source: the node.
            clean: makes its texts fit for the terminal.
            pods: tells which pods use the cores.
        """
        self._source = source
        self._pods = pods
        self._clean = clean
        self._before: Snapshot | None = None
        self._watcher = Watcher(clean)

    @property
    def name(self) -> str:
        """Return the name of the node."""
        return self._source.name

    @property
    def local(self) -> bool:
        """Whether its processes run here and now; those of a recording may long be others."""
        return not self.name.startswith("replay:")

    def moment(self) -> Moment:
        """Look once; see :meth:`Look.moment`."""
        before, self._before = self._before, None
        try:
            snapshot = self._source.snapshot(host=True)
        except NodeError:
            raise
        except NeuronError as error:
            raise NodeError(str(error)) from error
        except PermissionError as error:
            raise NodeError(
                f"no permission for {error.filename}: run as the node's owner, or choose another source"
            ) from error
        except OSError as error:
            where = f" ({error.filename})" if error.filename else ""
            raise NodeError(f"{self.name} can't be read: {error.strerror or error}{where}") from error
        self._before = snapshot
        moment = self._watcher.moment(before, snapshot)
        pods = self._pods.pods(snapshot) if self._pods is not None else NO_PODS
        if not pods:
            return moment
        return moment._replace(pods={core: self._clean(name) for core, name in pods.items()})

    def pin(self, pid: int, start_ns: int) -> int:
        """A pidfd of a process that is shown; see :meth:`Look.pin`."""
        return self._source.pin(pid, start_ns)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

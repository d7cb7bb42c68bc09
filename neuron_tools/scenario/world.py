"""What a scenario runs on: a node whose time is virtual, or a real one of whole processes."""

from __future__ import annotations

from typing import Protocol

from neuron_tools.scenario.schema import ApplicationSpec
from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.nrt import Runtime
from runtime_core.telemetry import Source


class StartError(Exception):
    """An application could not start; the message is the runtime's."""


class World(Protocol):
    """A node, and time that passes on it."""

    @property
    def source(self) -> Source:
        """Where the node is looked at."""
        ...

    def now_ns(self) -> int:
        """Time since the start of the run."""
        ...

    def clock_ns(self) -> int:
        """The node's own clock."""
        ...

    def advance(self, until_ns: int) -> None:
        """Let time pass until ``until_ns`` after the start; what is counted till then can be seen."""
        ...

    def start(self, number: int, application: ApplicationSpec) -> None:
        """Start an application.

        Raises:
            StartError: it can't start now.
        """
        ...

    def stop(self, tag: str) -> None:
        """Let applications of a tag end; no effect when there is none."""
        ...

    def kill(self, tag: str) -> None:
        """End applications of a tag at once; no effect when there is none."""
        ...

    def hold(self, tag: str) -> None:
        """Let the counters of a tag's applications stand still in the middle of a write; no effect without one."""
        ...

    def release(self, tag: str) -> None:
        """Let them go on."""
        ...

    def inject(self, fault: FaultSpec) -> None:
        """Break something."""
        ...

    def clear(self) -> None:
        """Mend everything."""
        ...

    def reset(self, device: int) -> None:
        """Reset a device, whoever uses it."""
        ...

    def close(self) -> None:
        """End everything and leave nothing behind."""
        ...


def allocate_tensors(runtime: Runtime, application: ApplicationSpec) -> None:
    """Take the device memory that an application asks for beside its models: accounted, with no bytes behind it.

    Raises:
        NrtError: RESOURCE, when there is not so much.
    """
    size_bytes = round(application.tensors_mib * 2**20)
    if size_bytes:
        runtime.engine.allocate_tensor(runtime.cores[0], size_bytes)


def stand_still(store: Datastore, index: int, *, still: bool) -> None:
    """Leave a page as a process does that is stopped in the middle of a write, or as one that goes on.

    Args:
        store: the node's, writable; nobody writes the page meanwhile.
        index: of the page.
        still: begin, or end.
    """
    words = memoryview(store.map).cast("Q")
    place = (layout.page_offset(index) + layout.Page.sequence.offset) // 8
    if bool(words[place] & 1) is not still:
        words[place] += 1

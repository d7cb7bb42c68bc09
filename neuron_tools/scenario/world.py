"""The node of a scenario: under virtual time, or in real time with real processes."""

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
        """The source for snapshots of the node."""
        ...

    def now_ns(self) -> int:
        """Time since the start of the run."""
        ...

    def clock_ns(self) -> int:
        """The node's own clock."""
        ...

    def advance(self, until_ns: int) -> None:
        """Let time pass until ``until_ns`` after the start; counts up to then are visible."""
        ...

    def start(self, number: int, application: ApplicationSpec) -> None:
        """Start an application.

        Raises:
            StartError: it cannot start now.
        """
        ...

    def stop(self, tag: str) -> None:
        """Stop applications of a tag; no effect without one."""
        ...

    def kill(self, tag: str) -> None:
        """Kill applications of a tag; no effect without one."""
        ...

    def hold(self, tag: str) -> None:
        """Stop a tag's applications in the middle of a write of their counters; no effect without one."""
        ...

    def release(self, tag: str) -> None:
        """Let them continue."""
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
        """End everything and remove all files."""
        ...


def allocate_tensors(runtime: Runtime, application: ApplicationSpec) -> None:
    """Allocate the device memory that an application requests besides its models: accounted only.

    Raises:
        NrtError: RESOURCE, when the device does not have enough.
    """
    size_bytes = round(application.tensors_mib * 2**20)
    if size_bytes:
        runtime.engine.allocate_tensor(runtime.cores[0], size_bytes)


def stand_still(store: Datastore, index: int, *, still: bool) -> None:
    """Mark a page as a process does that is stopped in the middle of a write, or that continues.

    Args:
        store: the node's, writable; nobody writes the page meanwhile.
        index: of the page.
        still: begin, or end.
    """
    words = memoryview(store.map).cast("Q")
    place = (layout.page_offset(index) + layout.Page.sequence.offset) // 8
    if bool(words[place] & 1) is not still:
        words[place] += 1

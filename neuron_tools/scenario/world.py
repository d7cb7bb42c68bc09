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
    """An application could not start; the message is that of the runtime."""


class World(Protocol):
    """A node and its time."""

    @property
    def source(self) -> Source:
        """The source for snapshots of the node."""
        ...

    def now_ns(self) -> int:
        """Return the time since the start of the run."""
        ...

    def clock_ns(self) -> int:
        """Return the time of the node's own clock."""
        ...

    def advance(self, until_ns: int) -> None:
        """Let time pass until ``until_ns`` after the start; snapshots then include all counts up to that time."""
        ...

    def start(self, number: int, application: ApplicationSpec) -> None:
        """Start an application.

        Raises:
            StartError: it cannot start now.
        """
        ...

    def stop(self, tag: str) -> None:
        """Stop the applications with a tag, if any."""
        ...

    def kill(self, tag: str) -> None:
        """Kill the applications with a tag, if any."""
        ...

    def hold(self, tag: str) -> None:
        """Pause the applications with a tag, if any, in the middle of a write to their counters."""
        ...

    def release(self, tag: str) -> None:
        """Let paused applications continue."""
        ...

    def inject(self, fault: FaultSpec) -> None:
        """Break something."""
        ...

    def clear(self) -> None:
        """Mend everything."""
        ...

    def reset(self, device: int) -> None:
        """Reset a device, even if applications use it."""
        ...

    def close(self) -> None:
        """Stop all applications and remove all files."""
        ...


def allocate_tensors(runtime: Runtime, application: ApplicationSpec) -> None:
    """Account for the device memory that an application requests besides its models.

    Raises:
        NrtError: RESOURCE, if the device does not have enough.
    """
    size_bytes = round(application.tensors_mib * 2**20)
    if size_bytes:
        runtime.engine.allocate_tensor(runtime.cores[0], size_bytes)


def stand_still(store: Datastore, index: int, *, still: bool) -> None:
    """Mark a page as if its process were stopped in the middle of a write, or remove the mark.

    Args:
        store: datastore of the node, writable; no other thread writes the page meanwhile.
        index: number of the page.
        still: whether to set or to remove the mark.
    """
    words = memoryview(store.map).cast("Q")
    place = (layout.page_offset(index) + layout.Page.sequence.offset) // 8
    if bool(words[place] & 1) is not still:
        words[place] += 1

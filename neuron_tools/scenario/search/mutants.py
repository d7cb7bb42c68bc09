"""Ten defects to plant, to check that the search finds them. For tests and benchmarks only."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

from neuron_monitor.collector import Collector, Look
from neuron_tools.scenario.promql.rules import Firing, Rules
from neuron_tools.scenario.virtual_world import VirtualWorld
from runtime_core.driver import ownership
from runtime_core.driver.faults import ecc
from runtime_core.driver.locks import LockFile
from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.driver.pages.timeline import BUSY_NS
from runtime_core.virtual.clients import RequestQueue


class Mutant(NamedTuple):
    """A defect: its description, and the change (object, attribute, function from the old value to the new)."""

    summary: str
    owner: object
    attribute: str
    change: Callable[[Any], object]


def _lost_requests(old: Callable[..., tuple[int | None, int]]) -> Callable[..., tuple[int | None, int]]:
    def take(self: RequestQueue, now_ns: int) -> tuple[int | None, int]:
        due_ns, refused = old(self, now_ns)
        if due_ns is not None and due_ns // 1000 % 20 == 0:
            due_ns, more = old(self, now_ns)
            refused += more
        return due_ns, refused

    return take


def _counted_twice(old: Callable[..., None]) -> Callable[..., None]:
    def count_many(self: BufferedPage, *args: object) -> None:
        old(self, *args)
        old(self, *args)

    return count_many


def _error_without_outcome(old: Callable[..., None]) -> Callable[..., None]:
    def count(
        self: BufferedPage, cores: Sequence[int], outcome: int, status: int, error: int | None, *times: int
    ) -> None:
        old(self, cores, 0 if error is not None else outcome, status, error, *times)

    return count


def _going_back(old: Callable[..., None]) -> Callable[..., None]:
    def reset(self: VirtualWorld, device: int) -> None:
        old(self, device)
        for running in (one for some in self._running.values() for one in some):
            page = running.runtime.engine.page
            if isinstance(page, BufferedPage):
                for core in running.runtime.cores:
                    page.timeline(core)[BUSY_NS] //= 2

    return reset


def _never_released(old: Callable[..., None]) -> Callable[..., None]:
    def release(self: BufferedPage) -> None:
        self.flush()
        self.released = True

    return release


def _half_accounted(old: Callable[..., None]) -> Callable[..., None]:
    def add(self: RuntimePage, core: int, category: int, delta_bytes: int) -> None:
        old(self, core, category, delta_bytes // 2)

    return add


def _kept_cores(old: Callable[..., None]) -> Callable[..., None]:
    def release(locks: LockFile, cores: Sequence[int]) -> None:
        old(locks, cores[:-1])

    return release


def _ecc_of_a_kill(old: Callable[..., None]) -> Callable[..., None]:
    def kill(self: VirtualWorld, tag: str) -> None:
        old(self, tag)
        ecc.count_ecc(self._node.store, 0, ecc.MEM_CORRECTED, 1)

    return kill


def _failing_viewer(old: Callable[..., Look]) -> Callable[..., Look]:
    def collect(self: Collector, now_ns: int, *, everything: bool = False) -> Look:
        look = old(self, now_ns, everything=everything)
        if look.snapshot is not None and any(runtime.error for runtime in look.snapshot.runtimes):
            raise KeyError("unreadable")
        return look

    return collect


def _renamed(alert: str, shown: str) -> Callable[[Callable[[Rules], list[Firing]]], Callable[[Rules], list[Firing]]]:
    def change(old: Callable[[Rules], list[Firing]]) -> Callable[[Rules], list[Firing]]:
        return lambda self: [f._replace(name=shown) if f.name == alert else f for f in old(self)]

    return change


MUTANTS = {
    "lost-requests": Mutant("a request in twenty is never executed", RequestQueue, "take", _lost_requests),
    "counted-twice": Mutant("an execution counts twice", BufferedPage, "count_many", _counted_twice),
    "error-without-outcome": Mutant(
        "failed executions count as completed", BufferedPage, "count", _error_without_outcome
    ),
    "going-back": Mutant("a reset halves the busy time", VirtualWorld, "reset", _going_back),
    "never-released": Mutant("a closed runtime stays in the process table", BufferedPage, "release", _never_released),
    "half-accounted": Mutant(
        "a core shows half of its memory", RuntimePage, "add_core_memory", _half_accounted
    ),
    "kept-cores": Mutant("a runtime that ends keeps its last core", ownership, "release_cores", _kept_cores),
    "ecc-of-a-kill": Mutant("a kill counts an ECC event", VirtualWorld, "kill", _ecc_of_a_kill),
    "failing-viewer": Mutant("a runtime that cannot be read ends the monitor", Collector, "collect", _failing_viewer),
    "wrong-alert": Mutant(
        "a runtime that is gone fires the alert of a hung core", Rules, "fired",
        _renamed("NeuronRuntimeGone", "NeuronCoreHung"),
    ),
}  # fmt: skip


@contextmanager
def planted(name: str) -> Iterator[None]:
    """Plant one defect for the duration of the block."""
    mutant = MUTANTS[name]
    with ExitStack() as stack:
        old = getattr(mutant.owner, mutant.attribute)
        stack.callback(setattr, mutant.owner, mutant.attribute, old)
        setattr(mutant.owner, mutant.attribute, mutant.change(old))
        yield

"""The faults of a node: a table in the datastore that running applications follow.

A change of the table increases the header's generation. An executor compares this word, and reads the table only if it
has changed. An odd generation means that the table is being changed; the previous table remains valid.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.driver import layout
from runtime_core.driver.faults.spec import FaultSpec, amount_of, check_spec, target_mask
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side
from runtime_core.driver.locks import FAULT_BYTE
from runtime_core.errors import UsageError
from runtime_core.instance import CORES_PER_DEVICE

if TYPE_CHECKING:
    from runtime_core.driver.datastore import Datastore

_KINDS = tuple(FaultKind)
_SIDES = tuple(Side)
_CLASSES = tuple(ErrorClass)
_GENERATION = layout.FileHeader.fault_generation.offset // 8
_SLOT_BYTES = ctypes.sizeof(layout.FaultSlot)
_UNLIMITED = (1 << 64) - 1

# Threads of one process share its record locks, so a mutex excludes them from each other.
_threads = threading.RLock()


def _forget() -> None:
    """Replace the mutex in a forked child: the thread that held it may not exist there."""
    global _threads
    _threads = threading.RLock()


os.register_at_fork(after_in_child=_forget)


class Fault(NamedTuple):
    """A fault in the table.

    Attributes:
        fault_id: number that is unique for the life of the node.
        slot: its index in the table.
        cores: global cores that it affects, as a bit mask; for devices or links all of their cores.
        amount: the parameter of its kind: rate, factor, share or bytes; 0 if it has none.
        starts_ns, ends_ns: node clock (CLOCK_MONOTONIC); ``ends_ns`` 0: until cleared.
        remaining: remaining strikes when the table was read; ``None``: unlimited.
        hits: number of strikes when the table was read.
    """

    fault_id: int
    slot: int
    kind: FaultKind
    cores: int
    ratio: float
    amount: float
    side: Side
    error: ErrorClass
    version: str
    starts_ns: int
    ends_ns: int
    remaining: int | None
    hits: int

    def active(self, now_ns: int) -> bool:
        """Whether it is active at ``now_ns``."""
        return self.starts_ns <= now_ns and (not self.ends_ns or now_ns < self.ends_ns)

    def is_over(self, now_ns: int) -> bool:
        """Whether it has ended, and is in the table only until it is cleared."""
        return 0 < self.ends_ns <= now_ns

    def hits_core(self, core: int) -> bool:
        """Whether the global ``core`` is among its targets."""
        return bool(self.cores >> core & 1)

    def hits_device(self, device: int) -> bool:
        """Whether any core of ``device`` is among its targets."""
        return bool(self.cores >> device * CORES_PER_DEVICE & (1 << CORES_PER_DEVICE) - 1)


@contextlib.contextmanager
def _locked(store: Datastore) -> Iterator[None]:
    """Lock the table against other processes and threads."""
    with _threads:
        store.locks.wait(FAULT_BYTE)
        try:
            yield
        finally:
            store.locks.unlock(FAULT_BYTE)


@contextlib.contextmanager
def _changing(store: Datastore) -> Iterator[None]:
    """Make the generation odd within the block; the caller has locked the table."""
    words = memoryview(store.map)[: layout.DEVICES_OFFSET].cast("Q")
    # A writer that died within the block has left it odd.
    words[_GENERATION] = words[_GENERATION] | 1
    try:
        yield
    finally:
        words[_GENERATION] += 1


def _slot(store: Datastore, index: int) -> layout.FaultSlot:
    return layout.FaultSlot.from_buffer(store.map, layout.FAULTS_OFFSET + _SLOT_BYTES * index)


def inject(store: Datastore, spec: FaultSpec, now_ns: int) -> Fault:
    """Inject a fault; running applications see it at their next execution.

    Args:
        store: datastore of the node, writable.
        spec: the fault.
        now_ns: current time of the node's clock, to which its times are relative.

    Raises:
        UsageError: ``spec`` is invalid, or the table is full.
    """
    check_spec(spec, store.size.device_count)
    starts_ns = now_ns + round(spec.delay_seconds * 1e9)
    with _locked(store), _changing(store):
        free = None
        for index in range(layout.MAX_FAULTS):
            slot = _slot(store, index)
            if not slot.fault_id or (slot.ends_ns and slot.ends_ns <= now_ns):
                free = index
                break
        if free is None:
            raise UsageError(f"the fault table is full ({layout.MAX_FAULTS} faults)", mend="clear some first")
        slot = _slot(store, free)
        header = layout.FileHeader.from_buffer(store.map)
        header.last_fault_id += 1
        slot.kind = _KINDS.index(spec.kind)
        slot.cores = target_mask(spec, store.size.device_count)
        slot.ratio = 1.0 if spec.ratio is None else spec.ratio
        slot.amount = amount_of(spec)
        slot.side = _SIDES.index(spec.side or Side.BOTH)
        slot.error = _CLASSES.index(spec.error or ErrorClass.GENERIC)
        slot.starts_ns = starts_ns
        slot.ends_ns = 0 if spec.seconds is None else starts_ns + round(spec.seconds * 1e9)
        slot.remaining = _UNLIMITED if spec.times is None else spec.times
        slot.hits = 0
        slot.version = (spec.version or "1.5.0").encode()[:31]
        slot.fault_id = header.last_fault_id
        return _read_slot(slot, free)


def _read_slot(slot: layout.FaultSlot, index: int) -> Fault:
    return Fault(
        slot.fault_id,
        index,
        _KINDS[slot.kind],
        slot.cores,
        slot.ratio,
        slot.amount,
        _SIDES[slot.side],
        _CLASSES[slot.error],
        bytes(slot.version).decode("utf-8", "replace"),
        slot.starts_ns,
        slot.ends_ns,
        None if slot.remaining == _UNLIMITED else slot.remaining,
        slot.hits,
    )


def _read_table(store: Datastore) -> tuple[Fault, ...]:
    table = store.map[layout.FAULTS_OFFSET : layout.FAULTS_OFFSET + _SLOT_BYTES * layout.MAX_FAULTS]
    slots = (layout.FaultSlot.from_buffer_copy(table, _SLOT_BYTES * i) for i in range(layout.MAX_FAULTS))
    return tuple(
        _read_slot(slot, index)
        for index, slot in enumerate(slots)
        if slot.fault_id and slot.kind < len(_KINDS) and slot.side < len(_SIDES) and slot.error < len(_CLASSES)
    )


def list_faults(store: Datastore) -> tuple[Fault, ...]:
    """Return all faults of the table in the order of injection, including those that have not started or have ended."""
    return tuple(sorted(_read_table(store), key=lambda f: f.fault_id))


def clear(store: Datastore, fault_id: int | None = None) -> int:
    """Clear one fault, or all; returns the number of cleared faults.

    Raises:
        UsageError: ``fault_id`` not found.
    """
    cleared = 0
    with _locked(store), _changing(store):
        for index in range(layout.MAX_FAULTS):
            slot = _slot(store, index)
            if slot.fault_id and fault_id in (None, slot.fault_id):
                slot.fault_id = 0
                cleared += 1
    if fault_id is not None and not cleared:
        raise UsageError(f"fault {fault_id} not found", mend="list the faults with 'neuron-sim fault list'")
    return cleared


def strike(store: Datastore, fault: Fault, times: int = 1) -> int:
    """Count strikes of ``fault``; returns the allowed number, which is smaller if its count is used up.

    The last strike of a fault with a count removes it from the table.
    """
    with _locked(store):
        slot = _slot(store, fault.slot)
        if slot.fault_id != fault.fault_id:
            return 0
        if slot.remaining == _UNLIMITED:
            slot.hits += times
            return times
        times = min(times, slot.remaining)
        slot.remaining -= times
        slot.hits += times
        if not slot.remaining:
            with _changing(store):
                slot.fault_id = 0
        return times


class FaultWatch:
    """The faults of a node, as a process follows them."""

    def __init__(self, store: Datastore) -> None:
        """Follow the table of ``store``; it is read only when needed."""
        self._store = store
        self._words = memoryview(store.map)[: layout.DEVICES_OFFSET].cast("Q")
        self._generation = 0
        self._faults: tuple[Fault, ...] = ()

    def table(self) -> tuple[Fault, ...]:
        """Return all faults of the table, including those that have not started or have ended."""
        generation = self._words[_GENERATION]
        if generation != self._generation:
            self._refresh(generation)
        return self._faults

    def active(self, now_ns: int) -> tuple[Fault, ...]:
        """The faults that are active at ``now_ns`` (the node's clock); without faults this reads one word."""
        if not self.table():
            return ()
        return tuple(f for f in self._faults if f.active(now_ns))

    def _refresh(self, generation: int) -> None:
        if generation & 1:
            return
        faults = _read_table(self._store)
        if self._words[_GENERATION] == generation:
            self._faults, self._generation = faults, generation


def seen_driver_version(installed: str, faults: tuple[Fault, ...]) -> str:
    """Return the driver's version that programs see under ``faults``; "" without a driver."""
    for fault in faults:
        if fault.kind is FaultKind.DRIVER_MISSING:
            return ""
        if fault.kind is FaultKind.DRIVER_OLD:
            installed = fault.version
    return installed


def device_present(device: int, faults: tuple[Fault, ...]) -> bool:
    """Return whether programs see ``device`` under ``faults``: neither the device nor the driver is missing."""
    return not any(
        fault.kind is FaultKind.DRIVER_MISSING or (fault.kind is FaultKind.DEVICE_LOST and fault.hits_device(device))
        for fault in faults
    )

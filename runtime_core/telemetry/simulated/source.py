"""Take snapshots of a simulated node from its mapped datastore, without disturbing any writer."""

from __future__ import annotations

import functools
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import FaultWatch, device_present, seen_driver_version
from runtime_core.driver.locks import page_byte
from runtime_core.driver.paths import node_root
from runtime_core.histogram import Histogram
from runtime_core.instance import CORES_PER_DEVICE, MAX_DEVICES
from runtime_core.telemetry.simulated.devices import devices_of_node, with_link_states
from runtime_core.telemetry.simulated.host import host_now, process_cpu, virtual_host
from runtime_core.telemetry.simulated.page_copy import BeingWritten, PageReader
from runtime_core.telemetry.simulated.page_parts import Identity, cores_in, identity_at, models_at
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    Device,
    ErrorCounts,
    ExecutionCounts,
    Host,
    HostMemory,
    Instance,
    Model,
    Runtime,
    Snapshot,
)

_Page = layout.Page
_HEAD = struct.Struct("<QIIQQIIQ6Q6Q4Q6Q")
_DEVICE_USE = struct.Struct("<4Q")
_DEVICES_AT = _Page.devices.offset
_VIRTUAL_CLOCK_WORD = layout.FileHeader.virtual_clock.offset // 8
_VIRTUAL_VCPU_WORD = layout.FileHeader.virtual_vcpu_busy_ns.offset // 8
_VIRTUAL_NOW_WORD = layout.FileHeader.virtual_now_ns.offset // 8
_BOOT_WORD = layout.FileHeader.boot_ns.offset // 8


_FOLD_TRIES = 3
"""Attempts to take a snapshot during which no counters of an ended runtime are moved to the totals."""

_PATIENCE_SECONDS = 0.1
"""Longest wait for a writer: its thread can be preempted in the guarded section for a few switch intervals (5 ms)."""


@functools.cache
def _devices_of(owned_cores: int) -> tuple[int, ...]:
    return tuple(d for d in range(MAX_DEVICES) if owned_cores >> d * CORES_PER_DEVICE & (1 << CORES_PER_DEVICE) - 1)


class SimulatedSource:
    """The simulated node in a directory; the node may be created and destroyed while the source is open."""

    def __init__(self, root: Path | None = None) -> None:
        """Create a source for the node in ``root`` (default: the environment's node), which is opened on first use."""
        self._root = root or node_root()
        self._store: Datastore | None = None
        self._words: memoryview = memoryview(b"")
        self._faults: FaultWatch | None = None
        self._reader: PageReader | None = None
        self._holders: dict[int, tuple[int, int | None]] = {}
        self._identities: dict[int, tuple[tuple[int, int], Identity]] = {}
        self._models: dict[int, tuple[tuple[int, int, int], tuple[Model, ...]]] = {}

    @property
    def name(self) -> str:
        """``sim:`` and the node directory."""
        return f"sim:{self._root}"

    def close(self) -> None:
        """Close the datastore."""
        if self._store is not None:
            self._store.close()
            self._store = self._reader = None

    def pin(self, pid: int, start_ns: int) -> int:
        """See :meth:`runtime_core.telemetry.source.Source.pin`. Safe to call while another thread takes a snapshot."""
        from runtime_core.telemetry.simulated.owners import pin_owner

        return pin_owner(self._root, pid, start_ns)

    def _open(self) -> tuple[Datastore, PageReader]:
        store = self._store
        if store is not None and self._reader is not None and store.still_there():
            return store, self._reader
        self.close()
        self._holders.clear()
        self._identities.clear()
        self._models.clear()
        store = self._store = Datastore(self._root)
        self._words = memoryview(store.map).cast("Q")
        self._reader = PageReader(store, self._now_ns)
        self._faults = FaultWatch(store)
        return store, self._reader

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Take a snapshot; see :class:`runtime_core.telemetry.source.Source`."""
        store, reader = self._open()
        virtual = bool(self._words[_VIRTUAL_CLOCK_WORD])
        time_ns = self._now_ns()
        wall_time_ns = self._words[_BOOT_WORD] + time_ns if virtual else time.time_ns()
        # The operating system cannot report CPU time of simulated processes.
        with_cpu = host and not virtual
        for _ in range(_FOLD_TRIES):
            sequence = store.totals_sequence
            runtimes, devices = self._look(store, reader, with_cpu=with_cpu)
            if not sequence & 1 and store.totals_sequence == sequence:
                break
        driver_version = store.text("driver_version")
        if len(devices) < store.size.device_count:
            runtimes = [runtime for runtime in runtimes if any(runtime.uses(device) for device in devices)]
        faults = self._faults.active(time_ns) if self._faults is not None else ()
        missing: tuple[int, ...] = ()
        if faults:
            driver_version = seen_driver_version(driver_version, faults)
            missing = tuple(d.index for d in devices if not device_present(d.index, faults))
            devices = tuple(with_link_states(d, faults) for d in devices if d.index not in missing)
        return Snapshot(
            time_ns,
            wall_time_ns,
            self.name,
            _instance(store),
            driver_version,
            devices,
            tuple(runtimes),
            self._host(store, time_ns, virtual) if host else None,
            missing,
        )

    def _host(self, store: Datastore, time_ns: int, virtual: bool) -> Host:
        return virtual_host(store.size, time_ns, self._words[_VIRTUAL_VCPU_WORD]) if virtual else host_now()

    def _look(
        self, store: Datastore, reader: PageReader, *, with_cpu: bool
    ) -> tuple[list[Runtime], tuple[Device, ...]]:
        """Read every page and the devices. If a page is folded meanwhile, the device totals may count it twice."""
        device_dram = [0] * store.size.device_count
        device_links = [[0, 0] for _ in range(store.size.device_count)]
        runtimes = []
        waiting: Sequence[int] = range(min(self._backed_pages(), layout.PAGE_COUNT))
        deadline = 0.0
        while waiting:
            # Pages that are being written are retried after all others, so that one wait serves all of them.
            patient = not deadline or time.monotonic() < deadline
            again = []
            for index in waiting:
                try:
                    runtime = self._runtime(
                        store, reader, index, device_dram, device_links, with_cpu=with_cpu, wait=patient
                    )
                except BeingWritten:
                    again.append(index)
                    continue
                if runtime is not None:
                    runtimes.append(runtime)
            waiting = again
            deadline = deadline or time.monotonic() + _PATIENCE_SECONDS
            if waiting:
                time.sleep(0.00002)
        runtimes.sort(key=lambda r: (r.start_ns, r.pid))
        return runtimes, devices_of_node(store, device_dram, device_links)

    def _now_ns(self) -> int:
        """Return the node's time: CLOCK_MONOTONIC, or its virtual clock."""
        words = self._words
        return words[_VIRTUAL_NOW_WORD] if words[_VIRTUAL_CLOCK_WORD] else time.monotonic_ns()

    def _backed_pages(self) -> int:
        return self._words[layout.FileHeader.backed_pages.offset // 8]

    def _runtime(
        self,
        store: Datastore,
        reader: PageReader,
        index: int,
        device_dram: list[int],
        device_links: list[list[int]],
        *,
        with_cpu: bool,
        wait: bool,
    ) -> Runtime | None:
        """Return the runtime of a page (``None`` if the page is free), and add its use of devices to the lists.

        With ``wait``, raise :class:`BeingWritten` for a page in the middle of a write instead of reporting it as
        unreadable.
        """
        offset = layout.page_offset(index)
        state = self._words[(offset + _Page.state.offset) // 8] & 0xFFFFFFFF
        if state != layout.STATE_LIVE:
            return None
        holder = store.locks.holder(page_byte(index))
        copy = reader.copy(offset, wait=wait)
        # The page has no writer, so each word can be read separately.
        data, at = (store.map, offset) if copy is None else (copy.head, 0)
        head = _HEAD.unpack_from(data, at)
        _, state, pid, start_ns, owned, uid, model_high_water, generation = head[:8]
        if state & 0xFFFFFFFF != layout.STATE_LIVE:
            return None
        alive = self._is_owner(index, start_ns, holder)
        # A process uses DRAM and links only of the devices whose cores it owns.
        for device in _devices_of(owned):
            use = _DEVICE_USE.unpack_from(data, at + _DEVICES_AT + device * _DEVICE_USE.size)
            # A dead page holds no memory any more, but its link traffic still counts.
            device_dram[device] += (use[0] + use[1]) if alive else 0
            device_links[device][0] += use[2]
            device_links[device][1] += use[3]
        if not alive:
            return None
        # A process in a container has a different pid there.
        # Under a virtual clock one process holds every page, on behalf of the processes that it simulates.
        pid = pid if self._words[_VIRTUAL_CLOCK_WORD] else holder or pid
        if copy is None:
            return self._unreadable(store, offset, pid)
        identity = self._identity(store, index, offset, (pid, start_ns))
        return Runtime(
            pid,
            start_ns,
            copy.time_ns,
            uid,
            identity.tag,
            identity.command,
            identity.version,
            identity.address,
            cores_in(copy.cores, copy.first_core, owned, copy.time_ns),
            ExecutionCounts._make(head[8:14]),
            ErrorCounts._make(head[14:20]),
            Histogram.from_words(copy.buckets[0], copy.lows[0], head[24]),
            Histogram.from_words(copy.buckets[1], copy.lows[1], head[27]),
            HostMemory._make(head[20:24]),
            self._model_table(store, index, offset, (pid, start_ns, generation), model_high_water),
            # Outside this pid namespace the pid on the page belongs to another process.
            process_cpu(holder) if with_cpu and holder else None,
            framework=identity.framework,
        )

    def _is_owner(self, index: int, start_ns: int, holder: int | None) -> bool:
        """Return whether the process that holds a page's lock is the one whose counters are on the page.

        The next owner locks a page before it clears the page. Until then a locked page holds the counters of the
        previous owner.
        """
        known = self._holders.get(index)
        if known is None or known[0] != start_ns:
            known = self._holders[index] = start_ns, holder
        elif known[1] != holder:
            known = self._holders[index] = start_ns, None
        return holder is not None and known[1] == holder

    def _unreadable(self, store: Datastore, offset: int, pid: int) -> Runtime:
        """Return a live runtime whose counters cannot be read because it was stopped in the middle of a write."""
        head = _HEAD.unpack_from(store.map, offset)
        start_ns, uid = head[3], head[5]
        text = identity_at(store, offset)
        owned = head[4]
        unknown = CoreUse(None, None, None, None, CoreMemory(), CoreStatusCounts())
        cores = {core: unknown for core in range(owned.bit_length()) if owned >> core & 1}
        return Runtime(
            pid,
            start_ns,
            self._now_ns(),
            uid,
            *text[:4],
            cores,
            None,
            None,
            None,
            None,
            None,
            (),
            None,
            error=f"counters of process {pid} cannot be read: it was stopped in the middle of a write",
            framework=text.framework,
        )

    def _identity(self, store: Datastore, index: int, offset: int, key: tuple[int, int]) -> Identity:
        known = self._identities.get(index)
        if known is None or known[0] != key:
            known = self._identities[index] = (key, identity_at(store, offset))
        return known[1]

    def _model_table(
        self, store: Datastore, index: int, offset: int, key: tuple[int, int, int], high_water: int
    ) -> tuple[Model, ...]:
        known = self._models.get(index)
        if known is None or known[0] != key:
            known = self._models[index] = (key, models_at(store, offset, high_water))
        return known[1]


def _instance(store: Datastore) -> Instance:
    return Instance(*(store.text(name) for name in Instance._fields))

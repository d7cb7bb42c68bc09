"""Snapshots of a simulated node, read from its mapped datastore without disturbing any writer."""

from __future__ import annotations

import ctypes
import functools
import struct
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import Fault, FaultWatch, device_present, seen_driver_version
from runtime_core.driver.faults.table import FaultKind, Side
from runtime_core.driver.locks import page_byte
from runtime_core.driver.paths import node_root
from runtime_core.histogram import Histogram
from runtime_core.instance import CORES_PER_DEVICE, DEVICE_MEMORY_BYTES, MAX_DEVICES, InstanceType
from runtime_core.telemetry.simulated.page_copy import BeingWritten, PageReader
from runtime_core.telemetry.simulated.page_parts import Identity, cores_in, identity_at, models_at
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    CpuTimes,
    Device,
    EccCounts,
    ErrorCounts,
    ExecutionCounts,
    Host,
    HostMemory,
    Instance,
    Model,
    Runtime,
    Snapshot,
    VcpuTimes,
)
from runtime_core.topology import topology

_Page = layout.Page
_HEAD = struct.Struct("<QIIQQIIQ6Q6Q4Q6Q")
_DEVICE_USE = struct.Struct("<4Q")
_DEVICE_BLOCK = struct.Struct(f"<{ctypes.sizeof(layout.DeviceBlock) // 8}Q")
_DEVICES_AT = _Page.devices.offset
_VIRTUAL_CLOCK_WORD = layout.FileHeader.virtual_clock.offset // 8
_VIRTUAL_VCPU_WORD = layout.FileHeader.virtual_vcpu_busy_ns.offset // 8
_VIRTUAL_NOW_WORD = layout.FileHeader.virtual_now_ns.offset // 8
_BOOT_WORD = layout.FileHeader.boot_ns.offset // 8


_FOLD_TRIES = 3
"""Looks tried when the counters of a runtime that ended were moved to the totals meanwhile."""

_PATIENCE_SECONDS = 0.1
"""A writer's thread can lose the interpreter inside its guarded section for a few switch intervals (5 ms each)."""


@functools.cache
def _devices_of(owned_cores: int) -> tuple[int, ...]:
    return tuple(d for d in range(MAX_DEVICES) if owned_cores >> d * CORES_PER_DEVICE & (1 << CORES_PER_DEVICE) - 1)


class SimulatedSource:
    """The simulated node in a directory; it may come and go while the source lives."""

    def __init__(self, root: Path | None = None) -> None:
        """Look at the node in ``root`` (default: the environment's node). Nothing is opened before it is needed."""
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
        """Let go of the datastore."""
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
        """Look once; see :class:`runtime_core.telemetry.source.Source`."""
        store, reader = self._open()
        virtual = bool(self._words[_VIRTUAL_CLOCK_WORD])
        time_ns = self._now_ns()
        wall_time_ns = self._words[_BOOT_WORD] + time_ns if virtual else time.time_ns()
        # Simulated processes use no CPU time that the machine could show.
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
            devices = tuple(_with_link_states(d, faults) for d in devices if d.index not in missing)
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
        """Every page, and the devices; what a page counts may be in the devices' totals too while it is folded."""
        device_dram = [0] * store.size.device_count
        device_links = [[0, 0] for _ in range(store.size.device_count)]
        runtimes = []
        waiting: Sequence[int] = range(min(self._backed_pages(), layout.PAGE_COUNT))
        deadline = 0.0
        while waiting:
            # Pages that are being written are looked at again after all others: one wait serves for all of them.
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
        return runtimes, _devices(store, device_dram, device_links)

    def _now_ns(self) -> int:
        """The node's time: CLOCK_MONOTONIC, or that of the virtual clock that it runs under."""
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
        """The runtime of a page, ``None`` for a free one; what it uses of devices is added to the lists.

        ``wait``: raise :class:`BeingWritten` rather than take one that stands inside a write for unreadable.
        """
        offset = layout.page_offset(index)
        state = self._words[(offset + _Page.state.offset) // 8] & 0xFFFFFFFF
        if state != layout.STATE_LIVE:
            return None
        holder = store.locks.holder(page_byte(index))
        copy = reader.copy(offset, wait=wait)
        # Where nobody goes on writing, each word can be read by itself.
        data, at = (store.map, offset) if copy is None else (copy.head, 0)
        head = _HEAD.unpack_from(data, at)
        _, state, pid, start_ns, owned, uid, model_high_water, generation = head[:8]
        if state & 0xFFFFFFFF != layout.STATE_LIVE:
            return None
        alive = self._is_owner(index, start_ns, holder)
        # A process uses DRAM and links only of the devices whose cores it owns.
        for device in _devices_of(owned):
            use = _DEVICE_USE.unpack_from(data, at + _DEVICES_AT + device * _DEVICE_USE.size)
            # A dead page holds no memory any more, but what it sent stays sent.
            device_dram[device] += (use[0] + use[1]) if alive else 0
            device_links[device][0] += use[2]
            device_links[device][1] += use[3]
        if not alive:
            return None
        # A process in a container knows itself by another number than the one it has here.
        # Under a virtual clock one process holds every page, in the name of the processes that it simulates.
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
            # Outside this pid namespace the page's number is another process's.
            process_cpu(holder) if with_cpu and holder else None,
            framework=identity.framework,
        )

    def _is_owner(self, index: int, start_ns: int, holder: int | None) -> bool:
        """Whether the process that holds a page's lock is the one whose counters are on the page.

        The next owner of a page locks it before it begins it anew: for a moment the counters of one that ended stand
        there under a lock that is held.
        """
        known = self._holders.get(index)
        if known is None or known[0] != start_ns:
            known = self._holders[index] = start_ns, holder
        elif known[1] != holder:
            known = self._holders[index] = start_ns, None
        return holder is not None and known[1] == holder

    def _unreadable(self, store: Datastore, offset: int, pid: int) -> Runtime:
        """A live runtime whose counters cannot be read now: it was stopped in the middle of a write."""
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
            error=f"counters of process {pid} cannot be read: it stands still in the middle of a write",
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


def _devices(store: Datastore, dram: list[int], links: list[list[int]]) -> tuple[Device, ...]:
    devices = []
    for device in topology(store.size).devices:
        if device.index not in store.visible_devices:
            continue
        block = _DEVICE_BLOCK.unpack_from(store.map, layout.DEVICES_OFFSET + device.index * _DEVICE_BLOCK.size)
        devices.append(
            Device(
                device.index,
                device.bdf,
                device.core_ids,
                device.connected,
                device.east,
                device.west,
                DEVICE_MEMORY_BYTES,
                dram[device.index],
                EccCounts._make((*block[1:5], 0)),
                device.cpu_affinity,
                device.numa_node,
                block[5] + links[device.index][0],
                block[6] + links[device.index][1],
            )
        )
    return tuple(devices)


_BROKEN_LINKS = {FaultKind.LINK_DOWN: "down_links", FaultKind.LINK_SLOW: "slow_links"}


def _with_link_states(device: Device, faults: Sequence[Fault]) -> Device:
    """The state of its links, as their PCIe status registers would tell it; a fault by chance does not show there."""
    states: dict[str, list[int]] = {}
    for fault in faults:
        field = _BROKEN_LINKS.get(fault.kind)
        if field is None or fault.ratio < 1.0 or not fault.hits_device(device.index):
            continue
        for side, neighbour in ((Side.EAST, device.east), (Side.WEST, device.west)):
            if neighbour is not None and fault.side in (side, Side.BOTH) and neighbour not in states.get(field, ()):
                states.setdefault(field, []).append(neighbour)
    if not states:
        return device
    down, slow = (tuple(states.get(field, ())) for field in ("down_links", "slow_links"))
    return replace(device, down_links=down, slow_links=slow)


def virtual_host(size: InstanceType, time_ns: int, busy_ns: int) -> Host:
    """The host under a virtual clock: work is spread evenly over its vCPUs, and its memory is the instance's."""
    busy = busy_ns / 1e9 / size.vcpu_count
    vcpu = VcpuTimes(busy, 0.0, 0.0, max(0.0, time_ns / 1e9 - busy), 0.0, 0.0, 0.0)
    return Host(time_ns, (vcpu,) * size.vcpu_count, None, size.host_memory_gib << 30, None, None, None)


def host_now() -> Host:
    """The real host's vCPU, memory and swap figures."""
    from runtime_core.telemetry.host import read_host

    return read_host()


def process_cpu(pid: int) -> CpuTimes | None:
    """CPU time of a process; ``None`` when it is unknown."""
    from runtime_core.telemetry.host import read_process_cpu

    return read_process_cpu(pid)

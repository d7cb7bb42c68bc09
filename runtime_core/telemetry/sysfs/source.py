"""Take snapshots of a node from the Neuron driver's sysfs: that of a real node, or any tree of the same shape.

The driver counts by NeuronCore (and host memory by device), not by process. Therefore a snapshot contains the counters
twice:

* ``Device.cores`` contains the counts of each core since the driver was loaded, for all processes;
* a runtime contains the counts of the cores that certainly belong to it (see
  :func:`~runtime_core.telemetry.sysfs.holders.attribute_cores`), minus their values when this source first saw the
  runtime, so that two snapshots subtract like those of a simulated node. If a process shares a device and its cores are
  unknown, its counters are not available and ``Runtime.error`` gives the reason.

Latency, models and executions by process are not in sysfs. Executions and errors of a runtime are sums over its cores,
so a model that spans several cores counts once on each of them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from runtime_core.chips import INFERENTIA, Chip
from runtime_core.errors import NodeError, NodeNotFoundError
from runtime_core.telemetry.real_node import REAL_NODE
from runtime_core.telemetry.snapshot import CpuTimes, Device, EccCounts, Host, HostMemory, Runtime, Snapshot
from runtime_core.telemetry.sysfs.holders import Holder, attribute_cores, find_holder, find_holders
from runtime_core.telemetry.sysfs.identity import Identity, Place, read_chip, read_identity
from runtime_core.telemetry.sysfs.logical import join_cores, physical_cores_per_core
from runtime_core.telemetry.sysfs.runtimes import CoreLedger, add_host_memory, runtime_of
from runtime_core.telemetry.sysfs.tree import (
    MAX_CORES_PER_DEVICE,
    CoreFigures,
    CorePaths,
    east_west,
    names_in,
    numbered,
    parse_connected,
    read_count,
    read_ecc,
    read_host_memory,
    read_text,
)

# As in `surroundings`, which imports msgspec and is imported only if the file exists.
_MIRROR_FILE = "mirror.json"


class _Reading(NamedTuple):
    """Content of one device directory, read at ``time_ns``; ``cores`` are the logical cores of the device in order."""

    number: int
    time_ns: int
    chip: Chip
    physical_cores_per_core: int
    connected: tuple[int, ...]
    ecc: EccCounts
    host_memory: HostMemory
    cores: tuple[CoreFigures, ...]


class SysfsSource:
    """The driver's tree in a directory, which may appear and disappear while the source is open."""

    def __init__(self, root: Path = REAL_NODE, *, dev: Path | None = None) -> None:
        """Create a source for the tree in ``root``; it is opened on first use.

        Args:
            root: the directory of the ``neuron<N>`` directories.
            dev: the directory of their device files. ``None`` means ``/dev`` for the sysfs of the running kernel; no
                process can hold the devices of a copied tree, so for a copy no processes are searched.
        """
        self._root = root
        self._dev = dev
        self._core_paths: dict[tuple[int, int], CorePaths] = {}
        self._identity: tuple[tuple[int, ...], Chip | None, Identity] | None = None
        self._ledger = CoreLedger()

    @property
    def name(self) -> str:
        """``sysfs:`` followed by the directory."""
        return f"sysfs:{self._root}"

    def close(self) -> None:
        """Do nothing: no file stays open between two snapshots."""

    def pin(self, pid: int, start_ns: int) -> int:
        """See :meth:`runtime_core.telemetry.source.Source.pin`."""
        from runtime_core.telemetry.owners import UnprovenError, pin

        dev = self._holders_dev()
        if dev is None or os.path.exists(self._root / _MIRROR_FILE):
            raise UnprovenError(f"{self._root} is a copy of a sysfs tree: its processes may run on another machine")

        def proof() -> None:
            found = find_holder(pid, dev)
            if found is None or found.start_ns != start_ns:
                raise UnprovenError(f"process {pid} does not hold a Neuron Device open: it is another process")

        return pin(pid, proof)

    def _holders_dev(self) -> Path | None:
        """Return the directory of the device files that processes hold open, or ``None`` for a copy of a tree."""
        return self._dev or (Path("/dev") if _is_live(self._root) else None)

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Take a snapshot; see :class:`runtime_core.telemetry.source.Source`."""
        time_ns, wall_time_ns = time.monotonic_ns(), time.time_ns()
        readings = [self._read_device(index) for index in self._device_indices()]
        # All devices of an instance are alike, so a core's global index follows from the number of devices before it.
        per_device = max(len(reading.cores) for reading in readings)
        core_ids = {
            r.number: tuple(range(r.number * per_device, r.number * per_device + len(r.cores))) for r in readings
        }
        identity, holders = self._surroundings(readings, per_device)
        devices = tuple(
            _device(reading, core_ids[reading.number], identity.places.get(reading.number, Place()))
            for reading in readings
        )
        return Snapshot(
            time_ns,
            wall_time_ns,
            self.name,
            identity.instance,
            identity.driver_version,
            devices,
            self._runtimes(readings, devices, holders, with_cpu=host),
            _host_now() if host else None,
        )

    def _device_indices(self) -> list[int]:
        try:
            mode = os.stat(self._root).st_mode
            indices = numbered(os.listdir(self._root), "neuron") if stat.S_ISDIR(mode) else []
        except PermissionError:
            raise NodeError(
                f"no permission for {self._root}", mend="run as its owner, or choose another --source"
            ) from None
        except (OSError, ValueError):
            raise NodeNotFoundError(
                f"no Neuron driver in {self._root}",
                mend="load it with 'modprobe neuron', or read a simulated node with --source sim",
            ) from None
        if not stat.S_ISDIR(mode):
            raise NodeError(
                f"{self._root} is not a directory", mend="use the directory that holds neuron0, neuron1, ..."
            )
        if not indices:
            raise NodeNotFoundError(f"no Neuron Device in {self._root}", mend="give the driver's sysfs directory")
        return indices

    def _read_device(self, index: int) -> _Reading:
        directory = f"{self._root}/neuron{index}"
        count = read_count(f"{directory}/core_count")
        if count is None or not 0 < count <= MAX_CORES_PER_DEVICE:
            found = [core for core in numbered(names_in(directory), "neuron_core") if core < MAX_CORES_PER_DEVICE]
            count = found[-1] + 1 if found else 0
        time_ns = time.monotonic_ns()
        chip = read_chip(directory, f"{directory}/neuron_core0")
        size = physical_cores_per_core(chip)
        cores = join_cores([self._paths(index, core).read() for core in range(count)], size)
        return _Reading(
            index,
            time_ns,
            chip,
            size,
            parse_connected(read_text(f"{directory}/connected_devices"), index),
            read_ecc(directory),
            read_host_memory(directory),
            cores,
        )

    def _paths(self, device: int, core: int) -> CorePaths:
        paths = self._core_paths.get((device, core))
        if paths is None:
            paths = CorePaths(f"{self._root}/neuron{device}/neuron_core{core}")
            self._core_paths[device, core] = paths
        return paths

    def _surroundings(self, readings: Sequence[_Reading], cores_per_device: int) -> tuple[Identity, tuple[Holder, ...]]:
        """Return identity and processes: from ``mirror.json`` if it exists, else from the sources of a real node."""
        if os.path.exists(self._root / _MIRROR_FILE):
            from runtime_core.telemetry.sysfs.surroundings import read_surroundings

            mirrored = read_surroundings(self._root, cores_per_device)
            if mirrored is not None:
                return mirrored
        indices = tuple(reading.number for reading in readings)
        chips = {reading.chip for reading in readings}
        chip = chips.pop() if len(chips) == 1 else None
        if self._identity is None or self._identity[:2] != (indices, chip):
            self._identity = indices, chip, read_identity(self._root, indices, chip)
        dev = self._holders_dev()
        return self._identity[2], find_holders(dev) if dev is not None else ()

    def _runtimes(
        self,
        readings: Sequence[_Reading],
        devices: Sequence[Device],
        holders: Sequence[Holder],
        *,
        with_cpu: bool,
    ) -> tuple[Runtime, ...]:
        totals = {core: use for device in devices for core, use in device.cores.items()}
        attribution = attribute_cores({device.index: device.core_ids for device in devices}, holders)
        by_number = {reading.number: reading for reading in readings}
        now_ns = time.monotonic_ns()
        sharers = [device for holder in holders for device in holder.devices]
        runtimes = []
        for holder in holders:
            key = holder.pid, holder.start_ns
            cores = {
                core: self._ledger.own_use(key, core, totals[core]) for core in sorted(attribution.cores[holder.pid])
            }
            held = [by_number[device] for device in holder.devices if device in by_number]
            alone = len(held) == len(holder.devices) and all(sharers.count(device) == 1 for device in holder.devices)
            memory = add_host_memory([reading.host_memory for reading in held]) if held and alone else None
            # Rates use the time between reads of the same files in two passes over the tree.
            time_ns = min((reading.time_ns for reading in held), default=now_ns)
            cpu = _process_cpu(holder.pid) if with_cpu else None
            runtimes.append(runtime_of(holder, cores, time_ns, memory, attribution, cpu))
        self._ledger.end_look(totals, ((runtime.key, core) for runtime in runtimes for core in runtime.cores))
        return tuple(runtimes)


def _is_live(root: Path) -> bool:
    """Return whether ``root`` is in the sysfs of the running kernel rather than a copy."""
    try:
        return root == REAL_NODE or os.stat(root).st_dev == os.stat("/sys").st_dev
    except OSError:
        return False


def _device(reading: _Reading, core_ids: tuple[int, ...], place: Place) -> Device:
    memory = [figures.memory_bytes for figures in reading.cores]
    known = [value for value in memory if value is not None]
    east, west = east_west(reading.connected, reading.number) if reading.chip == INFERENTIA else (None, None)
    return Device(
        reading.number,
        place.bdf,
        core_ids,
        reading.connected,
        east,
        west,
        reading.chip.memory_bytes,
        # A sum without one core would be mistaken for the total.
        sum(known) if known and len(known) == len(memory) else None,
        reading.ecc,
        place.cpu_affinity,
        place.numa_node,
        None,
        None,
        {core: figures.use for core, figures in zip(core_ids, reading.cores, strict=True)},
        reading.chip,
        reading.physical_cores_per_core,
    )


def _host_now() -> Host:
    from runtime_core.telemetry.host import read_host

    return read_host()


def _process_cpu(pid: int) -> CpuTimes | None:
    from runtime_core.telemetry.host import read_process_cpu

    return read_process_cpu(pid)

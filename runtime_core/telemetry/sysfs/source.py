"""Snapshots of a node from the Neuron driver's sysfs: a real node's, or any tree of that shape.

The driver counts by NeuronCore (and host memory by device), not by process. So the counters are shown twice, honestly:

* ``Device.cores`` carries what each core counted since the driver was loaded, whatever process it worked for;
* a runtime carries the counters of those cores that are surely its own (see
  :func:`~runtime_core.telemetry.sysfs.holders.attribute_cores`), less what they had counted when it was first seen by
  this source, so that two looks subtract like those at a simulated node. Where a process shares a device without
  telling which cores it uses, its counters are not available, and ``Runtime.error`` says why.

Latency, models and executions by process are not in sysfs. The executions and errors of a runtime are the sums over
its cores: a model that spans several cores counts once on each of them.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime_core.chips import INFERENTIA, Chip
from runtime_core.errors import NodeError, NodeNotFoundError
from runtime_core.telemetry.real_node import REAL_NODE
from runtime_core.telemetry.snapshot import CoreUse, CpuTimes, Device, EccCounts, Host, HostMemory, Runtime, Snapshot
from runtime_core.telemetry.sysfs.holders import Attribution, Holder, attribute_cores, find_holder, find_holders
from runtime_core.telemetry.sysfs.identity import Identity, Place, read_chip, read_identity
from runtime_core.telemetry.sysfs.logical import join_cores, physical_cores_per_core
from runtime_core.telemetry.sysfs.runtimes import CoreLedger, add_host_memory, errors_of, executions_of
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

# As in `surroundings`, which imports msgspec and is loaded only where the file exists.
_MIRROR_FILE = "mirror.json"


class _Reading(NamedTuple):
    """One device directory, read at ``time_ns``; ``cores`` are logical ones by their number within the device."""

    number: int
    time_ns: int
    chip: Chip
    physical_cores_per_core: int
    connected: tuple[int, ...]
    ecc: EccCounts
    host_memory: HostMemory
    cores: tuple[CoreFigures, ...]


class SysfsSource:
    """The driver's tree in a directory; it may come and go while the source lives."""

    def __init__(self, root: Path = REAL_NODE, *, dev: Path | None = None) -> None:
        """Look at the tree in ``root``. Nothing is opened before it is needed.

        Args:
            root: the directory of the ``neuron<N>`` directories.
            dev: where their device files are; ``None``: ``/dev`` for the running kernel's own sysfs. Nobody can hold
                the devices of a mere copy of a tree, so there no process is looked for.
        """
        self._root = root
        self._dev = dev
        self._core_paths: dict[tuple[int, int], CorePaths] = {}
        self._identity: tuple[tuple[int, ...], Chip | None, Identity] | None = None
        self._ledger = CoreLedger()

    @property
    def name(self) -> str:
        """``sysfs:`` and the directory."""
        return f"sysfs:{self._root}"

    def close(self) -> None:
        """Nothing is held open between two looks."""

    def pin(self, pid: int, start_ns: int) -> int:
        """See :meth:`runtime_core.telemetry.source.Source.pin`."""
        from runtime_core.telemetry.owners import UnprovenError, pin

        dev = self._holders_dev()
        if dev is None or os.path.exists(self._root / _MIRROR_FILE):
            raise UnprovenError(f"{self._root} is a copy of a tree: its processes may run on another machine")

        def proof() -> None:
            found = find_holder(pid, dev)
            if found is None or found.start_ns != start_ns:
                raise UnprovenError(f"process {pid} does not hold a Neuron Device open: it is another process")

        return pin(pid, proof)

    def _holders_dev(self) -> Path | None:
        """Where the device files are that processes hold open; ``None`` for a copy of a tree."""
        return self._dev or (Path("/dev") if _is_live(self._root) else None)

    def snapshot(self, *, host: bool = False) -> Snapshot:
        """Look once; see :class:`runtime_core.telemetry.source.Source`."""
        time_ns, wall_time_ns = time.monotonic_ns(), time.time_ns()
        readings = [self._read_device(index) for index in self._device_indices()]
        # A core's global index counts the cores of all devices before it; all devices of an instance are alike.
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
            raise NodeError(f"{self._root} is not a directory", mend="give the one that holds neuron0, neuron1, ...")
        if not indices:
            raise NodeNotFoundError(f"no Neuron Device in {self._root}", mend="is this the driver's sysfs directory?")
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
        """Identity and processes: from the mirror's own file, else from where a real node has them."""
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
            # Counters are compared over the time between the same places of two sweeps through the tree.
            time_ns = min((reading.time_ns for reading in held), default=now_ns)
            cpu = _process_cpu(holder.pid) if with_cpu else None
            runtimes.append(_runtime(holder, cores, time_ns, memory, attribution, cpu))
        self._ledger.end_look(totals, ((runtime.key, core) for runtime in runtimes for core in runtime.cores))
        return tuple(runtimes)


def _is_live(root: Path) -> bool:
    """Whether ``root`` is the running kernel's own sysfs and no copy of one."""
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
        # A sum that leaves a core out would be taken for the whole.
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


def _runtime(
    holder: Holder,
    cores: Mapping[int, CoreUse],
    time_ns: int,
    host_memory: HostMemory | None,
    attribution: Attribution,
    cpu: CpuTimes | None,
) -> Runtime:
    """A runtime with what is surely its own."""
    unclear = sorted(set(holder.devices) & attribution.unclear)
    error = ""
    if unclear:
        error = (
            f"process {holder.pid} shares Neuron Device {', '.join(map(str, unclear))} and the driver counts by core: "
            "start each process with its own NEURON_RT_VISIBLE_CORES to tell them apart"
        )
    return Runtime(
        holder.pid,
        holder.start_ns,
        time_ns,
        holder.uid,
        holder.tag,
        holder.command,
        holder.version,
        holder.address,
        cores,
        None if unclear else executions_of(cores.values()),
        None if unclear else errors_of(cores.values()),
        None,
        None,
        host_memory,
        (),
        cpu,
        error,
        holder.devices,
    )


def _host_now() -> Host:
    from runtime_core.telemetry.host import read_host

    return read_host()


def _process_cpu(pid: int) -> CpuTimes | None:
    from runtime_core.telemetry.host import read_process_cpu

    return read_process_cpu(pid)

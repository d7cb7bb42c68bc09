"""Checks of the node: source, driver, permissions, ownership, devices, free space, clock."""

from __future__ import annotations

import os
import shutil
import stat
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from neuron_tools.gatherinfo.finding import Finding, Surroundings, failed, failed_by, passed, warned
from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.locks import core_byte
from runtime_core.driver.node import datastore_bytes_per_process, read_info
from runtime_core.errors import NodeError
from runtime_core.nrt.start import DRIVER_MAJOR_REQUIRED

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108
_ECC_STAYS = "the count remains until the driver is loaded again (simulated: 'neuron-sim down' and 'up')"
_SHARED_MEMORY_WARN_BYTES = 64 << 20
_ROOM_FOR_PROCESSES = 8


def check_source(around: Surroundings) -> Iterator[Finding]:
    """Check that the node exists, and report its size."""
    if around.problem is not None:
        yield failed_by("source", around.problem, "choose another with --source")
    if around.snapshot is None:
        return
    instance, devices = around.snapshot.instance, around.snapshot.devices
    cores = sum(len(device.core_ids) for device in devices)
    found = f"{around.source}: {instance.instance_type or 'unknown size'}, {len(devices)} devices, {cores} cores"
    if devices and cores:
        yield passed("source", found)
    else:
        yield failed("source", found, "check that the driver is loaded: 'dmesg | grep -i neuron'")


def check_driver(around: Surroundings) -> Iterator[Finding]:
    """Check that Runtime 2.x accepts the driver."""
    if around.snapshot is None:
        return
    version = around.snapshot.driver_version
    major = version.partition(".")[0]
    if not major.isdigit():
        yield warned("driver", "its version is unknown", "install the driver's package, aws-neuron-dkms")
    elif int(major) < DRIVER_MAJOR_REQUIRED:
        mend = f"upgrade aws-neuron-dkms to {DRIVER_MAJOR_REQUIRED}.0 or later: Runtime 2.x refuses this one"
        yield failed("driver", f"version {version}", mend)
    else:
        yield passed("driver", f"version {version}")


def _directory_permissions(root: Path) -> Finding:
    try:
        found = root.stat()
    except OSError as error:
        return failed("permissions", f"{root}: {error.strerror}", "set NEURON_SIM_ROOT to a directory of yours")
    mode = stat.S_IMODE(found.st_mode)
    if found.st_uid != os.getuid():
        mend = "run as its owner, or set NEURON_SIM_ROOT to a directory of yours"
        return warned("permissions", f"{root} belongs to user {found.st_uid}", mend)
    if mode & 0o077:
        return warned("permissions", f"{root} has mode {mode:04o}: other users can read it", f"chmod 700 {root}")
    return passed("permissions", f"only you can access {root}")


def check_permissions(around: Surroundings) -> Iterator[Finding]:
    """Check that this user, and no other, can access the node."""
    if around.root is not None:
        yield _directory_permissions(around.root)
        return
    devices = [around.dev / f"neuron{d.index}" for d in around.snapshot.devices] if around.snapshot else []
    there = [path for path in devices if path.exists()]
    closed = [path for path in there if not os.access(path, os.R_OK | os.W_OK)]
    if closed:
        yield failed("permissions", f"no access to {closed[0]}", f"add your user to the group of {closed[0]}")
    elif there:
        yield passed("permissions", f"{len(there)} device files can be opened")
    elif devices:
        yield warned(
            "permissions",
            f"no device files in {around.dev}",
            "nothing to do for a copy of a tree; otherwise load the driver",
        )


_STATE = struct.Struct("<I")
_CORES = struct.Struct("<Q")


def _pages(store: Datastore) -> tuple[int, int, int]:
    """Count pages of live runtimes and of dead ones, and return the cores that live ones own as a bit mask."""
    live = dead = owned = 0
    for index in range(min(store.header.backed_pages, layout.PAGE_COUNT)):
        offset = layout.page_offset(index)
        (state,) = _STATE.unpack_from(store.map, offset + layout.Page.state.offset)
        if state != layout.STATE_LIVE:
            continue
        if store.page_alive(index):
            live += 1
            owned |= _CORES.unpack_from(store.map, offset + layout.Page.owned_cores.offset)[0]
        else:
            dead += 1
    return live, dead, owned


def check_ownership(around: Surroundings) -> Iterator[Finding]:
    """Check that the locks of processes agree with the process table."""
    for runtime in around.snapshot.runtimes if around.snapshot else ():
        if runtime.error:
            yield warned("ownership", runtime.error, f"continue or stop process {runtime.pid}")
    if around.root is None or around.snapshot is None:
        return
    try:
        store = Datastore(around.root)
    except NodeError as error:
        yield failed_by("ownership", error)
        return
    try:
        live, dead, owned = _pages(store)
        held = {core: store.locks.holder(core_byte(core)) for core in range(store.size.core_count)}
    finally:
        store.close()
    nameless = [core for core, pid in held.items() if pid is not None and not owned >> core & 1]
    if nameless:
        pids = sorted({str(held[core]) for core in nameless})
        found = f"cores {', '.join(map(str, nameless))} are held by process {', '.join(pids)}, which has no entry"
        yield warned("ownership", found, "check again, because it may be starting; otherwise stop that process")
    if dead > layout.PAGE_COUNT // 2:
        found = f"{dead} of {layout.PAGE_COUNT} entries belong to processes that died"
        yield warned("ownership", found, "the next runtimes reuse them; or run 'neuron-sim down' and 'neuron-sim up'")
    elif not nameless:
        also = f", {dead} entries of dead processes can be reused" if dead else ""
        yield passed("ownership", f"{live} runtimes{also}")


def check_devices(around: Surroundings) -> Iterator[Finding]:
    """Check the devices for memory errors."""
    if around.snapshot is None:
        return
    devices = around.snapshot.devices
    bad = [
        d.index
        for d in devices
        if d.ecc.mem_ecc_uncorrected or d.ecc.sram_ecc_uncorrected or d.ecc.mem_ecc_repairable_uncorrected
    ]
    if bad:
        found = f"uncorrected ECC events on Neuron Device {', '.join(map(str, bad))}"
        yield failed("devices", found, f"drain and reset it; replace the instance if more follow; {_ECC_STAYS}")
        return
    silent = [d.index for d in devices if d.ecc.mem_ecc_uncorrected is None or d.ecc.sram_ecc_uncorrected is None]
    if not silent:
        yield passed("devices", "no uncorrected ECC events")
    elif len(silent) < len(devices):
        found = f"ECC events of Neuron Device {', '.join(map(str, silent))} are unknown; the other devices have none"
        yield warned("devices", found, "check that the driver has their stats/hardware files, and reload it")


def check_room(around: Surroundings) -> Iterator[Finding]:
    """Check that the disk has space for runtimes, and shared memory for tensors."""
    if around.root is not None and around.root.exists():
        free, page = shutil.disk_usage(around.root).free, datastore_bytes_per_process()
        found = f"{free >> 20} MiB free for the node"
        mend = f"free space on the file system of {around.root}, or set NEURON_SIM_ROOT"
        if free < page:
            yield failed("disk", f"{found}: no space for another runtime", mend)
        elif free < page * _ROOM_FOR_PROCESSES:
            yield warned("disk", f"{found}: space for {free // page} more runtimes", mend)
        else:
            yield passed("disk", found)
    if not _SHARED_MEMORY.is_dir():
        yield warned(
            "shared memory", f"{_SHARED_MEMORY} is missing", "mount a tmpfs there: neuron-rtd passes tensors through it"
        )
        return
    free = shutil.disk_usage(_SHARED_MEMORY).free
    if free < _SHARED_MEMORY_WARN_BYTES:
        yield warned("shared memory", f"{free >> 20} MiB free", "enlarge /dev/shm (docker run --shm-size)")
    else:
        yield passed("shared memory", f"{free >> 20} MiB free")


def check_clock(around: Surroundings) -> Iterator[Finding]:
    """Check that the node's times are plausible."""
    if around.root is None or around.snapshot is None:
        return
    try:
        boot_ns = read_info(around.root).boot_ns
    except NodeError as error:
        yield failed_by("clock", error)
        return
    ahead_seconds = (boot_ns - time.time_ns()) / 1e9
    if ahead_seconds > 1:
        yield warned(
            "clock", f"the node was set up {ahead_seconds:.0f} s in the future", "set the clock (chrony, ntpd)"
        )
        return
    now_ns = time.monotonic_ns()
    ahead = [r.pid for r in around.snapshot.runtimes if r.start_ns > now_ns]
    if ahead:
        found = f"process {ahead[0]} started in the future: the machine was restarted while its files remained"
        yield warned("clock", found, "run 'neuron-sim down --force' and 'neuron-sim up'")
    else:
        yield passed("clock", f"the node has been up for {max(0.0, -ahead_seconds) / 3600:.1f} h")

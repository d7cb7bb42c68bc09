"""The steps of initialising a runtime: driver, process table, cores."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from runtime_core import __version__
from runtime_core.driver import ownership
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import Fault, device_present
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.nrt.config import RuntimeConfig, format_cores, usable_cores
from runtime_core.nrt.log import LogLevel, emit
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import device_of_core

DRIVER_MAJOR_REQUIRED = 2
DRIVER_UNKNOWN = "Unable to determine Neuron Driver version. Please check aws-neuron-dkms package is installed."

ClaimPage: TypeAlias = Callable[[Datastore, str], RuntimePage]


def allocate_cores(store: Datastore, config: RuntimeConfig, faults: tuple[Fault, ...]) -> tuple[int, ...]:
    """Own the cores that the environment requests, or all.

    Raises:
        NrtError: INVALID for a core or device that the node lacks, LOAD_NOT_ENOUGH_NC when cores are not available.
    """
    locks, total = store.locks, store.size.core_count
    usable = usable_on(store, config, faults)
    if config.visible_cores is not None:
        wanted = config.visible_cores
        missing = [core for core in wanted if core >= total]
        if missing:
            message = f"NEURON_RT_VISIBLE_CORES names nc{missing[0]}, the node has nc0-nc{total - 1}"
            emit(LogLevel.ERROR, "nrt_allocate_neuron_cores", message)
            raise NrtError(NrtStatus.INVALID, message)
        allowed = all(core in usable for core in wanted)
        claimed = ownership.claim_cores(locks, wanted) if allowed else None
        requested = format_cores(wanted)
    elif config.core_count is not None:
        wanted = usable
        claimed = ownership.claim_count(locks, config.core_count, usable)
        requested = str(config.core_count)
    else:
        wanted = usable
        claimed = ownership.claim_cores(locks, wanted) if wanted else None
        requested = format_cores(wanted)
    if claimed is None:
        available = len([c for c in ownership.free_cores(locks, wanted) if c in usable])
        message = f"NeuronCore(s) not available - Requested:{requested} Available:{available}"
        emit(LogLevel.ERROR, "nrt_allocate_neuron_cores", message)
        raise NrtError(NrtStatus.LOAD_NOT_ENOUGH_NC, message, mend=_owners(ownership.owners_of(locks, wanted)))
    return tuple(claimed)


def usable_on(store: Datastore, config: RuntimeConfig, faults: tuple[Fault, ...]) -> tuple[int, ...]:
    """The cores of the devices that the container may use and that no fault has removed.

    Raises:
        NrtError: INVALID for a device that the node lacks.
    """
    last_device = device_of_core(store.size.core_count - 1)
    missing = [device for device in config.visible_devices or () if device > last_device]
    if missing:
        has = "only device 0" if not last_device else f"devices 0 to {last_device}"
        message = f"AWS_NEURON_VISIBLE_DEVICES names device {missing[0]}, the node has {has}"
        emit(LogLevel.ERROR, "nrt_allocate_neuron_cores", message)
        raise NrtError(NrtStatus.INVALID, message)
    visible = store.visible_devices
    return tuple(
        c
        for c in usable_cores(config, store.size.core_count)
        if device_of_core(c) in visible and device_present(device_of_core(c), faults)
    )


def _owners(by_pid: Mapping[int, Sequence[int]]) -> str:
    """The owners of the cores that are not available; "" if no process owns them."""
    if not by_pid:
        return ""
    owned = ", ".join(f"process {pid} owns {format_cores(tuple(cores))}" for pid, cores in sorted(by_pid.items()))
    return f"{owned}; stop it or choose other cores (neuron-ls lists them)"


def enter(store: Datastore, tag: str, framework: str) -> RuntimePage:
    """Enter this process in the node's process table."""
    return RuntimePage(store, tag=tag, command=command_line(), version=__version__, framework=framework)


def check_driver(version: str) -> None:
    """Check that Runtime 2.x accepts the driver.

    Raises:
        NrtError: FAILURE, with the text of AWS's runtime.
    """
    major = version.partition(".")[0]
    if not major.isdigit():
        message = DRIVER_UNKNOWN
    elif int(major) < DRIVER_MAJOR_REQUIRED:
        message = "This runtime requires Neuron Driver version 2.0 or greater. Please upgrade aws-neuron-dkms package."
    else:
        return
    emit(LogLevel.ERROR, "nrt_init", message)
    raise NrtError(NrtStatus.FAILURE, message)


def command_line() -> str:
    """The command line of this process."""
    try:
        return Path("/proc/self/cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
    except OSError:
        return " ".join(sys.argv)

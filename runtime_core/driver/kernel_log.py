"""The kernel's log of a simulated node: the lines that the Neuron driver writes when a device reports an error.

A simulator cannot write ``/dev/kmsg``, so the lines go to ``kernel.log`` in the node directory. The published
rules of the node problem detector (``.* NEURON_HW_ERR=<ERROR> .*``) match them, for example by its ``filelog`` plugin.
"""

from __future__ import annotations

import hashlib
import os
import socket
from datetime import UTC, datetime

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.table import FaultKind
from runtime_core.driver.paths import KERNEL_LOG_FILE, OLD_KERNEL_LOG_FILE
from runtime_core.instance import CORES_PER_DEVICE

HARDWARE_ERRORS = {
    FaultKind.MEM_ECC_UNCORRECTED: "HBM_UNCORRECTABLE_ERROR",
    FaultKind.SRAM_ECC_UNCORRECTED: "SRAM_UNCORRECTABLE_ERROR",
    FaultKind.LINK_DOWN: "DMA_ERROR",
}
"""Fault -> the driver's error name in the published rules."""

_MAX_BYTES = 1 << 20


def serial_number(instance_id: str, device: int) -> str:
    """Sixteen hex digits, constant for a device of a simulated instance."""
    return hashlib.blake2b(f"{instance_id}/{device}".encode(), digest_size=8).hexdigest()


def hardware_error_line(error: str, instance_id: str, device: int, core: int, unix_seconds: float) -> str:
    """The line for an error of ``core`` (global index) on ``device``, without a line end."""
    time = datetime.fromtimestamp(unix_seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return (
        f"neuron: NEURON_HW_ERR={error} instance-id={instance_id} hostname={socket.gethostname()} nd-id={device} "
        f"nc-id={core % CORES_PER_DEVICE} serial-num={serial_number(instance_id, device)} "
        f"action=TERMINATE_INSTANCE time={time}"
    )


def log_hardware_error(store: Datastore, kind: FaultKind, device: int, core: int, unix_seconds: float) -> None:
    """Append the line of a fault that struck; no effect for a fault that the driver does not log.

    The file is kept below 1 MiB: a full one becomes ``kernel.log.1``. If the file cannot be written, the runtime
    continues without the line.
    """
    error = HARDWARE_ERRORS.get(kind)
    if error is None:
        return
    line = hardware_error_line(error, store.text("instance_id"), device, core, unix_seconds)
    path = store.root / KERNEL_LOG_FILE
    try:
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            # A single write, so that lines of several processes are not mixed.
            os.write(fd, f"{line}\n".encode())
            full = os.fstat(fd).st_size > _MAX_BYTES
        finally:
            os.close(fd)
        if full:
            os.replace(path, store.root / OLD_KERNEL_LOG_FILE)
    except OSError:
        return

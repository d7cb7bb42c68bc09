"""Reset a Neuron Device: its owners lose their data, and their next execution on it fails."""

from __future__ import annotations

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.device_lock import locked_devices
from runtime_core.driver.ownership import claim_cores, owners_of, release_cores
from runtime_core.errors import NodeError, UsageError
from runtime_core.instance import CORES_PER_DEVICE


class DeviceInUseError(NodeError):
    """The device cannot be reset: processes own cores of it."""


def reset_device(store: Datastore, device: int, *, force: bool = False) -> list[int]:
    """Reset a device.

    Executions of processes that have opened it fail with EXEC_UNIT_UNRECOVERABLE (101), a running one with HW_ERROR,
    until the process closes and initialises its runtime again.

    Args:
        store: datastore of the node, open for writing.
        device: number of the device.
        force: reset even while processes own its cores.

    Returns:
        The pids whose executions fail from now on.

    Raises:
        UsageError: the device does not exist.
        DeviceInUseError: a process owns a core of it and ``force`` is not set; the refusal is counted.
    """
    last = store.size.device_count - 1
    if not 0 <= device <= last or device not in store.visible_devices:
        raise UsageError(f"Neuron Device {device} not found: the node has {'0' if not last else f'0 to {last}'}")
    cores = range(device * CORES_PER_DEVICE, (device + 1) * CORES_PER_DEVICE)
    with locked_devices(store, [device]):
        block = store.device_block(device)
        # No process can become an owner while the device is being reset.
        claimed = claim_cores(store.locks, cores)
        owners = [] if claimed else sorted(owners_of(store.locks, cores))
        if claimed is None and not force:
            block.refused_reset_count += 1
            raise DeviceInUseError(
                f"Neuron Device {device} is in use by process {', '.join(map(str, owners)) or 'of another namespace'}",
                mend="stop it first, or reset with --force",
            )
        block.reset_count += 1
        release_cores(store.locks, claimed or [])
        return owners

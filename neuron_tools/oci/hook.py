"""Mount the devices that a container requests."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from neuron_tools.oci.container import Container, read_container
from neuron_tools.oci.mounts import Bind, bind_all, enter_mount_namespace
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.paths import ROOT_VARIABLE, VISIBLE_FILE, node_root
from runtime_core.driver.visibility import ALL, write_visible
from runtime_core.errors import NodeError, UsageError
from runtime_core.ranges import format_ranges, parse_ranges

VARIABLE = "AWS_NEURON_VISIBLE_DEVICES"
_BUNDLE_FILE = "neuron-visible-devices"
_DEVICE_FILE = re.compile(r"neuron(\d{1,4})")
_MAX_STATE_BYTES = 8 << 20


def wanted_devices(text: str, present: Sequence[int]) -> tuple[int, ...]:
    """Return the devices that a container requests.

    Args:
        text: value of the variable: ``ALL``, or ids like ``0,2-3``.
        present: the devices of the node.

    Raises:
        UsageError: the value is malformed, or names a device that the node does not have.
    """
    if text.strip().upper() == ALL:
        return tuple(present)
    try:
        wanted = parse_ranges(text)
    except ValueError as error:
        raise UsageError(str(error), where=f"{VARIABLE}={text.strip()!r}") from None
    missing = sorted(set(wanted) - set(present))
    if missing:
        has = format_ranges(sorted(present)) or "none"
        raise UsageError(f"{VARIABLE}={text.strip()} names Neuron Device {missing[0]}, but the node has {has}")
    return tuple(sorted(set(wanted)))


def device_files(dev: Path) -> list[int]:
    """Return the Neuron Devices that have files in ``dev``."""
    try:
        found = (_DEVICE_FILE.fullmatch(entry.name) for entry in dev.iterdir())
    except OSError:
        return []
    return sorted(int(match[1]) for match in found if match is not None)


def real_binds(dev: Path, devices: Sequence[int]) -> list[Bind]:
    """Return mounts for a real node's devices, at their usual paths."""
    return [Bind(dev / f"neuron{d}", PurePosixPath(f"/dev/neuron{d}"), device=True) for d in devices]


def simulated_binds(container: Container, root: Path, devices: Sequence[int], device_count: int) -> list[Bind]:
    """Return mounts of the node's directory at the runtime's default path, and of the list of visible devices in it."""
    target = PurePosixPath(container.environment.get(ROOT_VARIABLE) or f"/tmp/neuron-sim-{container.uid}")  # noqa: S108
    visible = container.bundle / _BUNDLE_FILE
    write_visible(visible, devices)
    # A bind mount requires an existing file.
    if not (root / VISIBLE_FILE).exists():
        write_visible(root / VISIBLE_FILE, range(device_count))
    return [Bind(root, target), Bind(visible, target / VISIBLE_FILE, read_only=True)]


def run_hook(node: Path | None, dev: Path) -> None:
    """Read the container's state from stdin and mount the requested devices; do nothing without the variable.

    Args:
        node: directory of a simulated node; ``None``: a real node if ``dev`` has device files, else the environment's
            node.
        dev: directory of device files.

    Raises:
        UsageError: stdin is not the state of a container, or the variable is invalid.
        NodeError: the node is missing, or the mounts fail.
    """
    if sys.stdin.isatty():
        raise UsageError("the container's state is missing on stdin: an OCI runtime starts this command as a hook")
    container = read_container(sys.stdin.buffer.read(_MAX_STATE_BYTES + 1))
    text = container.environment.get(VARIABLE, "").strip()
    if not text:
        return
    present = device_files(dev) if node is None else []
    if present:
        binds = real_binds(dev, wanted_devices(text, present))
    else:
        root = node or node_root()
        store = Datastore(root)
        try:
            devices = wanted_devices(text, store.visible_devices)
            binds = simulated_binds(container, root.resolve(), devices, store.size.device_count)
        finally:
            store.close()
    if not container.rootfs.is_dir():
        raise NodeError(
            "root file system not found",
            where=str(container.rootfs),
            mend="check root.path in the bundle's config.json",
        )
    enter_mount_namespace(container.pid)
    bind_all(container.rootfs, binds)

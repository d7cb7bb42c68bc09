"""What a container receives for the ids that the kubelet chose: variables, mounts, device files, CDI devices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from neuron_tools.kubernetes.names import CORE_RESOURCE, DEVICE_RESOURCE
from neuron_tools.kubernetes.plugin.node import Node
from runtime_core.driver.paths import ROOT_VARIABLE, VISIBLE_FILE
from runtime_core.driver.visibility import write_visible
from runtime_core.files import write_atomically

CONTAINER_ROOT = "/run/neuron-sim"
"""Path of the simulated node in a container."""
CDI_VERSION = "0.6.0"
CDI_FILE = "aws.amazon.com-neuron.json"
_RENUMBERED_FROM = (2, 12, 14)
"""First driver version that numbers a container's device files from 0."""


class Mounted(NamedTuple):
    """A mount of a file or directory of the host in the container."""

    host_path: str
    container_path: str
    read_only: bool


class DeviceFile(NamedTuple):
    """A device file of the host in the container, with ``rw`` permissions."""

    host_path: str
    container_path: str


class Grant(NamedTuple):
    """Variables, mounts and devices of one container."""

    envs: dict[str, str]
    mounts: tuple[Mounted, ...]
    devices: tuple[DeviceFile, ...]
    cdi_devices: tuple[str, ...]


def _text(numbers: Sequence[int]) -> str:
    return ",".join(map(str, numbers))


def _renumbers(driver_version: str) -> bool:
    found = re.match(r"(\d+)\.(\d+)(?:\.(\d+))?", driver_version)
    return found is None or tuple(int(part or 0) for part in found.groups()) >= _RENUMBERED_FROM


class Grants:
    """Builds the grants of one node."""

    def __init__(self, node: Node, state_dir: Path, *, cdi_dir: Path | None = None, dev: Path = Path("/dev")) -> None:
        """Write the CDI file, if CDI is used.

        Args:
            node: the node.
            state_dir: directory of the plugin's files that containers mount, on the host.
            cdi_dir: directory of the container runtime's CDI files; ``None``: no CDI.
            dev: directory of the device files.

        Raises:
            OSError: a file cannot be written.
        """
        self._node = node
        self._state_dir = state_dir
        self._dev = dev
        self._cdi = cdi_dir is not None
        if cdi_dir is not None:
            cdi_dir.mkdir(parents=True, exist_ok=True)
            content = msgspec.json.format(msgspec.json.encode(self._cdi_spec()), indent=2) + b"\n"
            write_atomically(cdi_dir / CDI_FILE, content, mode=0o644)

    def _cdi_spec(self) -> dict[str, object]:
        count = self._node.silicon.device_count
        return {
            "cdiVersion": CDI_VERSION,
            "kind": DEVICE_RESOURCE,
            "devices": [{"name": str(index), "containerEdits": self._cdi_edits(index)} for index in range(count)],
        }

    def _cdi_edits(self, device: int) -> dict[str, object]:
        if self._node.simulated is None:
            path = str(self._dev / f"neuron{device}")
            return {"deviceNodes": [{"path": f"/dev/neuron{device}", "hostPath": path, "permissions": "rw"}]}
        # The mounts are not in the CDI edits, which runtimes apply last: they would hide the list of devices.
        return {"env": [f"{ROOT_VARIABLE}={CONTAINER_ROOT}"]}

    def grant(self, resource: str, ids: Sequence[int]) -> Grant:
        """Return the grant of a container with these ids.

        Args:
            resource: the resource of the ids.
            ids: global indices of devices or cores.

        Raises:
            OSError: a file that the container mounts cannot be written.
        """
        silicon = self._node.silicon
        by_core = resource == CORE_RESOURCE
        devices = silicon.devices_of(ids) if by_core else tuple(ids)
        envs = {}
        if self._node.simulated is not None:
            envs = {ROOT_VARIABLE: CONTAINER_ROOT, "AWS_NEURON_VISIBLE_DEVICES": _text(devices)}
            files: tuple[DeviceFile, ...] = ()
            mounts = self._simulated_mounts(self._node.simulated, devices)
            number = {device: device for device in devices}
        else:
            renumbers = _renumbers(self._node.driver_version) and not self._cdi
            number = {device: place if renumbers else device for place, device in enumerate(devices)}
            files = tuple(
                DeviceFile(str(self._dev / f"neuron{device}"), f"/dev/neuron{number[device]}") for device in devices
            )
            mounts = ()
        if by_core:
            each = silicon.cores_per_device
            envs["NEURON_RT_VISIBLE_CORES"] = _text([number[core // each] * each + core % each for core in ids])
        if self._cdi:
            # The container runtime creates the files from the CDI specification.
            return Grant(envs, mounts, (), tuple(f"{DEVICE_RESOURCE}={device}" for device in devices))
        return Grant(envs, mounts, files, ())

    def _simulated_mounts(self, root: Path, devices: Sequence[int]) -> tuple[Mounted, ...]:
        """Return mounts for the node's directory, and over its list of visible devices the list of the container."""
        folder = self._state_dir / "visible"
        folder.mkdir(parents=True, exist_ok=True)
        visible = folder / "-".join(map(str, devices))
        write_visible(visible, devices)
        visible.chmod(0o644)
        if not (root / VISIBLE_FILE).exists():
            # A bind mount needs an existing file as its target.
            write_visible(root / VISIBLE_FILE, range(self._node.silicon.device_count))
        return (
            Mounted(str(root), CONTAINER_ROOT, read_only=False),
            Mounted(str(visible), f"{CONTAINER_ROOT}/{VISIBLE_FILE}", read_only=True),
        )

"""Run the plugin: read the node, maintain the ledger, and stay registered until the plugin is stopped."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuron_monitor.signals import handled
from neuron_tools.kubernetes.names import CORE_RESOURCE, DEVICE_RESOURCES, RESOURCES
from neuron_tools.kubernetes.plugin.grants import Grants
from neuron_tools.kubernetes.plugin.ledger import Ledger
from neuron_tools.kubernetes.plugin.node import Health, look, node_of
from neuron_tools.kubernetes.plugin.server import ResourceServer
from neuron_tools.kubernetes.plugin.service import PluginService
from neuron_tools.kubernetes.resets import reset_counts
from runtime_core.errors import NodeError
from runtime_core.telemetry import Snapshot, Source, open_source
from runtime_core.telemetry.kubelet.client import Kubelet, KubeletError

if TYPE_CHECKING:
    from neuron_tools.kubernetes.plugin.pods import PendingPods

log = logging.getLogger("neuron-device-plugin")
log.addHandler(logging.NullHandler())


class Settings(NamedTuple):
    """Settings of the plugin.

    Attributes:
        kubelet_dir: directory of the kubelet's socket and of the plugin's.
        pod_resources: socket of the kubelet's pod-resources service.
        state_dir: directory of the files that containers mount; a path of the host.
        cdi_dir: directory for CDI files; ``None``: containers get device files and mounts.
        resources: resources to advertise.
        period_seconds: time between checks of the node.
        source: as for ``--source`` of the viewers.
        node: name of this node, to read the scheduler extension's choices from its pods; "": do not read them.
        server: URL of an API server without authentication; ``None``: KUBECONFIG or the pod's account.
    """

    kubelet_dir: Path
    pod_resources: Path
    state_dir: Path
    cdi_dir: Path | None = None
    resources: tuple[str, ...] = RESOURCES
    period_seconds: float = 2.0
    source: str | None = None
    node: str = ""
    server: str | None = None


class Plugin:
    """The plugin of a node."""

    def __init__(
        self,
        settings: Settings,
        source: Source,
        pending: PendingPods | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Read the node.

        Args:
            settings: settings of the plugin.
            source: source of snapshots.
            pending: pods for which the scheduler extension has chosen ids.
            clock: returns seconds that never decrease.

        Raises:
            NodeError: the node does not exist, or cannot be read.
        """
        self._settings = settings
        self._source = source
        self._kubelet = Kubelet(settings.pod_resources)
        self._kubelet_told = True
        self._kubelet_lock = threading.Lock()
        self.node = node_of(source.snapshot())
        self._clock = clock
        self.ledger = Ledger(self.node.silicon, clock)
        self._health = Health(self.node, reset_counts(source))
        self._unhealthy: dict[int, str] = {}
        grants = Grants(self.node, settings.state_dir, cdi_dir=settings.cdi_dir)
        self.services = [
            PluginService(
                resource,
                self.node,
                self.ledger,
                grants,
                refresh=self.reconcile,
                changed=self._changed,
                pending=pending,
            )
            for resource in settings.resources
        ]
        self.servers = [ResourceServer(service, settings.kubelet_dir) for service in self.services]

    def _changed(self) -> None:
        for service in self.services:
            service.wake()

    def reconcile(self) -> None:
        """Update the ledger from the kubelet's list; without an answer the ledger is not changed."""
        with self._kubelet_lock:
            asked = self._clock()
            try:
                holdings = self._kubelet.holdings()
            except KubeletError as error:
                if self._kubelet_told:
                    log.warning("%s: resources of ended pods stay allocated until it answers", error)
                self._kubelet_told = False
                return
            self._kubelet_told = True
            listed = (
                (CORE_RESOURCE if h.resource_name == CORE_RESOURCE else DEVICE_RESOURCES[0], ids)
                for h in holdings
                if h.resource_name == CORE_RESOURCE or h.resource_name in DEVICE_RESOURCES
                if (ids := self._ids_of(h.device_ids)) is not None
            )
            self.ledger.reconcile(listed, asked)

    def _ids_of(self, texts: tuple[str, ...]) -> list[int] | None:
        ids = [int(text) for text in texts if text.isascii() and text.isdigit()]
        known = [index for index in ids if index < self.node.silicon.core_count]
        return known or None

    def look(self) -> None:
        """Read devices and pods, and report changes to the kubelet.

        Raises:
            NodeError: another node was set up in place of this one; its devices are advertised after a restart.
        """
        try:
            snapshot = look(self._source)
        except NodeError as error:
            log.warning("%s", error)
            snapshot = None
        if snapshot is None:
            unhealthy = dict.fromkeys(range(self.node.silicon.device_count), "there is no node")
        else:
            self._check_same(snapshot)
            unhealthy = dict(self._health.update(snapshot))
        for device in sorted(unhealthy.keys() ^ self._unhealthy.keys()):
            log.warning("Neuron Device %d: %s", device, unhealthy.get(device, "healthy again"))
        self._unhealthy = unhealthy
        self.reconcile()
        for service in self.services:
            service.update(unhealthy)

    def _check_same(self, snapshot: Snapshot) -> None:
        """Check that the node has no devices or cores that it did not have at the start; missing ones are unhealthy."""
        known = self.node.silicon
        for device in snapshot.devices:
            cores = len(device.core_ids)
            if device.index >= known.device_count or cores not in (0, known.cores_per_device):
                raise NodeError(
                    f"Neuron Device {device.index} with {cores} NeuronCores is new: the plugin started with "
                    f"{known.device_count} devices of {known.cores_per_device} NeuronCores",
                    mend="restart the plugin, as its DaemonSet does",
                )

    def keep(self) -> None:
        """Keep listening and registered."""
        for server in self.servers:
            server.keep()

    def register_again(self) -> None:
        """Register again, for SIGHUP."""
        for server in self.servers:
            server.forget()

    def close(self) -> None:
        """Close the streams and remove the sockets."""
        for service in self.services:
            service.close()
        for server in self.servers:
            server.stop()
        self._kubelet.close()
        self._source.close()


def ticks(period_seconds: float) -> Iterator[bool]:
    """Yield at most one item per second: whether it is time to check the node."""
    passed = period_seconds
    while True:
        due = passed >= period_seconds
        passed = (0.0 if due else passed) + min(1.0, period_seconds)
        yield due


def serve(settings: Settings) -> None:
    """Run until SIGTERM or SIGINT; SIGHUP registers again.

    Raises:
        NeuronError: the node does not exist, or the kubelet's directory cannot be used.
    """
    source = open_source(settings.source)
    pending = None
    if settings.node:
        from neuron_tools.kubernetes.cluster import OfficialCluster
        from neuron_tools.kubernetes.plugin.annotated import AnnotatedPods

        pending = AnnotatedPods(OfficialCluster(settings.server), settings.node, node_of(source.snapshot()).silicon)
    plugin = Plugin(settings, source, pending)
    try:
        silicon = plugin.node.silicon
        log.info(
            "%d Neuron Devices, %d NeuronCores (%s)", silicon.device_count, silicon.core_count, silicon.shape.value
        )
        for server in plugin.servers:
            server.start()
        with handled() as signals:
            for due in ticks(settings.period_seconds):
                if due:
                    plugin.look()
                plugin.keep()
                signals.wait(min(1.0, settings.period_seconds))
                if signals.stop:
                    return
                if signals.reload:
                    signals.reload = False
                    plugin.register_again()
    finally:
        plugin.close()
        if pending is not None:
            pending.close()

"""The DevicePlugin service (``v1beta1``) of one resource: answers the kubelet from node, health and ledger."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from neuron_tools.kubernetes.names import CORE_RESOURCE
from neuron_tools.kubernetes.plugin.grants import Grant, Grants
from neuron_tools.kubernetes.plugin.ledger import Ledger, TakenError
from neuron_tools.kubernetes.plugin.node import Node
from neuron_tools.kubernetes.proto import deviceplugin_pb2 as pb
from neuron_tools.kubernetes.silicon import (
    are_contiguous_cores,
    are_contiguous_devices,
    choose_cores,
    choose_devices,
)
from runtime_core.errors import UsageError

if TYPE_CHECKING:
    from neuron_tools.kubernetes.plugin.pods import PendingPods

HEALTHY = "Healthy"
UNHEALTHY = "Unhealthy"


def _answer(grant: Grant) -> pb.ContainerAllocateResponse:
    return pb.ContainerAllocateResponse(
        envs=grant.envs,
        mounts=[
            pb.Mount(container_path=m.container_path, host_path=m.host_path, read_only=m.read_only)
            for m in grant.mounts
        ],
        devices=[
            pb.DeviceSpec(container_path=d.container_path, host_path=d.host_path, permissions="rw")
            for d in grant.devices
        ],
        cdi_devices=[pb.CDIDevice(name=name) for name in grant.cdi_devices],
    )


class PluginService:
    """One resource of a node. Thread-safe."""

    def __init__(
        self,
        resource: str,
        node: Node,
        ledger: Ledger,
        grants: Grants,
        *,
        refresh: Callable[[], None],
        changed: Callable[[], None],
        pending: PendingPods | None = None,
    ) -> None:
        """Create the service.

        Args:
            resource: name of the resource.
            node: the node.
            ledger: holds on the node's cores, shared with the other resource.
            grants: builds the grants of containers.
            refresh: updates the ledger from the kubelet's list.
            changed: called after an allocation, which reduces the free ids of the other resource.
            pending: pods for which the scheduler extension has chosen ids.
        """
        self.resource = resource
        self._node = node
        self._ledger = ledger
        self._grants = grants
        self._refresh = refresh
        self._changed = changed
        self._pending = pending
        self._unhealthy: Mapping[int, str] = {}
        self._wake = threading.Condition()
        self._version = 0
        self._closing = False

    # State of the node

    def update(self, unhealthy: Mapping[int, str]) -> None:
        """Set the unhealthy devices, and report changes to the kubelet."""
        with self._wake:
            self._unhealthy = unhealthy
            self._version += 1
            self._wake.notify_all()

    def close(self) -> None:
        """Close the streams."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()

    @property
    def _by_core(self) -> bool:
        return self.resource == CORE_RESOURCE

    @property
    def _count(self) -> int:
        return self._node.silicon.core_count if self._by_core else self._node.silicon.device_count

    def _device_of(self, index: int) -> int:
        return index // self._node.silicon.cores_per_device if self._by_core else index

    def listed(self) -> pb.ListAndWatchResponse:
        """Return every id with its health; ids held through the other resource are unhealthy."""
        blocked = self._ledger.blocked(self.resource)
        answer = pb.ListAndWatchResponse()
        for index in range(self._count):
            device = self._device_of(index)
            well = device not in self._unhealthy and index not in blocked
            entry = answer.devices.add(ID=str(index), health=HEALTHY if well else UNHEALTHY)
            if device in self._node.numa:
                entry.topology.nodes.add(ID=self._node.numa[device])
        return answer

    # Calls

    def options(self) -> pb.DevicePluginOptions:
        """Return the calls that the kubelet may use."""
        return pb.DevicePluginOptions(pre_start_required=False, get_preferred_allocation_available=True)

    def watch(self, is_active: Callable[[], bool]) -> Iterator[pb.ListAndWatchResponse]:
        """Yield the full list now and after each change, until the caller disconnects."""
        last = None
        version = -1
        while is_active() and not self._closing:
            with self._wake:
                if self._version == version and not self._closing:
                    # The timeout lets the stream end after its caller has disconnected.
                    self._wake.wait(timeout=1.0)
                version = self._version
            answer = self.listed()
            if answer != last and not self._closing:
                last = answer
                yield answer

    def wake(self) -> None:
        """Make the streams check for changes, e.g. after a caller has disconnected."""
        with self._wake:
            self._version += 1
            self._wake.notify_all()

    def preferred(self, request: pb.PreferredAllocationRequest) -> pb.PreferredAllocationResponse:
        """Return the best contiguous set for each container; an empty list if there is none.

        Raises:
            UsageError: an id does not exist on this node.
        """
        answer = pb.PreferredAllocationResponse()
        choose = choose_cores if self._by_core else choose_devices
        given: set[int] = set()
        for wanted in request.container_requests:
            free = set(self._ids(wanted.available_deviceIDs)) - given
            must = self._ids(wanted.must_include_deviceIDs)
            size = wanted.allocation_size
            chosen = self._pending.ids_for(self.resource, size, free, must) if self._pending is not None else None
            chosen = chosen or choose(self._node.silicon, size, free | set(must), must)
            given.update(chosen or ())
            answer.container_responses.add(deviceIDs=[str(index) for index in chosen or ()])
        return answer

    def allocate(self, request: pb.AllocateRequest) -> pb.AllocateResponse:
        """Allocate ids.

        Raises:
            UsageError: an id does not exist on this node or is requested twice, or the ids are not contiguous.
            TakenError: a core is held through the other resource.
        """
        wanted = [self._ids(container.devices_ids) for container in request.container_requests]
        every = [index for ids in wanted for index in ids]
        if len(set(every)) != len(every):
            raise UsageError("an id is requested twice in one request", where=self.resource)
        for ids in wanted:
            self._check(ids)
        try:
            self._ledger.allocate(self.resource, every)
        except TakenError:
            # The holder may have ended since the kubelet was last queried.
            self._refresh()
            self._ledger.allocate(self.resource, every)
        answer = pb.AllocateResponse()
        for ids in wanted:
            answer.container_responses.append(_answer(self._grants.grant(self.resource, ids)))
            if self._pending is not None:
                self._pending.used(self.resource, ids)
        self._changed()
        return answer

    def _ids(self, texts: Iterable[str]) -> list[int]:
        known = {str(index): index for index in range(self._count)}
        ids = []
        for text in texts:
            if text not in known:
                raise UsageError(
                    f"{text[:80]!r} is not an id of this node",
                    where=self.resource,
                    mend=f"ids are 0 to {self._count - 1}",
                )
            ids.append(known[text])
        return sorted(ids)

    def _check(self, ids: list[int]) -> None:
        contiguous = are_contiguous_cores if self._by_core else are_contiguous_devices
        if not contiguous(self._node.silicon, ids):
            kind = "NeuronCores" if self._by_core else "Neuron Devices"
            raise UsageError(
                f"{kind} {','.join(map(str, ids))} are not contiguous" if ids else f"no {kind} in the request",
                where=self.resource,
                mend="request a number for which a contiguous set is free; neuron-scheduler keeps sets together",
            )

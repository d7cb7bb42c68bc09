"""The invariants that a search checks: what must be true of every node, at all times and under every fault.

To add one, write a subclass of :class:`.invariant.Invariant` and pass it to :func:`.find.search`, or name it on the
command line: ``neuron-sim scenario search base.yaml --invariant my_module:MyInvariant``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neuron_tools.scenario.search.alert_invariants import AlertsHaveCauses, EccAlertFires, GoneAlertFires
from neuron_tools.scenario.search.invariant import Invariant, Probe
from runtime_core.telemetry import rates
from runtime_core.telemetry.snapshot import Runtime

_MOST_WAITING = 60
"""Requests that may run or wait on a node without an event; its load is half of its capacity."""


class CountersNeverGoBack(Invariant):
    """No counter of a runtime or a device decreases."""

    name = "counters-never-go-back"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        if probe.before is None:
            return
        earlier = {runtime.key: runtime for runtime in probe.before.runtimes}
        for runtime in probe.now.runtimes:
            before = earlier.get(runtime.key)
            if before is not None and not runtime.error and not before.error:
                yield from (f"{runtime.tag}: {what}" for what in _less(before, runtime))
        devices = {device.index: device for device in probe.before.devices}
        for device in probe.now.devices:
            known = devices.get(device.index)
            if known is not None and any((a or 0) > (b or 0) for a, b in zip(known.ecc, device.ecc, strict=True)):
                yield f"ECC events of device {device.index}: {known.ecc} became {device.ecc}"


def _less(before: Runtime, now: Runtime) -> Iterator[str]:
    for name in ("executions", "errors"):
        old, new = getattr(before, name), getattr(now, name)
        if old is not None and new is not None and any(a > b for a, b in zip(old, new, strict=True)):
            yield f"{name} {tuple(old)} became {tuple(new)}"
    if before.total_latency is not None and now.total_latency is not None:
        later = now.total_latency.buckets
        if any(later.get(bucket, 0) < count for bucket, count in before.total_latency.buckets.items()):
            yield "a latency bucket shrank"
    for core, use in before.cores.items():
        after = now.cores.get(core)
        if after is not None and ((use.busy_ns or 0) > (after.busy_ns or 0) or (use.flops or 0) > (after.flops or 0)):
            yield f"busy time or FLOPs of core {core} shrank"


class RequestsAreConserved(Invariant):
    """A request that has arrived never ends twice, and ends soon on a node without an event."""

    name = "requests-are-conserved"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        for runtime in probe.now.runtimes:
            arrived = probe.requests.get(runtime.tag)
            if arrived is None or runtime.executions is None:
                continue
            ended = sum(runtime.executions)
            if ended > arrived:
                yield f"{runtime.tag}: {arrived} requests arrived, {ended} executions ended"
            elif not probe.happened and arrived - ended > _MOST_WAITING:
                yield f"{runtime.tag}: {arrived} requests arrived, only {ended} executions ended"


class LatenciesAreCounted(Invariant):
    """Each execution that completed has one latency."""

    name = "latencies-are-counted"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        for runtime in probe.now.runtimes:
            if runtime.executions is not None and runtime.total_latency is not None:
                completed, counted = runtime.executions.completed, runtime.total_latency.count
                if not completed <= counted <= sum(runtime.executions):
                    yield f"{runtime.tag}: {completed} completed of {sum(runtime.executions)}, {counted} latencies"


class ErrorsHaveOutcomes(Invariant):
    """There are not more errors than failed executions."""

    name = "errors-have-outcomes"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        for runtime in probe.now.runtimes:
            if runtime.executions is not None and runtime.errors is not None:
                failed = sum(runtime.executions) - runtime.executions.completed
                if sum(runtime.errors) > failed:
                    yield f"{runtime.tag}: {sum(runtime.errors)} errors, {failed} executions failed"


class CoresAreBusyInTime(Invariant):
    """The busy time of a core does not increase faster than time passes."""

    name = "cores-are-busy-in-time"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        if probe.before is None:
            return
        earlier = {runtime.key: runtime for runtime in probe.before.runtimes}
        passed_ns = probe.now.time_ns - probe.before.time_ns
        for runtime in probe.now.runtimes:
            before = earlier.get(runtime.key)
            if before is None or before.error or runtime.error:
                continue
            for core, use in runtime.cores.items():
                used = before.cores.get(core)
                if used is not None and (use.busy_ns or 0) - (used.busy_ns or 0) > passed_ns + 1:
                    yield f"core {core}: busy for {(use.busy_ns or 0) - (used.busy_ns or 0)} ns of {passed_ns}"


class MemoryAddsUp(Invariant):
    """The memory in use on a device is the sum over the runtimes on it."""

    name = "memory-adds-up"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        for device in probe.now.devices:
            left = probe.now.unattributed_memory_bytes(device)
            if left:
                yield f"device {device.index}: {left} bytes belong to no runtime"


class EverythingReturns(Invariant):
    """After all applications have ended, no runtime, core or device memory is in use."""

    name = "everything-returns"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        if not probe.over:
            return
        for runtime in probe.now.runtimes:
            yield f"{runtime.tag} still runs"
        for device in probe.now.devices:
            if device.memory_used_bytes:
                yield f"device {device.index}: {device.memory_used_bytes} bytes in use"


class StartsSucceed(Invariant):
    """An application starts, and starts again after its end, unless a fault prevents it."""

    name = "starts-succeed"

    def broken(self, probe: Probe) -> Iterable[str]:
        """See the base class."""
        preventing = {"load-failure", "device-lost", "driver-missing", "driver-old", "dram-full"}
        return () if any(event.fault in preventing for event in probe.happened) else probe.refused


class EccNeedsAFault(Invariant):
    """ECC events occur only after ECC faults."""

    name = "ecc-needs-a-fault"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        kinds = {event.fault.replace("-", "_") for event in probe.happened if event.fault is not None}
        for device in probe.now.devices:
            for event, count in device.ecc._asdict().items():
                if count and event not in kinds:
                    yield f"device {device.index}: {count} {event}"


class RatesCanBeComputed(Invariant):
    """The rates between two samples, which viewers show, are not negative."""

    name = "rates-can-be-computed"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        if probe.before is None:
            return
        for runtime in rates(probe.before, probe.now).runtimes.values():
            if runtime.executions is not None and any(count < 0 for count in runtime.executions):
                yield f"executions {tuple(runtime.executions)} within a period"


INVARIANTS: tuple[type[Invariant], ...] = (
    CountersNeverGoBack, RequestsAreConserved, LatenciesAreCounted, ErrorsHaveOutcomes, CoresAreBusyInTime,
    MemoryAddsUp, EverythingReturns, StartsSucceed, EccNeedsAFault, AlertsHaveCauses, EccAlertFires, GoneAlertFires,
    RatesCanBeComputed,
)  # fmt: skip
"""All of them. In addition, every exception during a trial is a failure: :data:`.trial.NOTHING_FAILS`."""

"""What must be true of every node whatever happens to it: one row per invariant.

To add one, write a subclass of :class:`Invariant` and give it to :func:`.find.search`, or name it on the command line:
``neuron-sim scenario search base.yaml --invariant my_module:MyInvariant``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import ClassVar, NamedTuple

from neuron_tools.scenario.promql.rules import Firing
from neuron_tools.scenario.schema import EventSpec, Scenario, seconds_of
from runtime_core.telemetry import rates
from runtime_core.telemetry.snapshot import Runtime, Snapshot

_MOST_WAITING = 60
"""Requests that may be in progress or wait on a node that nothing happened to; its load is half of what it can take."""


class Probe(NamedTuple):
    """A node at a sample.

    Attributes:
        scenario: what it runs.
        seconds: since the start.
        before: the sample before; ``None`` at the first.
        now: the node.
        requests: tag -> requests that have arrived at its application; only where it serves requests one by one, and
            runs without a break since its start.
        happened: the events so far, ends of applications apart.
        fired: every alert so far.
        refused: why an application could not start, each time one could not.
        over: whether everything was stopped, at the end.
    """

    scenario: Scenario
    seconds: float
    before: Snapshot | None
    now: Snapshot
    requests: Mapping[str, int]
    happened: tuple[EventSpec, ...]
    fired: tuple[Firing, ...]
    refused: tuple[str, ...] = ()
    over: bool = False


class Invariant:
    """Something that is always true. One object watches one run."""

    name: ClassVar[str]

    def broken(self, probe: Probe) -> Iterable[str]:
        """What is wrong at a sample; nothing when all is well."""
        raise NotImplementedError


class CountersNeverGoBack(Invariant):
    """No counter of a runtime or a device is less than it was."""

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
    """A request that arrived ends once: never twice, and soon while nothing is wrong."""

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
    """No more errors than executions that failed."""

    name = "errors-have-outcomes"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        for runtime in probe.now.runtimes:
            if runtime.executions is not None and runtime.errors is not None:
                failed = sum(runtime.executions) - runtime.executions.completed
                if sum(runtime.errors) > failed:
                    yield f"{runtime.tag}: {sum(runtime.errors)} errors, {failed} executions failed"


class CoresAreBusyInTime(Invariant):
    """A core is not busy for longer than time passes."""

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
    """The memory in use on a device is that of the runtimes on it."""

    name = "memory-adds-up"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        for device in probe.now.devices:
            left = probe.now.unattributed_memory_bytes(device)
            if left:
                yield f"device {device.index}: {left} bytes belong to no runtime"


class EverythingReturns(Invariant):
    """When all applications ended, no runtime, no core and no byte of device memory is in use."""

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
    """ECC events are those of ECC faults."""

    name = "ecc-needs-a-fault"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        kinds = {event.fault.replace("-", "_") for event in probe.happened if event.fault is not None}
        for device in probe.now.devices:
            for event, count in device.ecc._asdict().items():
                if count and event not in kinds:
                    yield f"device {device.index}: {count} {event}"


_FAILING = {
    "execution-error", "nan", "core-hang", "device-lost", "mem-ecc-uncorrected", "sram-ecc-uncorrected", "reset",
    "queue-overflow", "link-down", "load-failure",
}  # fmt: skip
_CAUSES: Mapping[str, set[str]] = {
    "NeuronCoreHung": {"core-hang"},
    "NeuronErrorBudgetBurnsFast": _FAILING,
    "NeuronErrorBudgetBurnsSlowly": _FAILING,
    "NeuronLatencyOverObjective": {"slow-core", "dram-bandwidth", "core-hang", "link-slow"},
    "NeuronEccUncorrected": {"mem-ecc-uncorrected", "sram-ecc-uncorrected"},
    "NeuronRuntimeGone": {"kill", "end"},
    "NeuronRuntimeUnreadable": {"hold"},
    "NeuronMonitorStale": {"driver-missing"},
}


class AlertsHaveCauses(Invariant):
    """An alert fires only after something that explains it."""

    name = "alerts-have-causes"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        causes = {str(event.fault) for event in probe.happened if event.fault is not None}
        causes |= {name for name in ("kill", "hold", "reset") for e in probe.happened if getattr(e, name) is not None}
        if any(a.end is not None and seconds_of(a.end) <= probe.seconds for a in probe.scenario.applications):
            causes.add("end")
        for firing in probe.fired:
            if not causes & _CAUSES.get(firing.name, set()):
                yield f"{firing.name} fires after {', '.join(sorted(causes)) or 'nothing'}"


class EccAlertFires(Invariant):
    """An uncorrected ECC event between two samples that both saw the device is an alert at the second."""

    name = "ecc-alert-fires"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        if probe.before is None or probe.over or any(f.name == "NeuronEccUncorrected" for f in probe.fired):
            return
        before = {d.index: (d.ecc.mem_ecc_uncorrected, d.ecc.sram_ecc_uncorrected) for d in probe.before.devices}
        for device in probe.now.devices:
            now = device.ecc.mem_ecc_uncorrected, device.ecc.sram_ecc_uncorrected
            if device.index in before and now != before[device.index]:
                yield f"device {device.index}: uncorrected events {before[device.index]} became {now}, and no alert"


class GoneAlertFires(Invariant):
    """An application that was killed eight minutes ago, and did not come back, is an alert."""

    name = "gone-alert-fires"

    def broken(self, probe: Probe) -> Iterator[str]:
        """See the base class."""
        alive = {runtime.tag for runtime in probe.now.runtimes}
        # The alert takes a number for the pid of a runtime without a tag, which nobody expects back.
        killed = [e for e in probe.happened if e.kill is not None and not e.kill.isdigit()]
        gone = [e for e in killed if probe.seconds - seconds_of(e.at) >= 480]
        last = {e.kill or "": e for e in probe.happened}
        for event in gone:
            lived = any(
                a.tag == event.kill
                and seconds_of(a.start) + 60 <= seconds_of(event.at)
                and not (a.end and seconds_of(a.end) <= seconds_of(event.at))
                for a in probe.scenario.applications
            )
            starts = any(
                a.tag == event.kill and seconds_of(a.start) > seconds_of(event.at) for a in probe.scenario.applications
            )
            if not lived or starts or event.kill in alive or last[event.kill or ""] is not event or _blind(probe):
                continue
            if not any(f.name == "NeuronRuntimeGone" for f in probe.fired):
                yield f"{event.kill} was killed at {event.at}, and no alert tells it"


def _blind(probe: Probe) -> bool:
    return any(event.fault == "driver-missing" for event in probe.happened)


class RatesCanBeComputed(Invariant):
    """Two samples give rates of no less than nothing, as viewers show them."""

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
"""All of them; that no viewer fails is checked by looking."""

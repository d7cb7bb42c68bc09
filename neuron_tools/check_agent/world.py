"""The node shown to agents: reports of two applications, one before and one after the disturbance."""

from __future__ import annotations

from typing import NamedTuple

from neuron_monitor.collector import Collector
from neuron_monitor.compat.forms import encode_compat
from neuron_monitor.compat.releases import Compat
from neuron_monitor.config import default_config
from neuron_monitor.report import Report
from neuron_monitor.wire import encode_report
from runtime_core.errors import NodeError
from runtime_core.histogram import Histogram, bucket_index
from runtime_core.instance import DEVICE_MEMORY_BYTES, instance_type
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    CpuTimes,
    Device,
    EccCounts,
    ErrorCounts,
    ExecutionCounts,
    Host,
    HostMemory,
    Instance,
    Runtime,
    Snapshot,
    VcpuTimes,
)
from runtime_core.topology import topology

_SECOND_NS = 10**9
_PERIOD_SECONDS = 5
_LATENCY_NS = 3_000_000
INSTANCE_TYPE = "inf1.6xlarge"


class Application(NamedTuple):
    """An application on the node; its figures identify it in an agent's output.

    Attributes:
        pid, tag: identity of its process.
        core: the core that it uses.
        utilization_ratio: utilization of the core.
        tensor_bytes: tensors in device memory.
        unavailable: the source does not provide its counters.
    """

    pid: int
    tag: str
    core: int
    utilization_ratio: float
    tensor_bytes: int
    unavailable: bool = False

    @property
    def marks(self) -> tuple[str, ...]:
        """Return texts whose presence shows that an agent has processed this application's figures."""
        percent = f"{100 * self.utilization_ratio:.2f}"
        return self.tag, str(self.tensor_bytes), percent, f"{self.utilization_ratio:.4f}"


BEFORE = Application(4242, "check-agent-before", 1, 0.2347, 77_594_624)
AFTER = Application(4343, "check-agent-after", 6, 0.6173, 91_226_112)
UNAVAILABLE = AFTER._replace(unavailable=True)


def _runtime(app: Application, seconds: int, *, idle: bool) -> Runtime:
    count = 0 if idle else 100 * seconds
    busy_ns = 0 if idle else round(seconds * _SECOND_NS * app.utilization_ratio)
    memory = CoreMemory(0, 0, 0, 0, app.tensor_bytes)
    use = CoreUse(busy_ns, count * 10**9, count, 1, memory, CoreStatusCounts(count))
    latency = Histogram({bucket_index(_LATENCY_NS): count} if count else {}, count * _LATENCY_NS)
    known = not app.unavailable
    return Runtime(
        app.pid,
        app.pid,
        seconds * _SECOND_NS,
        1000,
        app.tag,
        "python3 serve.py",
        "2.0.0",
        "",
        {app.core: use if known else CoreUse(None, None, None, None, CoreMemory(), CoreStatusCounts())},
        ExecutionCounts(completed=count) if known else None,
        ErrorCounts() if known else None,
        latency if known else None,
        latency if known else None,
        HostMemory(1 << 20, 0, 1 << 20, 0) if known else None,
        (),
        CpuTimes(0.5 * seconds, 0.1 * seconds) if known else None,
    )


def _snapshot(seconds: int, apps: tuple[Application, ...], *, idle: bool) -> Snapshot:
    devices = tuple(
        Device(
            d.index, d.bdf, d.core_ids, d.connected, d.east, d.west, DEVICE_MEMORY_BYTES, 0,
            EccCounts(0, None if UNAVAILABLE in apps else 0, 0, 0), d.cpu_affinity, d.numa_node, 0, 0,
        )
        for d in topology(instance_type(INSTANCE_TYPE)).devices
    )  # fmt: skip
    vcpu = VcpuTimes(0.3 * seconds, 0, 0.1 * seconds, 0.6 * seconds, 0, 0, 0)
    host = Host(seconds * _SECOND_NS, (vcpu,) * 4, 1000 * seconds, 48 << 30, 6 << 30, 0, 0)
    return Snapshot(
        seconds * _SECOND_NS,
        seconds * _SECOND_NS,
        "check-agent",
        Instance(INSTANCE_TYPE, "i-0123456789abcdef0", "check-agent", "us-east-1a", "use1-az1", "us-east-1"),
        "2.0.0",
        devices,
        tuple(_runtime(app, seconds, idle=idle) for app in apps),
        host,
    )


class _Source:
    """Returns snapshots one after the other."""

    name = "check-agent"

    def __init__(self, snapshots: list[Snapshot]) -> None:
        self._left = iter(snapshots)

    def snapshot(self, *, host: bool = False) -> Snapshot:
        found = next(self._left)
        return found if host else found._replace(host=None)

    def pin(self, pid: int, start_ns: int) -> int:
        raise NodeError(f"process {pid} is simulated")

    def close(self) -> None:
        pass


def reports_of(*apps: Application, count: int, first_seconds: int = 5, idle: bool = False) -> list[Report]:
    """Return reports on a node with these applications, five seconds apart."""
    times = [first_seconds + _PERIOD_SECONDS * number for number in range(count + 1)]
    collector = Collector(_Source([_snapshot(t, apps, idle=idle) for t in times]), default_config(), 0)
    return [collector.collect(t * _SECOND_NS, everything=True).report for t in times[1:]]


def line_of(report: Report, compat: Compat | None) -> bytes:
    """Return the line of a report, including the newline."""
    return (encode_report(report) if compat is None else encode_compat(report, compat)) + b"\n"

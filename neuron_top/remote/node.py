"""A scrape as a moment of its node, so that a remote node is shown by the same views as one of this machine."""

from __future__ import annotations

import time
import zlib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext

from neuron_console.text import printable
from neuron_top.model.moment import NO_LATENCY, Clean, Latency, Moment
from neuron_top.remote.client import Client
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.rates import links_of, rates_of
from neuron_top.remote.scrape import Reader, Received, Scrape, fetch, read_scrape
from neuron_top.remote.series import TAG, Series, integer
from neuron_top.watcher import Watcher
from runtime_core.telemetry import NodeError, Snapshot
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    Device,
    EccCounts,
    ErrorCounts,
    ExecutionCounts,
    Host,
    HostMemory,
    Instance,
    Runtime,
    VcpuTimes,
)

_MAX_CORES = 4096
"""More than any node has: an answer that claims more is not believed."""


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


def _instance(node: Series, clean: Clean) -> Instance:
    labels: Mapping[str, str] = next((s.labels for s in node.all("instance_info")), {})
    return Instance(*(clean(labels.get(field, "")) for field in Instance._fields))


def _shape(node: Series) -> tuple[int, int, int | None]:
    """Devices, cores a device, bytes a device."""
    labels = node.all("neuron_hardware_info")[0].labels
    devices = integer(labels.get("neuron_device_count"))
    cores = integer(labels.get("neuroncore_per_device_count"))
    if devices is None or cores is None or not 0 <= devices * cores <= _MAX_CORES:
        raise NodeError("neuron_hardware_info does not tell how many devices and cores there are")
    return devices, cores, integer(labels.get("neuron_device_memory_size"))


def _devices(node: Series) -> tuple[Device, ...]:
    count, cores, size = _shape(node)
    used = node.by("neuron_device_memory_used_bytes", "neuron_device_index")
    total = node.by("neuron_device_memory_total_bytes", "neuron_device_index")
    links = node.by("neuron_device_link_transmit_bytes_total", "neuron_device_index", "direction")
    up = node.by("neuron_device_link_up", "neuron_device_index", "direction")
    ecc = node.by("hardware_ecc_events_total", "neuron_device_index", "event_type")
    devices = []
    named = sorted(n for (text,) in total if (n := integer(text)) is not None and n < _MAX_CORES)
    # A device that is lost leaves a gap in the numbers.
    indices = named if len(named) == count else list(range(count))
    for index in indices:
        name = str(index)
        # The East neighbour is the next device, on the last one of a ring the first.
        east = (index + 1) % (indices[-1] + 1) if (name, "east") in links else None
        west = (index - 1) % (indices[-1] + 1) if (name, "west") in links else None
        devices.append(
            Device(
                index,
                None,
                tuple(range(index * cores, (index + 1) * cores)),
                tuple(n for n in (east, west) if n is not None),
                east,
                west,
                _whole(total.get((name,))) or size,
                _whole(used.get((name,))),
                EccCounts(*(_whole(ecc.get((name, field))) for field in EccCounts._fields)),
                None,
                None,
                _whole(links.get((name, "east"))),
                _whole(links.get((name, "west"))),
                down_links=tuple(
                    end
                    for direction, end in (("east", east), ("west", west))
                    if end is not None and up.get((name, direction)) == 0
                ),
            )
        )
    return tuple(devices)


def _pids(node: Series) -> dict[str, int]:
    """Tag -> the lowest pid of those that own cores."""
    found: dict[str, int] = {}
    for tag, text in node.by("neuroncore_owner_info", TAG, "pid"):
        pid = integer(text)
        if pid is not None:
            found[tag] = min(pid, found.get(tag, pid))
    return found


def _pods(node: Series, clean: Clean) -> dict[int, str]:
    """Core -> the pod that uses it."""
    found = node.by("neuroncore_pod_info", "neuroncore", "pod_namespace", "pod_name")
    named = ((integer(core), f"{namespace}/{pod}") for core, namespace, pod in found)
    return {core: clean(pod) for core, pod in named if core is not None}


def _cores(node: Series, known: frozenset[int]) -> dict[str, dict[int, CoreMemory]]:
    """Return tag -> core -> memory. The memory of an owned core without figures is unknown."""
    parts: dict[str, dict[int, dict[str, int]]] = {}
    for field in CoreMemory._fields:
        for (tag, core), value in node.by(f"neuroncore_memory_usage_{field}", TAG, "neuroncore").items():
            parts.setdefault(tag, {}).setdefault(integer(core) or 0, {})[field] = int(value)
    for name in ("neuroncore_utilization_ratio", "neuroncore_owner_info"):
        for tag, core in node.by(name, TAG, "neuroncore"):
            parts.setdefault(tag, {}).setdefault(integer(core) or 0, {})
    return {
        tag: {core: CoreMemory(**memory) for core, memory in sorted(cores.items()) if core in known}
        for tag, cores in parts.items()
    }


def _runtimes(node: Series, devices: Iterable[Device], time_ns: int, clean: Clean) -> dict[str, Runtime]:
    """One a tag: processes of one tag share their series."""
    cores = _cores(node, frozenset(core for d in devices for core in d.core_ids))
    executions = node.by("execution_status_total", TAG, "status_type")
    errors = node.by("execution_errors_total", TAG, "error_type")
    pids = _pids(node)
    readable = node.by("neuron_runtime_readable", TAG)
    tags = dict.fromkeys((*cores, *(tag for tag, _ in executions), *(tag for (tag,) in readable)))
    found = {}
    for tag in tags:
        status = [executions.get((tag, field)) for field in ExecutionCounts._fields]
        failed = [errors.get((tag, field)) for field in ErrorCounts._fields]
        uses = {
            core: CoreUse(None, None, None, None, memory, CoreStatusCounts())
            for core, memory in cores.get(tag, {}).items()
        }
        found[tag] = Runtime(
            pids.get(tag) or integer(tag) or 0,
            zlib.crc32(tag.encode("utf-8", "replace")),
            time_ns,
            -1,
            clean(tag),
            "",
            "",
            "",
            uses,
            None if None in status else ExecutionCounts(*(int(v or 0) for v in status)),
            None if None in failed else ErrorCounts(*(int(v or 0) for v in failed)),
            None,
            None,
            HostMemory(),
            (),
            None,
            "its monitor can't read it" if readable.get((tag,)) == 0 else "",
        )
    return found


def _host(node: Series, time_ns: int) -> Host | None:
    count = integer(str(_whole(node.one("system_vcpu_count"))))
    memory = [_whole(node.one(f"system_{name}_bytes")) for name in
              ("memory_total", "memory_used", "swap_total", "swap_used")]  # fmt: skip
    if not count or count > _MAX_CORES or None in memory:
        return None
    return Host(time_ns, (VcpuTimes(0, 0, 0, 0, 0, 0, 0),) * count, 0, *(m or 0 for m in memory))


def _latencies(node: Series) -> dict[str, Latency]:
    found = node.by("execution_latency_seconds", TAG, "percentile")
    tags = dict.fromkeys(tag for tag, _ in found)
    nanoseconds = {key: value * 1e9 for key, value in found.items()}
    return {tag: Latency(nanoseconds.get((tag, "p50")), nanoseconds.get((tag, "p99"))) for tag in tags}


def _overall(latencies: Iterable[Latency]) -> Latency:
    """Percentiles of several runtimes cannot be merged: only the worst p99 is reported."""
    known = [latency for latency in latencies if latency.p99_ns is not None]
    if len(known) == 1:
        return known[0]
    return Latency(None, max(v.p99_ns for v in known if v.p99_ns is not None)) if known else NO_LATENCY


def moment_of(name: str, scrape: Scrape, before: Snapshot | None, clean: Clean = printable) -> Moment:
    """Return the node that a scrape describes; ``before`` is the node at an earlier report, for counts.

    Raises:
        NodeError: it does not tell how many devices and cores the node has.
    """
    node = Series(scrape.samples)
    if node.one("neuron_node_readable") == 0:
        raise NodeError(f"the neuron-monitor of {name} can't read its node")
    devices = _devices(node)
    runtimes = _runtimes(node, devices, scrape.time_ns, clean)
    host = _host(node, scrape.time_ns)
    snapshot = Snapshot(
        scrape.time_ns, scrape.wall_time_ns, name, _instance(node, clean), "", devices, tuple(runtimes.values()), host
    )
    seconds = (scrape.time_ns - before.time_ns) / 1e9 if before is not None else 0.0
    latencies = _latencies(node)
    return Moment(
        snapshot,
        rates_of(node, runtimes, snapshot, before, seconds),
        {runtime.key: latencies.get(tag, NO_LATENCY) for tag, runtime in runtimes.items()},
        _overall(latencies.values()),
        links_of(snapshot, before, seconds),
        pods=_pods(node, clean),
    )


_SAME_REPORT_NS = 200_000_000
"""Two answers of one report: their ages are measured, sent and received a little apart."""


class RemoteLook:
    """A node looked at through its neuron-monitor."""

    local = False

    def __init__(
        self,
        endpoint: Endpoint,
        timeout_seconds: float = 5.0,
        clean: Clean = printable,
        reading: AbstractContextManager[object] | None = None,
        reader: Reader | None = None,
        client: Client | None = None,
    ) -> None:
        """No request is sent before :meth:`moment`; ``reading`` is held while ``reader`` parses a response."""
        self._client = client if client is not None else Client()
        self.endpoint = endpoint
        self._timeout_seconds = timeout_seconds
        self._clean = clean
        self._reading = reading if reading is not None else nullcontext()
        self._reader = reader if reader is not None else Reader()
        self._last: Moment | None = None
        self._watcher = Watcher(clean)

    @property
    def name(self) -> str:
        """The endpoint."""
        return str(self.endpoint)

    def pin(self, pid: int, start_ns: int) -> int:
        """Refused: see :meth:`neuron_top.looks.Look.pin`."""
        raise NodeError(f"process {pid} runs on {self.endpoint}", mend="send the signal there")

    def moment(self) -> Moment:
        """Query the node once. A response with the same report returns the same moment."""
        last, self._last = self._last, None
        text = fetch(self.endpoint, self._timeout_seconds, self._client)
        received = Received(time.monotonic_ns(), time.time_ns())
        with self._reading:
            scrape = read_scrape(self.endpoint, self._reader, text, received)
            if last is None or abs(scrape.time_ns - last.snapshot.time_ns) >= _SAME_REPORT_NS:
                before = last.snapshot if last is not None else None
                last = self._watcher.judged(moment_of(self.name, scrape, before, self._clean))
        self._last = last
        return last

    def close(self) -> None:
        """There is nothing to close."""

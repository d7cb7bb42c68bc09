"""The cost of Neuron on Kubernetes: the device plugin, idle and with allocations, and the scheduler's filter.

The peers in the same run are a gRPC server that returns an empty message (for the plugin), and parsing the request and
writing the response (for the filter).
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec
import psutil

from benchmarks.harness import Figure, report
from neuron_tools.kubernetes import names
from neuron_tools.kubernetes.objects import NodeObject, Request
from neuron_tools.kubernetes.rehearsal.kubelet import Container, Kubelet
from neuron_tools.kubernetes.scheduler.extender import Extender
from runtime_core.driver.node import set_up

IDLE_SECONDS = 20.0
ALLOCATIONS = 500
ALLOCATIONS_PER_SECOND = 50
NODES = 1000
FILTERS = 40
_BARE_SERVER = """
import grpc, sys, time
from concurrent.futures import ThreadPoolExecutor
server = grpc.server(ThreadPoolExecutor(16))
handler = grpc.unary_unary_rpc_method_handler(lambda raw, context: b"")
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("v1beta1.DevicePlugin", {"Allocate": handler}),))
server.add_insecure_port(f"unix:{sys.argv[1]}")
server.start()
time.sleep(600)
"""


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _plugin() -> list[Figure]:
    kubelet = Kubelet()
    root = kubelet.folder / "node"
    set_up(root, type_name="inf1.24xlarge")
    command = [sys.executable, "-m", "neuron_tools.kubernetes.plugin", "--source", "sim"]
    command += ["--kubelet-dir", str(kubelet.plugin_dir), "--pod-resources-socket", str(kubelet.pod_resources)]
    command += ["--state-dir", str(kubelet.folder / "state")]
    started = subprocess.Popen(
        command, stderr=subprocess.DEVNULL, env={"NEURON_SIM_ROOT": str(root), "PATH": "/usr/bin:/bin"}
    )
    try:
        if not kubelet.wait_for(*names.RESOURCES):
            raise SystemExit("the plugin did not register")
        process = psutil.Process(started.pid)
        time.sleep(2)
        before = _cpu_seconds(process)
        time.sleep(IDLE_SECONDS)
        idle = (_cpu_seconds(process) - before) / IDLE_SECONDS * 100
        idle_mib = process.memory_info().rss / 2**20
        before, began = _cpu_seconds(process), time.monotonic()
        times_ms = []
        for number in range(ALLOCATIONS):
            due = began + number / ALLOCATIONS_PER_SECOND
            time.sleep(max(0.0, due - time.monotonic()))
            asked = time.perf_counter()
            kubelet.admit(Container(f"p{number}"), names.CORE_RESOURCE, 2)
            times_ms.append((time.perf_counter() - asked) * 1e3)
            kubelet.end(f"p{number}")
        busy = (_cpu_seconds(process) - before) / (time.monotonic() - began) * 100
        busy_mib = process.memory_info().rss / 2**20
    finally:
        started.kill()
        started.wait()
        kubelet.close()
    peer_ms, peer_mib = _bare_server()
    median_ms = statistics.median(times_ms)
    return [
        Figure("plugin idle, CPU", idle, "% of a core", 0.5),
        Figure("plugin idle, RSS", idle_mib, "MiB", 45),
        Figure(f"plugin at {ALLOCATIONS_PER_SECOND} pods/s, CPU", busy, "% of a core", note="two calls a pod"),
        Figure(f"plugin at {ALLOCATIONS_PER_SECOND} pods/s, RSS", busy_mib, "MiB", 45),
        Figure("a pod's ids, median", median_ms, "ms", note="GetPreferredAllocation and Allocate"),
        Figure("peer: two empty calls of a bare gRPC server, median", peer_ms, "ms"),
        Figure("a pod's ids as a ratio to the peer", median_ms / peer_ms, "x"),
        Figure("peer: RSS of a bare gRPC server", peer_mib, "MiB"),
    ]


def _bare_server() -> tuple[float, float]:
    import grpc

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/s"
        server = subprocess.Popen([sys.executable, "-c", _BARE_SERVER, path])
        try:
            while not Path(path).exists():
                time.sleep(0.02)
            with grpc.insecure_channel(f"unix:{path}") as channel:
                ask: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/v1beta1.DevicePlugin/Allocate")
                times_ms = []
                for _ in range(ALLOCATIONS // 5):
                    time.sleep(1 / ALLOCATIONS_PER_SECOND)
                    asked = time.perf_counter()
                    ask(b"", timeout=5)
                    ask(b"", timeout=5)
                    times_ms.append((time.perf_counter() - asked) * 1e3)
            return statistics.median(times_ms), psutil.Process(server.pid).memory_info().rss / 2**20
        finally:
            server.kill()
            server.wait()


class _NoCluster:
    """A cluster that is never called, because the extender already has the nodes."""

    def __getattr__(self, name: str) -> object:
        raise SystemExit(f"the filter asked the API server: {name}")


def _filter() -> list[Figure]:
    extender = Extender(_NoCluster())  # type: ignore[arg-type]
    nodes = [f"node-{number}" for number in range(NODES)]
    labels = {names.INSTANCE_TYPE_LABELS[0]: "inf1.24xlarge"}
    capacity = {names.DEVICE_RESOURCE: "16", names.CORE_RESOURCE: "64"}
    for number, name in enumerate(nodes):
        raw = {"metadata": {"name": name, "labels": labels}, "status": {"capacity": capacity}}
        extender.usage.node_changed(name, msgspec.convert(raw, NodeObject))
        # The nodes have about sixty different states.
        for core in range(number % 61):
            if number % 3 == 0:
                request = Request(names.CORE_RESOURCE, 1, (1,))
                extender.usage.take(("d", f"p{core}-{name}"), request, name)
    requests = [
        json.dumps({"Pod": _pod_object(count), "Nodes": None, "NodeNames": nodes}).encode() for count in (1, 3, 8, 4)
    ]
    first_ms = _filter_ms(extender, requests[0])
    times_ms = [_filter_ms(extender, requests[number % len(requests)]) for number in range(FILTERS)]
    peer_ms = statistics.median(_plain_ms(requests[number % len(requests)]) for number in range(FILTERS))
    median_ms = statistics.median(times_ms)
    return [
        Figure(f"filter over {NODES} nodes, median", median_ms, "ms", 20),
        Figure(f"filter over {NODES} nodes, slowest", max(times_ms), "ms", 20),
        Figure("the very first filter", first_ms, "ms", note="states of nodes are not known yet"),
        Figure("peer: read the request, write the names", peer_ms, "ms"),
        Figure("filter as a ratio to the peer", median_ms / peer_ms, "x"),
    ]


def _pod_object(count: int) -> dict[str, object]:
    container = {"name": "main", "resources": {"limits": {names.CORE_RESOURCE: str(count)}}}
    return {"metadata": {"name": "p", "namespace": "d"}, "spec": {"containers": [container]}}


def _filter_ms(extender: Extender, raw: bytes) -> float:
    began = time.perf_counter()
    found = extender.filter(raw)
    msgspec.json.encode({"NodeNames": found.fits, "FailedNodes": found.failed})
    return (time.perf_counter() - began) * 1e3


def _plain_ms(raw: bytes) -> float:
    began = time.perf_counter()
    msgspec.json.encode({"NodeNames": msgspec.json.decode(raw)["NodeNames"], "FailedNodes": {}})
    return (time.perf_counter() - began) * 1e3


def main() -> None:
    """Measure with a temporary node and kubelet."""
    report("kubernetes", [*_plugin(), *_filter()])

"""The overhead of neuron-rtd per request, compared with a grpcio echo of the same size; shared memory; pipelining."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import grpc
from google.protobuf.message import Message

from benchmarks.harness import Figure, before_program, report
from runtime_core.engine.plan import plan_of
from runtime_core.engine.timing.parameters import CORE_SINGLE_FLOPS
from runtime_core.instance import instance_type
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.reader import read_neff
from runtime_core.neff.writer import encode_neff
from runtime_core.rtd.client import Client, Shared, infer_request
from runtime_core.rtd.wire import CHANNEL_OPTIONS
from runtime_core.topology import topology

SMALL, LARGE = 4 * 1024, 4 * 1024**2
IN_FLIGHT = (1, 8, 64)
REQUESTS = {SMALL: 512, LARGE: 64}
ROUNDS = {SMALL: 9, LARGE: 3}
STAGES, STAGE_SECONDS = 4, 0.01
_ECHO = """
import sys, time, grpc
from concurrent.futures import ThreadPoolExecutor
from runtime_core.rtd.daemon import wake_on_time
from runtime_core.rtd.wire import CHANNEL_OPTIONS
wake_on_time()
def waiting(request, _):
    time.sleep(float(sys.argv[2]))
    return request
server = grpc.server(ThreadPoolExecutor(128), options=CHANNEL_OPTIONS)
methods = {
    "echo": grpc.unary_unary_rpc_method_handler(lambda request, _: request),
    "waiting": grpc.unary_unary_rpc_method_handler(waiting),
}
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("bare", methods),))
server.add_insecure_port(sys.argv[1])
server.start()
server.wait_for_termination()
"""


def copying(size_bytes: int) -> bytes:
    """A network that copies its input, the minimum work for a request."""
    x, y = (TensorSpec(name, DType.UINT8, (size_bytes,)) for name in "xy")
    node = Node("copy", NodeKind.NEURON, (x,), (y,), 0, (Instruction(EngineKind.DMA, "copy", ("x",), ("y",)),))
    return encode_neff(Neff(Graph(f"copy{size_bytes}", (x,), (y,), (node,))))


def pipelined() -> bytes:
    """Four equal stages on four cores."""
    specs = tuple(TensorSpec(f"t{i}", DType.FLOAT32, (2, 2)) for i in range(STAGES + 1))
    flops = int(CORE_SINGLE_FLOPS * STAGE_SECONDS)
    weight = Parameter(TensorSpec("w", DType.FLOAT32, (2, 2)), 0)
    nodes = tuple(
        Node(f"s{i}", NodeKind.NEURON, (specs[i],), (specs[i + 1],), i,
             (Instruction(EngineKind.PE, "matmul", (specs[i].name, "w"), (specs[i + 1].name,), {}, flops),),
             (weight,), (), 16)
        for i in range(STAGES)
    )  # fmt: skip
    params = {f"s{i}": bytes(16) for i in range(STAGES)}
    return encode_neff(Neff(Graph("pipeline", specs[:1], specs[-1:], nodes, core_count=STAGES), params))


def modelled_seconds(content: bytes) -> float:
    """Return the modelled time of an execution on idle cores, including the transfers of the tensors."""
    graph = read_neff(content).graph
    plan = plan_of(graph, tuple(range(graph.core_count)), topology(instance_type("inf1.xlarge")))
    return plan.alone_ns / 1e9


def latency_seconds(call: Callable[[], object], in_flight: int, requests: int) -> float:
    """Return the median time of a call while ``in_flight`` calls run."""
    each = max(3, requests // in_flight)
    times: list[float] = []

    def client() -> None:
        own = []
        for _ in range(each):
            started = time.perf_counter()
            call()
            own.append(time.perf_counter() - started)
        times.extend(own)

    threads = [threading.Thread(target=client) for _ in range(in_flight)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return statistics.median(times)


class Servers(NamedTuple):
    """A daemon, and two echo calls, which respond at once or after the time of a small inference."""

    client: Client
    echo: Callable[[bytes], object]
    waiting: Callable[[bytes], object]


@contextmanager
def servers(folder: Path, programs: Path = Path(sys.executable).parent) -> Iterator[Servers]:
    """Start the daemon of an installation and the echo in separate processes."""
    environment = {**os.environ, "NEURON_SIM_ROOT": str(folder / "node")}
    up = [str(programs / "neuron-sim"), "up", "--instance-type", "inf1.2xlarge"]
    subprocess.run(up, check=True, env=environment, stdout=subprocess.DEVNULL)
    daemon, echo = f"unix:{folder}/rtd.sock", f"unix:{folder}/echo.sock"
    processes = [
        subprocess.Popen([str(programs / "neuron-rtd"), "-g", daemon, "-x", "-l", "3"], env=environment),
        subprocess.Popen([sys.executable, "-c", _ECHO, echo, str(modelled_seconds(copying(SMALL)))]),
    ]
    try:
        with Client(daemon) as client, grpc.insecure_channel(echo, options=CHANNEL_OPTIONS) as channel:
            client.wait_until_ready(30)
            grpc.channel_ready_future(channel).result(30)
            echoing: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/bare/echo")
            waiting: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary("/bare/waiting")
            yield Servers(client, echoing, waiting)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def infer_call(client: Client, request: Message) -> Callable[[], object]:
    """An inference as by a framework: the request is built once."""
    from runtime_core.rtd.proto import nmgr_pb2

    def call() -> None:
        answer = client.call("infer", request, nmgr_pb2.infer_response)
        if answer.status.code:
            raise SystemExit(f"infer failed: {answer.status}")

    return call


def overhead(started: Servers, size_bytes: int, shared: str) -> list[Figure]:
    """Return the time of a request beyond the modelled time, and the total time of the echo."""
    client = started.client
    content = copying(size_bytes)
    network = client.load(content, ninfer=max(IN_FLIGHT))
    payload = os.urandom(size_bytes)
    modelled = modelled_seconds(content)
    name = f"{size_bytes // 1024} KiB"
    inline = infer_call(client, infer_request(network, {"x": payload}))
    figures = []
    for in_flight in IN_FLIGHT:
        requests = REQUESTS[size_bytes]
        # Measured in turn, so that changes of the machine's load affect both; the result is the median of the ratios.
        rounds = []
        peers = []
        for _ in range(ROUNDS[size_bytes]):
            bare = latency_seconds(lambda: started.echo(payload), in_flight, requests)
            rounds.append((latency_seconds(inline, in_flight, requests) - modelled, bare))
            if size_bytes == SMALL:
                waited = latency_seconds(lambda: started.waiting(payload), in_flight, requests)
                peers.append((waited - modelled) / bare)
        added, bare = sorted(rounds, key=lambda pair: pair[0] / pair[1])[len(rounds) // 2]
        goal = 1.5 if size_bytes == SMALL else None
        note = f"overhead {added * 1e6:.0f} us, echo {bare * 1e6:.0f} us, modelled {modelled * 1e6:.0f} us"
        figures.append(Figure(f"{name}, {in_flight} in flight: overhead / echo", added / bare, "x", goal, note=note))
        if peers:
            title = f"peer: bare echo that waits the modelled time, {in_flight} in flight"
            figures.append(Figure(title, statistics.median(peers), "x", note="what waiting alone costs on this host"))
    if size_bytes == LARGE:
        figures += [shared_memory(client, network, payload, shared, in_flight, modelled) for in_flight in IN_FLIGHT]
    client.unload(network)
    return figures


def shared_memory(client: Client, network: int, payload: bytes, name: str, in_flight: int, modelled: float) -> Figure:
    """Return the ratio of the overhead of a request without and with shared memory."""
    Path("/dev/shm", name).write_bytes(payload)
    client.shm_map(name, read=True, write=True)
    try:
        place = Shared(name)
        inline = infer_call(client, infer_request(network, {"x": payload}))
        shared = infer_call(client, infer_request(network, {"x": place}, {"y": place}))
        requests = REQUESTS[LARGE]
        slow, fast = [], []
        for _ in range(3):
            slow.append(latency_seconds(inline, in_flight, requests))
            fast.append(latency_seconds(shared, in_flight, requests))
    finally:
        client.shm_unmap(name, read=True, write=True)
        Path("/dev/shm", name).unlink()
    inline_seconds, shared_seconds = statistics.median(slow), statistics.median(fast)
    note = f"whole requests: inline {inline_seconds * 1e3:.2f} ms, shared {shared_seconds * 1e3:.2f} ms"
    title = f"4096 KiB, {in_flight} in flight: overhead inline / shared memory"
    ratio = (inline_seconds - modelled) / (shared_seconds - modelled)
    return Figure(title, ratio, "x", 3.0, at_most=False, note=note)


def throughput(client: Client, content: bytes, ninfer: int, inferences: int) -> float:
    """Return inferences per second with a full queue."""
    network = client.load(content, ninfer=ninfer)
    call = infer_call(client, infer_request(network, {"t0": bytes(16)}))
    started = time.perf_counter()
    latency_seconds(call, ninfer, inferences)
    seconds = time.perf_counter() - started
    client.unload(network)
    return inferences / seconds


def main() -> None:
    """Measure everything in one run."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name, servers(Path(name)) as started:
        client = started.client
        for size_bytes in (SMALL, LARGE):
            figures += overhead(started, size_bytes, f"neuron-bench-{os.getpid()}")
        content = pipelined()
        alone = throughput(client, content, 1, 40)
        filled = throughput(client, content, STAGES + 1, 40 * (STAGES + 1))
        note = f"{alone:.1f}/s with ninfer 1, {filled:.1f}/s with ninfer {STAGES + 1}"
        goal = 0.9 * STAGES
        figures.append(Figure("pipeline of 4 cores: throughput", filled / alone, "x", goal, at_most=False, note=note))
    older = before_program("neuron-rtd")
    if older is not None:
        with (
            tempfile.TemporaryDirectory(prefix="neuron-bench-") as name,
            servers(Path(name), Path(older).parent) as began,
        ):
            before = overhead(began, SMALL, "")
        figures += [figure._replace(name=f"before: {figure.name}", goal=None) for figure in before]
    report("rtd", figures)

"""Generated snapshots: a node of any size, idle or busy, always the same."""

import numpy as np

from runtime_core.histogram import Histogram, bucket_index
from runtime_core.instance import DEVICE_MEMORY_BYTES, instance_type
from runtime_core.neff.graph import DType, EngineKind, Graph, Instruction, Node, NodeKind, Parameter, TensorSpec
from runtime_core.neff.model import Neff
from runtime_core.neff.writer import encode_neff
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
    Model,
    Runtime,
    Snapshot,
    Subgraph,
    SubgraphDeviceMemory,
    VcpuTimes,
)
from runtime_core.topology import topology

SECOND = 10**9
MIB = 1 << 20


def histogram(count, latency_ns=2_000_000):
    return Histogram({bucket_index(latency_ns): count} if count else {}, count * latency_ns)


def make_devices(size, used=0):
    return tuple(
        Device(d.index, d.bdf, d.core_ids, d.connected, d.east, d.west, DEVICE_MEMORY_BYTES, used,
               EccCounts(1, 0, 0, 0), d.cpu_affinity, d.numa_node, 0, 0)
        for d in topology(size).devices
    )  # fmt: skip


def make_runtime(seconds, pid, cores, tag, command="python serve.py", utilization=0.5, error=""):
    """A runtime with one model on each core, busy for ``utilization`` of the time, 100 executions a second."""
    device = SubgraphDeviceMemory(40 * MIB, MIB, 2 * MIB, 3 * MIB)
    host = HostMemory(MIB, 0, 2 * MIB, 0)
    models = tuple(
        Model(10001 + i, "resnet50", "ab" * 16, True, (Subgraph("sg_00", core, core // 4, host, device),))
        for i, core in enumerate(cores)
    )
    memory = CoreMemory(40 * MIB, MIB, 5 * MIB, 2 * MIB, 4 * MIB)
    count = int(100 * seconds)
    uses = {
        core: CoreUse(
            int(seconds * SECOND * utilization), int(seconds * 4e12), count, 1, memory, CoreStatusCounts(count)
        )
        for core in cores
    }
    total = HostMemory(MIB * len(cores), 0, 2 * MIB * len(cores), 512)
    return Runtime(
        pid, 1, int(seconds * SECOND), 0, tag, command, "0.1.0", "", uses,
        None if error else ExecutionCounts(count, 1, 0, 2), None if error else ErrorCounts(2, 0, 0, 1),
        histogram(count), histogram(count, 1_500_000), total, models, CpuTimes(seconds * 0.2, seconds * 0.1), error,
    )  # fmt: skip


def make_host(seconds, vcpus=4):
    times = VcpuTimes(seconds * 0.5, 0.0, seconds * 0.1, seconds * 0.4, 0.0, 0.0, 0.0)
    return Host(int(seconds * SECOND), (times,) * vcpus, int(1000 * seconds), 16 << 30, 4 << 30, 0, 0)


def make_snapshot(size="inf1.6xlarge", seconds=1.0, runtimes=(), host=True):
    """The node ``seconds`` after its start; ``runtimes``: arguments of :func:`make_runtime` after the time."""
    made = tuple(r if isinstance(r, Runtime) else make_runtime(seconds, *r) for r in runtimes)
    return Snapshot(
        int(seconds * SECOND),
        1_795_000_000 * SECOND + int(seconds * SECOND),
        "test",
        Instance(size, "i-0123456789abcdef0", "neuron-sim", "us-east-1a", "use1-az1", "us-east-1", "ami-1", "subnet-1"),
        "2.0.1",
        make_devices(instance_type(size)),
        made,
        make_host(seconds) if host else None,
    )


BUSY = ((101, (0, 1), "web"), (102, (4,), "batch", "/usr/bin/python3 -m trainer.main --with a very long command line"))


def tiny_neff():
    """The NEFF of x @ w on one core, which takes 0.1 ms; its input is ``x``, float32[2, 3]."""
    x, y = TensorSpec("x", DType.FLOAT32, (2, 3)), TensorSpec("y", DType.FLOAT32, (2, 4))
    weight = np.ones((3, 4), np.float32).tobytes()
    work = Instruction(EngineKind.PE, "matmul", ("x", "w"), ("y",), {}, 10**9)
    parameter = Parameter(TensorSpec("w", DType.FLOAT32, (3, 4)), 0)
    node = Node("a", NodeKind.NEURON, (x,), (y,), 0, (work,), (parameter,), (), len(weight))
    return encode_neff(Neff(Graph("tiny", (x,), (y,), (node,), core_count=1), {"a": weight}))

"""Model the time that the chip and its host take, from the computation and data movement of a graph's instructions.

The figures are in :mod:`runtime_core.engine.timing.parameters`; see ``docs/explanation/timing.md``.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from runtime_core.engine.timing.parameters import (
    CHANNEL_BYTES_PER_SECOND,
    DRAM_BYTES_PER_SECOND,
    LINK_BYTES_PER_SECOND,
    PARAMETERS,
    PCIE_BYTES_PER_SECOND,
    TimingParameters,
)
from runtime_core.engine.timing.recurrent import engine_seconds, steps_of
from runtime_core.engine.timing.residency import VIEWS, Traffic, peak_bytes, traffic
from runtime_core.engine.timing.tiles import pe_seconds
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.neff.graph import EngineKind, Graph, Instruction, Node, NodeKind, TensorSpec


class NodeTiming(NamedTuple):
    """Modelled cost of one node.

    Attributes:
        flops: floating-point operations.
        duration_ns: time on its core when 1, 2, 3 or 4 cores of the chip are active.
        dram_bytes: bytes transferred between the core and the chip's DRAM.
    """

    flops: int
    duration_ns: tuple[int, ...]
    dram_bytes: int


class HostTiming(NamedTuple):
    """Work of the host before or after the nodes of one execution.

    Attributes:
        work_ns: work of one thread on an otherwise idle physical core.
        transfer_ns: PCIe transfer of the tensors on an otherwise idle link.
    """

    work_ns: int
    transfer_ns: int

    @property
    def alone_ns(self) -> int:
        """Return the time of both on an idle instance."""
        return self.work_ns + self.transfer_ns


class GraphTiming(NamedTuple):
    """Modelled cost of one execution of a model that is loaded on its cores.

    Attributes:
        nodes: costs of the nodes, in the graph's order.
        before: from the call to the start of the first node: runtime, framework and transfer of the IFMAPs.
        after: from the end of the last node to the return of the call: transfer of the OFMAPs, runtime and framework.
    """

    nodes: tuple[NodeTiming, ...]
    before: HostTiming
    after: HostTiming


def time_graph(
    graph: Graph, cores: Sequence[int] | None = None, parameters: TimingParameters = PARAMETERS
) -> GraphTiming:
    """Model a graph. The weights of a core's nodes stay on chip between executions if there is room.

    Args:
        graph: graph of a NEFF.
        cores: the core for each core index in the nodes; ``None``: a separate core for each index.
        parameters: parameters of the model.
    """
    places = [node.core if cores is None or node.kind is NodeKind.CPU else cores[node.core] for node in graph.nodes]
    params_bytes: dict[int, int] = {}
    for node, place in zip(graph.nodes, places, strict=True):
        if node.kind is NodeKind.NEURON:
            params_bytes[place] = params_bytes.get(place, 0) + streamed_bytes(node)
    nodes = tuple(
        time_node(node, params_bytes.get(place, 0), parameters) for node, place in zip(graph.nodes, places, strict=True)
    )
    overhead_ns = round(parameters.execution_overhead_seconds / 2 * 1e9)
    before = input_timing(sum(t.size_bytes for t in graph.inputs), parameters)
    after = output_timing(sum(t.size_bytes for t in graph.outputs), parameters)
    return GraphTiming(
        nodes,
        before._replace(work_ns=overhead_ns + before.work_ns),
        after._replace(work_ns=overhead_ns + after.work_ns),
    )


def time_node(
    node: Node, core_params_bytes: int | None = None, parameters: TimingParameters = PARAMETERS
) -> NodeTiming:
    """Model one node. A CPU node processes each element of its tensors once.

    Args:
        node: a node of any kind.
        core_params_bytes: weights of all nodes on its core; ``None``: it is the only node there.
        parameters: parameters of the model.
    """
    overhead = parameters.node_overhead_seconds
    if node.kind is NodeKind.CPU:
        elements = sum(t.element_count for t in (*node.inputs, *node.outputs))
        duration = round((overhead + elements / parameters.vcpu_elements_per_second) * 1e9)
        return NodeTiming(0, (duration,) * CORES_PER_DEVICE, 0)
    costs = _costs(node, core_params_bytes, parameters)
    durations = tuple(
        round((overhead + sum(_timeline(costs, active, parameters))) * 1e9) for active in range(1, CORES_PER_DEVICE + 1)
    )
    return NodeTiming(node.flops, durations, sum(c.loaded_bytes + c.stored_bytes for c in costs))


def instruction_seconds(
    node: Node, core_params_bytes: int | None = None, active_cores: float = 1, parameters: TimingParameters = PARAMETERS
) -> list[float]:
    """Return the time that each instruction adds to a Neuron node, in seconds.

    Args:
        node: a Neuron node.
        core_params_bytes: weights of all nodes on its core; ``None``: it is the only node there.
        active_cores: cores of the chip that share its DRAM bandwidth, including this one. A fraction below 1 means more
            bandwidth than the chip has, which isolates the time of the engines.
        parameters: parameters of the model.
    """
    return _timeline(_costs(node, core_params_bytes, parameters), active_cores, parameters)


class _Cost(NamedTuple):
    """An instruction's time on its engine, the bytes that it loads from DRAM and stores there, and free memory.

    Attributes:
        engine_seconds, loaded_bytes, stored_bytes: see above.
        started: instructions that its engines start: none for a view, some for every step of a recurrent one.
        free_bytes: on-chip memory for data that is read ahead, once the instruction has ended.
    """

    engine_seconds: float
    loaded_bytes: int
    stored_bytes: int
    started: int
    free_bytes: int


def streamed_bytes(node: Node) -> int:
    """Return the bytes of weights that instructions read completely; indexed tables stay in DRAM."""
    by_index = {i.inputs[0] for i in node.instructions if i.opcode.startswith("gather") and i.inputs}
    return sum(p.spec.size_bytes for p in node.parameters if p.spec.name not in by_index)


def _costs(node: Node, core_params_bytes: int | None, parameters: TimingParameters) -> list[_Cost]:
    specs = {t.name: t for t in (*node.inputs, *node.outputs, *node.buffers, *(p.spec for p in node.parameters))}
    held = streamed_bytes(node) if core_params_bytes is None else core_params_bytes
    pinned, room = _divide_memory(held, peak_bytes(node), parameters)
    streamed_ratio = 1 - pinned / held if held else 0.0
    costs = []
    for instruction, moved in zip(node.instructions, traffic(node, room), strict=True):
        steps = steps_of(instruction, specs)
        repeated = 1 if steps is None else steps.number
        started = int(instruction.opcode not in VIEWS) if steps is None else steps.instructions
        costs.append(
            _Cost(
                _engine_seconds(instruction, moved, specs, parameters)
                if steps is None
                else sum(engine_seconds(steps, parameters).values()),
                repeated * round(streamed_ratio * moved.parameter_bytes) + moved.read_bytes,
                moved.written_bytes,
                started,
                max(parameters.transfer_buffer_bytes, parameters.on_chip_bytes - pinned - moved.held_bytes),
            )
        )
    return costs


def _divide_memory(weights: int, activations: int, parameters: TimingParameters) -> tuple[int, int]:
    """Return on-chip bytes for weights that stay between executions, and for activations, which take precedence."""
    spare = parameters.on_chip_bytes - activations
    if weights <= spare:
        return weights, parameters.on_chip_bytes - weights
    pinned = max(0, spare - parameters.transfer_buffer_bytes)
    return pinned, parameters.on_chip_bytes - parameters.transfer_buffer_bytes - pinned


def _engine_seconds(
    instruction: Instruction, moved: Traffic, specs: dict[str, TensorSpec], parameters: TimingParameters
) -> float:
    if instruction.engine is EngineKind.PE:
        return pe_seconds(instruction, specs, parameters)
    if instruction.engine is EngineKind.DMA:
        return moved.moved_bytes / parameters.move_bytes_per_second
    return instruction.flops / parameters.vector_flops_per_second


def _timeline(costs: Sequence[_Cost], active_cores: float, parameters: TimingParameters) -> list[float]:
    """Run the instructions in order, with concurrent DRAM transfers; return the time that each adds, in seconds.

    The compiler knows the order of all instructions, so data is read before it is needed as far as on-chip memory is
    free, and written in the background as far as the buffer allows. An instruction ends when its engine is done and all
    of its data has arrived; the node ends when all its data is written.
    """
    bandwidth = core_dram_bandwidth(active_cores)
    slack = parameters.transfer_buffer_bytes / bandwidth
    now = dram_free = 0.0
    ahead: deque[tuple[int, float, int]] = deque()  # bytes read ahead, when their instruction ends, memory then free
    buffered, free_bytes = 0, parameters.transfer_buffer_bytes
    added = []
    for cost in costs:
        end = now + cost.engine_seconds
        if cost.loaded_bytes:
            start = dram_free
            while ahead and buffered + cost.loaded_bytes > free_bytes:
                size_bytes, done, free_bytes = ahead.popleft()
                buffered -= size_bytes
                start = max(start, done)
            dram_free = start + cost.loaded_bytes / bandwidth
            end = max(end, dram_free)
        if cost.stored_bytes:
            dram_free = max(dram_free, now) + cost.stored_bytes / bandwidth
            end = max(end, dram_free - slack)
        end += cost.started * parameters.instruction_overhead_seconds
        ahead.append((cost.loaded_bytes, end, cost.free_bytes))
        buffered += cost.loaded_bytes
        added.append(end - now)
        now = end
    if added:
        added[-1] += max(0.0, dram_free - now)
    return added


def input_timing(size_bytes: int, parameters: TimingParameters = PARAMETERS) -> HostTiming:
    """Return the time of IFMAPs from the application to a chip: conversion to the chip's layout, then PCIe."""
    return HostTiming(round(size_bytes / parameters.layout_bytes_per_second * 1e9), pcie_transfer_ns(size_bytes))


def output_timing(size_bytes: int, parameters: TimingParameters = PARAMETERS) -> HostTiming:
    """Return the time of OFMAPs from a chip to the application: PCIe in order, then a copy by a host thread."""
    return HostTiming(round(size_bytes / parameters.copy_bytes_per_second * 1e9), pcie_transfer_ns(size_bytes))


def pcie_transfer_ns(size_bytes: int) -> int:
    """Return the time of a transfer between host and chip on an otherwise idle PCIe link."""
    return round(size_bytes / PCIE_BYTES_PER_SECOND * 1e9)


def core_dram_bandwidth(active_cores: float) -> float:
    """Return bytes/s between a core and DRAM while ``active_cores`` of the chip are active, including this one.

    The data of a core is in the channel near it, so a single core has the bandwidth of that channel. For fractions
    below 1 see :func:`instruction_seconds`.
    """
    shared = DRAM_BYTES_PER_SECOND / active_cores
    return min(CHANNEL_BYTES_PER_SECOND, shared) if active_cores >= 1 else shared


def dram_transfer_ns(size_bytes: int, active_cores: float, ratio: float = 1.0) -> int:
    """Return the time of a transfer between a core and DRAM with ``ratio`` of the normal bandwidth."""
    return round(size_bytes / (core_dram_bandwidth(active_cores) * ratio) * 1e9)


def link_transfer_ns(size_bytes: int, hops: int) -> int:
    """Return the time of a transfer over ``hops`` East/West links (store and forward)."""
    return round(size_bytes / LINK_BYTES_PER_SECOND * 1e9) * hops


def estimate_device_ns(graph: Graph) -> int:
    """Return the device time of one execution on an otherwise idle chip: the sum over the Neuron nodes."""
    timings = time_graph(graph).nodes
    return sum(t.duration_ns[0] for node, t in zip(graph.nodes, timings, strict=True) if node.kind is NodeKind.NEURON)

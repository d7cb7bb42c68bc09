"""Decode the bytes of a page: the runtime's identity, its cores and its models."""

from __future__ import annotations

import ctypes
import struct
from typing import NamedTuple

from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.telemetry.snapshot import (
    CoreMemory,
    CoreStatusCounts,
    CoreUse,
    HostMemory,
    Model,
    Subgraph,
    SubgraphDeviceMemory,
)
from runtime_core.topology import device_of_core

_CORE = struct.Struct(f"<{ctypes.sizeof(layout.CoreBlock) // 8}Q")
CORE_BYTES = _CORE.size
"""Size of the block of one core."""


class Identity(NamedTuple):
    """The fields of a runtime that never change."""

    tag: str
    command: str
    version: str
    address: str
    framework: str


_Page = layout.Page
_WORD = struct.Struct("<Q")
_IDENTITY = (_Page.tag, _Page.command, _Page.version, _Page.address, _Page.framework)


def _text_at(store: Datastore, offset: int, size_bytes: int) -> str:
    return _text(store.map[offset : offset + size_bytes].partition(b"\0")[0])


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def identity_at(store: Datastore, offset: int) -> Identity:
    """Return the identity of the runtime whose page is at ``offset`` (bytes)."""
    return Identity(*(_text_at(store, offset + field.offset, field.size) for field in _IDENTITY))


def models_at(store: Datastore, offset: int, high_water: int) -> tuple[Model, ...]:
    """Return the models of the runtime whose page is at ``offset``; ``high_water``: number of slots ever used."""
    # Only slots that were used at some time are backed by the file.
    used = min(high_water, layout.MAX_MODELS)
    (used_subgraphs,) = _WORD.unpack_from(store.map, offset + _Page.subgraph_high_water.offset)
    used_subgraphs = min(used_subgraphs, layout.MAX_SUBGRAPHS)
    entries = (layout.ModelSlot * used).from_buffer_copy(store.map, offset + _Page.models.offset)
    table = (layout.SubgraphSlot * used_subgraphs).from_buffer_copy(store.map, offset + _Page.subgraphs.offset)
    models = []
    for entry in entries:
        if not entry.model_id:
            continue
        slots = table[entry.first_subgraph : entry.first_subgraph + entry.subgraph_count]
        subgraphs = tuple(
            Subgraph(
                f"sg_{number:02d}",
                slot.core,
                device_of_core(slot.core),
                HostMemory(*slot.host_memory),
                SubgraphDeviceMemory(*slot.device_memory),
            )
            for number, slot in enumerate(slots)
        )
        models.append(Model(entry.model_id, _text(entry.name), _text(entry.uuid), bool(entry.running), subgraphs))
    return tuple(models)


_FIRST_STATUS = layout.CoreBlock.status.offset // 8
_STATUSES_END = _FIRST_STATUS + layout.STATUS_COUNT


def cores_in(blocks: bytes, first: int, owned: int, time_ns: int) -> dict[int, CoreUse]:
    """Return the use of each core that a runtime owns.

    Args:
        blocks: bytes of the core blocks, beginning with core ``first``.
        first: global core index.
        owned: bit mask of the owned cores.
        time_ns: time of the copy.
    """
    cores = {}
    for core in range(first, owned.bit_length()):
        if not owned >> core & 1:
            continue
        block = _CORE.unpack_from(blocks, (core - first) * _CORE.size)
        busy_ns, flops = layout.busy_done(block[0], block[1], block[2], block[3], block[4], time_ns)
        cores[core] = CoreUse(
            busy_ns,
            flops,
            block[5],
            block[6],
            CoreMemory._make(block[_STATUSES_END : _STATUSES_END + 5]),
            CoreStatusCounts._make(block[_FIRST_STATUS:_STATUSES_END]),
        )
    return cores

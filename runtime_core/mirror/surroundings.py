"""Build ``mirror.json``, which holds the data that has no place in a sysfs tree: identity, PCI addresses, processes."""

from __future__ import annotations

import msgspec

from runtime_core.telemetry.snapshot import Snapshot
from runtime_core.telemetry.sysfs.surroundings import Mirror, MirrorDevice, MirrorInstance, MirrorProcess


def mirror_of(snapshot: Snapshot) -> Mirror:
    """Return the part of a snapshot that ``mirror.json`` holds."""
    return Mirror(
        MirrorInstance(*snapshot.instance),
        snapshot.driver_version,
        tuple(MirrorDevice(d.index, d.bdf, d.cpu_affinity, d.numa_node) for d in snapshot.devices),
        tuple(
            MirrorProcess(r.pid, r.start_ns, r.uid, r.tag, r.command, r.version, r.address, tuple(sorted(r.cores)))
            for r in snapshot.runtimes
        ),
    )


def encode_mirror(mirror: Mirror) -> bytes:
    """Return the content of ``mirror.json``: indented JSON with a final newline."""
    return msgspec.json.format(msgspec.json.encode(mirror), indent=2) + b"\n"

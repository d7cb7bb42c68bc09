"""Find the processes that hold Neuron Devices open, from ``/proc``, and the cores that can be attributed to them.

Source: ``contracts/sysfs.md``: a process uses a device while it holds ``/dev/neuron<N>`` open. The open files of
another user's process are visible only to root or with CAP_SYS_PTRACE. Without that privilege such a process is not
listed, and a device that it shares appears to be held by the other processes alone.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from runtime_core.ranges import parse_ranges
from runtime_core.telemetry.sysfs.tree import names_in, numbered

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
_MAX_TAG_CHARACTERS = 255
_MAX_CORE = 4096
_MAX_LIST_CHARACTERS = 1024
_DEVICE_PREFIX = "neuron"


class Holder(NamedTuple):
    """A process that holds Neuron Devices open.

    Attributes:
        pid: process id.
        start_ns: start since boot (nanoseconds); distinguishes processes that reuse a pid.
        tag: its ``NEURON_PROCESS_TAG``, or the pid as text.
        devices: indices of the devices that it holds open, ascending.
        visible_cores: cores in its ``NEURON_RT_VISIBLE_CORES``; ``None`` if the variable is not set or cannot be read.
        version, address: of its runtime; "" if not visible from outside.
    """

    pid: int
    start_ns: int
    uid: int
    tag: str
    command: str
    devices: tuple[int, ...]
    visible_cores: frozenset[int] | None
    version: str = ""
    address: str = ""


def parse_core_list(text: str) -> frozenset[int] | None:
    """Return the global core indices of a list such as ``0-3,6``, or ``None`` if the text is not such a list."""
    if len(text) > _MAX_LIST_CHARACTERS:
        return None
    try:
        cores = parse_ranges(text)
    except ValueError:
        return None
    return frozenset(cores) if cores[-1] < _MAX_CORE else None


def _held_devices(process: Path, prefix: str) -> tuple[int, ...]:
    held = set()
    try:
        with os.scandir(process / "fd") as entries:
            for entry in entries:
                try:
                    target = os.readlink(entry.path)
                except OSError:
                    continue
                number = target.removeprefix(prefix)
                if number != target and number.isascii() and number.isdigit() and len(number) <= 4:
                    held.add(int(number))
    except OSError:
        # The process has ended, or belongs to another user.
        return ()
    return tuple(sorted(held))


def _start_ns(process: Path) -> int:
    """Return the start since boot in nanoseconds: field 22 of ``stat``, after the command, which may contain spaces."""
    return int((process / "stat").read_bytes().rpartition(b")")[2].split()[19]) * 10**9 // _TICKS_PER_SECOND


def _environment(process: Path) -> dict[str, str]:
    try:
        raw = (process / "environ").read_bytes()
    except OSError:
        return {}
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in raw.split(b"\0"))
    return {name: value for name, _, value in pairs if name in ("NEURON_PROCESS_TAG", "NEURON_RT_VISIBLE_CORES")}


def _holder(process: Path, prefix: str) -> Holder | None:
    devices = _held_devices(process, prefix)
    if not devices:
        return None
    try:
        start_ns, uid = _start_ns(process), process.stat().st_uid
        command = (process / "cmdline").read_bytes().rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "replace")
    except (OSError, ValueError, IndexError):
        return None
    environment = _environment(process)
    visible = environment.get("NEURON_RT_VISIBLE_CORES")
    tag = environment.get("NEURON_PROCESS_TAG", "")[:_MAX_TAG_CHARACTERS]
    return Holder(
        int(process.name),
        start_ns,
        uid,
        tag or process.name,
        command,
        devices,
        parse_core_list(visible) if visible is not None else None,
    )


def find_holders(dev: Path, proc: Path = Path("/proc")) -> tuple[Holder, ...]:
    """Return the processes that hold a Neuron Device of ``dev`` open, in the order in which they started.

    Args:
        dev: directory of the ``neuron<N>`` device files; if it has none, no process is examined.
        proc: directory of the proc file system.
    """
    if not numbered(names_in(str(dev)), _DEVICE_PREFIX):
        return ()
    pids = [name for name in names_in(str(proc)) if name.isdigit()]
    prefix = f"{dev}/{_DEVICE_PREFIX}"
    found = (_holder(proc / pid, prefix) for pid in pids)
    return tuple(sorted((h for h in found if h is not None), key=lambda h: (h.start_ns, h.pid)))


def find_holder(pid: int, dev: Path, proc: Path = Path("/proc")) -> Holder | None:
    """Return one process as a holder of Neuron Devices, or ``None`` if it holds none or cannot be examined."""
    return _holder(proc / str(pid), f"{dev}/{_DEVICE_PREFIX}")


class Attribution(NamedTuple):
    """The owners of the cores.

    Attributes:
        cores: pid -> global indices of the cores that certainly belong to the process.
        unclear: devices held by several processes whose cores cannot be attributed.
    """

    cores: Mapping[int, frozenset[int]]
    unclear: frozenset[int]


def attribute_cores(core_ids: Mapping[int, Sequence[int]], holders: Sequence[Holder]) -> Attribution:
    """Attribute cores to processes, as far as possible.

    The driver counts by core and does not report processes. If one process holds a device, it owns all cores of the
    device, or those in its ``NEURON_RT_VISIBLE_CORES`` if that is set. If several processes hold a device, their cores
    are known only if all of them set the variable and no core is listed twice. A list that includes cores of a device
    that its process does not hold has another meaning (a container renumbers its cores) and is ignored.

    Args:
        core_ids: device index -> its global core indices.
        holders: the processes.
    """
    named: dict[int, frozenset[int] | None] = {}
    for holder in holders:
        held = {core for device in holder.devices for core in core_ids.get(device, ())}
        usable = holder.visible_cores is not None and holder.visible_cores <= held
        named[holder.pid] = holder.visible_cores if usable else None
    owned: dict[int, frozenset[int]] = {holder.pid: frozenset() for holder in holders}
    unclear: set[int] = set()
    for device, ids in core_ids.items():
        every_core = frozenset(ids)
        parts = {
            holder.pid: every_core if (own := named[holder.pid]) is None else own & every_core
            for holder in holders
            if device in holder.devices
        }
        if sum(map(len, parts.values())) != len(frozenset().union(*parts.values())):
            unclear.add(device)
            continue
        for pid, part in parts.items():
            owned[pid] |= part
    return Attribution(owned, frozenset(unclear))

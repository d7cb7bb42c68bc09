"""Configuration of neuron-rtd: its file and command line (``contracts/runtime.md``)."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime_core.errors import UsageError
from runtime_core.files import read_regular
from runtime_core.rtd.log import Level
from runtime_core.topology import Topology

DEFAULT_ADDRESS = "unix:/run/neuron.sock"
ADDRESS_VARIABLE = "NEURON_RTD_ADDRESS"
DEFAULT_TIMEOUT_SECONDS = 2
DEFAULT_NINFER = 4
DEFAULT_MODEL_CACHE_COUNT = 4

_MAX_CONFIG_BYTES = 1 << 20
_TCP = re.compile(r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]/\s]+):(?P<port>\d{1,5})")
_UNIX_PATH_BYTES = 107
_FILES = ("tls_cert_file", "tls_key_file", "tls_client_ca_file", "token_file")


class FileConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The configuration file.

    Attributes:
        name: of the daemon, in the tools.
        server_port: where it listens: ``host:port`` or ``unix:/path``.
        devices: numbers of its Neuron Devices; ``None``: all of the node.
        model_cache_count: unpacked NEFFs that are kept for the next load of the same file.
        timeout: seconds that an inference may take on a core, if the load does not set it.
        ninfer: slots of a network's queue, if the load does not set it.
        io_dma_data_host: keep IFMAPs and OFMAPs in host memory.
        tls_cert_file, tls_key_file: the daemon's certificate with its chain and its key, in PEM; TCP only. Names of
            files are relative to the configuration's folder.
        tls_client_ca_file: a client must have a certificate that one of these authorities signed.
        token_file: a client must send one of these tokens; see :mod:`.tokens`.
    """

    name: str = ""
    server_port: str = DEFAULT_ADDRESS
    devices: tuple[int, ...] | None = None
    model_cache_count: int = DEFAULT_MODEL_CACHE_COUNT
    timeout: float = DEFAULT_TIMEOUT_SECONDS
    ninfer: int = DEFAULT_NINFER
    io_dma_data_host: bool = False
    tls_cert_file: str = ""
    tls_key_file: str = ""
    tls_client_ca_file: str = ""
    token_file: str = ""


class DaemonConfig(NamedTuple):
    """The whole configuration of a daemon.

    Attributes:
        file: the configuration file, or its defaults, overridden by the command line.
        bdfs: devices by PCI address (``-t``); they take precedence over ``file.devices``.
        level: of the log.
        console: log to stderr.
    """

    file: FileConfig
    bdfs: tuple[str, ...] = ()
    level: Level = Level.INFO
    console: bool = False


def check_address(address: str) -> str:
    """Convert an address to the form that gRPC requires.

    Raises:
        UsageError: it is neither ``unix:/path`` nor ``host:port``.
    """
    if address.startswith("unix:"):
        path = address.removeprefix("unix:").removeprefix("//")
        if not path.startswith("/") or "\0" in path or len(path.encode()) > _UNIX_PATH_BYTES:
            raise UsageError(f"address {address!r}", mend=f"use an absolute path of up to {_UNIX_PATH_BYTES} bytes")
        return f"unix:{path}"
    found = _TCP.fullmatch(address)
    if found is None or int(found["port"]) > 65535:
        raise UsageError("expected unix:/path or server:port", where=f"address {address!r}")
    return address


def is_local(address: str) -> bool:
    """Whether only this machine can reach a ``HOST:PORT``. Names other than localhost are assumed to be reachable."""
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_file(path: Path) -> FileConfig:
    """Read a configuration file.

    Raises:
        UsageError: it cannot be read or is invalid; names the file and the field.
    """
    try:
        config = msgspec.json.decode(read_regular(path, _MAX_CONFIG_BYTES), type=FileConfig)
    except OSError as error:
        raise UsageError(f"cannot read the file: {error.strerror}", where=str(path)) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"{error}", where=str(path)) from None
    for name, least in (("model_cache_count", 0), ("timeout", 1e-3), ("ninfer", 1)):
        if getattr(config, name) < least:
            raise UsageError(f"{name}: expected {least:g} or more, got {getattr(config, name)}", where=str(path))
    try:
        check_address(config.server_port)
    except UsageError as error:
        raise UsageError(f"server_port: {error.where or error.what}", where=str(path), mend=error.mend) from None
    named: dict[str, str] = {}
    for name in _FILES:
        value = getattr(config, name)
        if not value.isprintable():
            raise UsageError(f"{name}: expected one printable line", where=str(path))
        if value:
            named[name] = str(path.parent / value)
    return msgspec.structs.replace(config, **named)


def serial_chain(topology: Topology, devices: Sequence[int]) -> tuple[int, ...] | None:
    """The devices in the order of their links, from West to East; ``None`` if they do not form a chain."""
    chosen = set(devices)
    if not topology.contiguous(chosen):
        return None
    first = next((d for d in sorted(chosen) if topology.devices[d].west not in chosen), min(chosen))
    chain = [first]
    while len(chain) < len(chosen):
        east = topology.devices[chain[-1]].east
        if east is None:
            return None
        chain.append(east)
    return tuple(chain)


def choose_devices(topology: Topology, config: DaemonConfig, visible: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the daemon's devices, in the order of their links.

    Args:
        topology: topology of the node.
        config: configuration of the daemon.
        visible: the devices that this process may use (a container can have fewer); ``None``: all.

    Raises:
        UsageError: the node lacks a device, a device is named twice, or the devices are not serially connected.
    """
    devices = [d for d in topology.devices if visible is None or d.index in visible]
    by_bdf = {d.bdf.partition(":")[2] if d.bdf.count(":") > 1 else d.bdf: d.index for d in devices}
    by_bdf |= {d.bdf: d.index for d in devices}
    wanted: list[int] = []
    if config.bdfs:
        for bdf in config.bdfs:
            if bdf.lower() not in by_bdf:
                known = ", ".join(d.bdf for d in devices)
                raise UsageError(f"no Neuron Device {bdf!r} on this {topology.size.name}: it has {known}")
            wanted.append(by_bdf[bdf.lower()])
    elif config.file.devices is not None:
        for device in config.file.devices:
            if device not in by_bdf.values():
                known = ", ".join(str(d.index) for d in devices)
                raise UsageError(f"no Neuron Device {device} on this {topology.size.name}: it has {known}")
            wanted.append(device)
    else:
        wanted = [d.index for d in devices]
    if not wanted:
        raise UsageError("the list of Neuron Devices is empty", mend="name at least one, or omit 'devices'")
    twice = next((d for d in wanted if wanted.count(d) > 1), None)
    if twice is not None:
        raise UsageError(f"Neuron Device {twice} is named twice")
    chain = serial_chain(topology, wanted)
    if chain is None:
        raise UsageError(
            f"Neuron Devices {', '.join(map(str, wanted))} are not serially connected: "
            f"{_gap(topology, wanted)}; give neighbours, see neuron-ls --topology"
        )
    return chain


def _gap(topology: Topology, devices: Sequence[int]) -> str:
    """Describe the devices that are not linked to the first one."""
    reached = {devices[0]}
    frontier = [devices[0]]
    while frontier:
        for neighbour in topology.neighbours(frontier.pop()):
            if neighbour in devices and neighbour not in reached:
                reached.add(neighbour)
                frontier.append(neighbour)
    apart = sorted(set(devices) - reached)
    return f"no link joins {', '.join(map(str, sorted(reached)))} with {', '.join(map(str, apart))}"

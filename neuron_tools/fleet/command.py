"""What ``neuron-sim fleet`` does."""

from __future__ import annotations

import fnmatch
import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import psutil

from neuron_console import exit_codes
from neuron_console.text import columns
from neuron_monitor.prometheus.address import host_and_port, listen, parse_address
from neuron_tools.fleet.compare import Kind, compare
from neuron_tools.fleet.node import Nodes
from neuron_tools.fleet.schema import Fleet, NodeName, load_fleet, nodes_of
from neuron_tools.fleet.server import FleetServer, serve_in_processes
from neuron_tools.fleet.state import FleetFiles, NodeFault, Served, fleet_root, process_of
from neuron_tools.scenario.load import fault_spec
from neuron_tools.scenario.schema import EventSpec, nanoseconds_of, parse_duration
from runtime_core.driver.faults.spec import check_spec
from runtime_core.errors import NodeError, UsageError
from runtime_core.instance import instance_type

_BACKLOG = 4096
_DOWN_SECONDS = 10.0


class UpPlan(NamedTuple):
    """How to serve a fleet."""

    file: Path
    address: str
    reduced: bool
    processes: int


def up(plan: UpPlan) -> int:
    """Serve a fleet until Ctrl-C or ``down``; returns the exit status.

    Raises:
        UsageError: the file is wrong, or its applications cannot run as it says.
        NodeError: a fleet is up already.
        NeuronError: the address is in use.
    """
    fleet = load_fleet(plan.file)
    os.environ.setdefault("NEURON_RT_LOG_LEVEL", "QUIET")
    files = FleetFiles(fleet_root())
    files.make()
    running = files.served()
    if running is not None:
        raise NodeError(f"the fleet {running.name!r} is up", mend="end it with 'neuron-sim fleet down'")
    listening = listen(plan.address, _BACKLOG)
    try:
        nodes = Nodes(fleet, plan.file.parent, reduced=plan.reduced)
        began = time.monotonic()
        states = nodes.prepare()
        host, _ = parse_address(plan.address)
        address = host_and_port(host or "127.0.0.1", listening.getsockname()[1])
        start = time.time() - nanoseconds_of(fleet.age) / 1e9
        served = Served(
            fleet.fleet, str(plan.file.absolute()), len(nodes.by_name), address, os.getpid(),
            psutil.Process().create_time(), start, plan.reduced,
        )  # fmt: skip
        server = FleetServer(nodes, files, address, start)
        files.write(served)
        print(
            f"{len(nodes.by_name)} nodes ({states} states measured in {time.monotonic() - began:.1f} s): "
            f"http://{address}/nodes/{next(iter(nodes.by_name))}/metrics, service discovery at http://{address}/sd",
            file=sys.stderr,
            flush=True,
        )
        try:
            serve_in_processes(server, listening, plan.processes)
        finally:
            files.remove()
    finally:
        listening.close()
    return exit_codes.OK


def check(files: Sequence[Path], executed: str | None) -> int:
    """Check fleet files; returns the exit status.

    Args:
        files: to check.
        executed: for how long to run nodes execution by execution, to compare their pages; ``None``: not at all.

    Raises:
        UsageError: a file is invalid, or its nodes cannot be compared at that time.
    """
    met = True
    for file in files:
        fleet = load_fleet(file)
        try:
            Nodes(fleet, file.parent).prepare()
        except UsageError as error:
            raise UsageError(str(error), where=str(file)) from None
        print(f"{file}: {fleet.fleet}, {len(nodes_of(fleet))} nodes")
        if executed is not None:
            at_ns = round(parse_duration(executed, "--executed") * 1e9)
            for name in {name.group: name for name in nodes_of(fleet)}.values():
                kinds = compare(fleet, file.parent, name, at_ns)
                met = met and all(kind.met for kind in kinds)
                print(f"\n{name.name} after {executed}, beside a node that executes each request:")
                print(
                    "\n".join(
                        f"  {line}" for line in columns(_HEADINGS, [_shown(kind) for kind in kinds if kind.lines])
                    )
                )
    return exit_codes.OK if met else exit_codes.FAILURE


_HEADINGS = ("LINES OF THE PAGE", "COUNT", "EQUAL", "LARGEST DIFFERENCE", "LIMIT", "VERDICT")


def _shown(kind: Kind) -> tuple[str, ...]:
    worst, limit = (f"{value:.3g} {kind.unit}".rstrip() for value in (kind.worst, kind.limit))
    return kind.what, str(kind.lines), str(kind.equal), worst, limit, "met" if kind.met else "EXCEEDED"


def _running(files: FleetFiles) -> Served:
    served = files.served()
    if served is None:
        raise NodeError("no fleet is up", mend="start one with 'neuron-sim fleet up FILE'")
    return served


def status(*, as_json: bool) -> str:
    """The running fleet.

    Raises:
        NodeError: none is up.
    """
    files = FleetFiles(fleet_root())
    served = _running(files)
    at_ns = round((time.time() - served.start_unix_seconds) * 1e9)
    active = [fault for fault in files.faults() if fault.until_ns is None or fault.until_ns > at_ns]
    if as_json:
        return json.dumps(
            {
                "fleet": served.name, "file": served.file, "nodes": served.nodes, "address": served.address,
                "pid": served.pid, "age_seconds": at_ns / 1e9, "reduced": served.reduced,
                "faults": [
                    {"node": f.node, "fault": f.event.fault, "until_seconds": f.until_ns and f.until_ns / 1e9}
                    for f in active
                ],
            }
        )  # fmt: skip
    lines = [
        f"{served.name}: {served.nodes} nodes{' (reduced pages)' if served.reduced else ''}, "
        f"age {at_ns / 1e9:.0f} s, process {served.pid}",
        f"  http://{served.address}/sd",
    ]
    for fault in active:
        until = "until cleared" if fault.until_ns is None else f"for another {(fault.until_ns - at_ns) / 1e9:.0f} s"
        lines.append(f"  {fault.node}: {fault.event.fault} {until}")
    return "\n".join(lines)


def fault(pattern: str, fields: dict[str, object]) -> str:
    """Inject a fault into the nodes that a pattern names; they have it from now on.

    Args:
        pattern: a node's name, in which ``*`` and ``?`` stand for others.
        fields: the fault, as an event of a scenario's timeline without ``at``.

    Raises:
        UsageError: no node has such a name, or the fault makes no sense for it.
        NodeError: no fleet is up.
    """
    files = FleetFiles(fleet_root())
    served = _running(files)
    fleet = load_fleet(Path(served.file))
    names = _matching(fleet, pattern)
    try:
        event = msgspec.convert({"at": "0s", **{k: v for k, v in fields.items() if v is not None}}, EventSpec)
    except msgspec.ValidationError as error:
        raise UsageError(str(error)) from None
    for name in names:
        check_spec(fault_spec(event), instance_type(fleet.groups[name.group].instance).device_count)
    at_ns = _now_ns(served)
    until_ns = at_ns + nanoseconds_of(event.lasting) if event.lasting else None
    files.write_faults([*files.faults(), *(NodeFault(name.name, at_ns, until_ns, event) for name in names)])
    return f"{event.fault} on {_nodes(len(names))}"


def clear(pattern: str) -> str:
    """End the faults of the nodes that a pattern names; their counters remember them.

    Raises:
        UsageError: no node has such a name.
        NodeError: no fleet is up.
    """
    files = FleetFiles(fleet_root())
    served = _running(files)
    names = {name.name for name in _matching(load_fleet(Path(served.file)), pattern)}
    now_ns = _now_ns(served)
    faults = files.faults()
    ended = [f.node in names and (f.until_ns is None or f.until_ns > now_ns) for f in faults]
    files.write_faults(
        [msgspec.structs.replace(f, until_ns=now_ns) if end else f for f, end in zip(faults, ended, strict=True)]
    )
    return f"{sum(ended)} faults cleared on {_nodes(len(names))}"


def _now_ns(served: Served) -> int:
    return round((time.time() - served.start_unix_seconds) * 1e9)


def _nodes(count: int) -> str:
    return "1 node" if count == 1 else f"{count} nodes"


def _matching(fleet: Fleet, pattern: str) -> list[NodeName]:
    names = [name for name in nodes_of(fleet) if fnmatch.fnmatchcase(name.name, pattern)]
    if not names:
        raise UsageError(f"no node {pattern!r}", mend=f"the first is {nodes_of(fleet)[0].name}")
    return names


def down() -> str:
    """End the running fleet.

    Raises:
        NodeError: none is up, or it does not end.
    """
    served = _running(FleetFiles(fleet_root()))
    process = process_of(served)
    if process is not None:
        process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + _DOWN_SECONDS
        while process_of(served) is not None:
            if time.monotonic() > deadline:
                raise NodeError(f"process {served.pid} does not end", mend=f"kill -9 {served.pid}")
            time.sleep(0.02)
    return f"{served.name} is down"

"""Serves the metrics of every node of a fleet, and Prometheus's HTTP service discovery."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from neuron_monitor.prometheus.request import BAD_REQUEST, Answer, Request, parse_head
from neuron_monitor.prometheus.text import Format
from neuron_tools.fleet.api import NodeApi
from neuron_tools.fleet.node import FleetNode, Nodes
from neuron_tools.fleet.own import OWN_PAGE
from neuron_tools.fleet.state import FleetFiles
from runtime_core.errors import NeuronError

_MAX_HEAD_BYTES = 16 * 1024
_PATIENCE_SECONDS = 10.0
_GONE = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_IDLE_SECONDS = 120.0
_MOST_KEPT = 256
"""Connections that stay open: ten thousand targets would keep as many."""

_NOT_FOUND = Answer("404 Not Found", b"not found: try /sd, /nodes/NAME/metrics or /nodes/NAME/api/v1/report\n")
_DOWN = Answer("503 Service Unavailable", b"the node is down for maintenance\n")


class FleetServer:
    """Answers requests. Every answer follows from the fleet, the operator's faults and the time."""

    def __init__(self, nodes: Nodes, files: FleetFiles, address: str, start_unix_seconds: float) -> None:
        """Serve ``nodes``.

        Args:
            nodes: the fleet's.
            files: where the operator's faults are.
            address: ``HOST:PORT``, as targets name it.
            start_unix_seconds: when the fleet's time began.
        """
        self._nodes = nodes
        self._files = files
        self._start = start_unix_seconds
        self._faults_version: tuple[int, int] | None = None
        self._api = NodeApi()
        self._open = 0
        names = [node.name for node in nodes.by_name.values()]
        groups = nodes.fleet.groups
        self._targets = msgspec.json.encode(
            [
                {
                    "targets": [address],
                    "labels": {
                        "__metrics_path__": f"/nodes/{name.name}/metrics",
                        "instance": name.name,
                        "zone": groups[name.group].zone,
                        "instance_type": groups[name.group].instance,
                    },
                }
                for name in names
            ]
        )

    def serve(self, listening: socket.socket) -> None:
        """Answer until SIGTERM or SIGINT."""
        asyncio.run(self._serve(listening))

    async def _serve(self, listening: socket.socket) -> None:
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stop.set)
        server = await asyncio.start_server(self._connected, sock=listening, limit=_MAX_HEAD_BYTES)
        # Not left by "async with": that would wait for clients who are still connected.
        await stop.wait()
        server.close()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            patience = _PATIENCE_SECONDS
            while await self._reply(reader, writer, patience):
                patience = _IDLE_SECONDS
        except _GONE:
            pass
        finally:
            self._open -= 1
            writer.close()

    async def _reply(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, patience: float) -> bool:
        """Answer a request; False if it was the last of its connection."""
        async with asyncio.timeout(patience):
            request = parse_head(await reader.readuntil(b"\r\n\r\n"))
        answer = BAD_REQUEST if request is None else self.answer(request)
        keep = request is not None and request.keeps_open and self._open <= _MOST_KEPT
        lines = [
            f"HTTP/1.1 {answer.status}",
            *(f"{name}: {value}" for name, value in answer.headers),
            f"Content-Length: {len(answer.body)}",
            "Connection: keep-alive" if keep else "Connection: close",
        ]
        body = b"" if request is not None and request.method == "HEAD" else answer.body
        async with asyncio.timeout(_PATIENCE_SECONDS):
            writer.write("\r\n".join([*lines, "", ""]).encode() + body)
            await writer.drain()
        return keep

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        if request.method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET or HEAD\n", (("Allow", "GET, HEAD"),))
        match request.path.split("/"):
            case ["", "nodes", name, "metrics"]:
                return self._of(name, self._page)
            case ["", "nodes", name, "api", "v1", "summary"]:
                return self._of(name, self._summary)
            case ["", "nodes", name, "api", "v1", "report"]:
                return self._of(name, self._report)
            case ["", "sd"]:
                return Answer("200 OK", self._targets, (("Content-Type", "application/json"),))
            case ["", "-", "healthy"]:
                return Answer("200 OK", b"the fleet is healthy\n")
            case _:
                return _NOT_FOUND

    def _page(self, node: FleetNode, at_ns: int) -> Answer | None:
        page = node.page(at_ns, self._start)
        if page is None:
            return None
        return Answer("200 OK", (page + OWN_PAGE).encode(), (("Content-Type", Format.TEXT.content_type),))

    def _summary(self, node: FleetNode, at_ns: int) -> Answer | None:
        return _json(self._api.summary(node, at_ns, self._start))

    def _report(self, node: FleetNode, at_ns: int) -> Answer | None:
        return _json(self._api.report(node, at_ns))

    def _of(self, name: str, make: Callable[[FleetNode, int], Answer | None]) -> Answer:
        node = self._nodes.by_name.get(name)
        if node is None:
            return _NOT_FOUND
        try:
            self._take_faults()
            answer = make(node, max(0, round((time.time() - self._start) * 1e9)))
        except NeuronError as error:
            return Answer("500 Internal Server Error", f"{error}\n".encode())
        return _DOWN if answer is None else answer

    def _take_faults(self) -> None:
        version = self._files.faults_version()
        if version == self._faults_version:
            return
        by_node: dict[str, list[int]] = {}
        faults = self._files.faults()
        for number, fault in enumerate(faults):
            by_node.setdefault(fault.node, []).append(number)
        for name, node in self._nodes.by_name.items():
            node.faults = tuple(faults[number].fault for number in by_node.get(name, ()))
        self._faults_version = version


def _json(body: bytes | None) -> Answer | None:
    return None if body is None else Answer("200 OK", body, (("Content-Type", "application/json"),))


def serve_in_processes(server: FleetServer, listening: socket.socket, processes: int) -> None:
    """Serve from some processes, which share the socket, until SIGTERM or SIGINT; the caller's is the first."""
    children = []
    for _ in range(processes - 1):
        pid = os.fork()
        if pid == 0:
            try:
                server.serve(listening)
            finally:
                os._exit(0)
        children.append(pid)
    try:
        server.serve(listening)
    finally:
        for pid in children:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        for pid in children:
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)

"""Serves the metrics of every node of a fleet, and Prometheus's HTTP service discovery."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import time
from contextlib import suppress

import msgspec

from neuron_monitor.prometheus.request import BAD_REQUEST, Answer, Request, parse_head
from neuron_monitor.prometheus.text import Format
from neuron_tools.fleet.node import Nodes
from neuron_tools.fleet.own import OWN_PAGE
from neuron_tools.fleet.state import FleetFiles
from runtime_core.errors import NeuronError

_MAX_HEAD_BYTES = 16 * 1024
_PATIENCE_SECONDS = 10.0
_GONE = (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)
_NOT_FOUND = Answer("404 Not Found", b"not found: try /sd or /nodes/NAME/metrics\n")
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
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                request = parse_head(await reader.readuntil(b"\r\n\r\n"))
            answer = BAD_REQUEST if request is None else self.answer(request)
            # One request a connection: ten thousand targets would keep as many open.
            lines = [
                f"HTTP/1.1 {answer.status}",
                *(f"{name}: {value}" for name, value in answer.headers),
                f"Content-Length: {len(answer.body)}",
                "Connection: close",
            ]
            body = b"" if request is not None and request.method == "HEAD" else answer.body
            async with asyncio.timeout(_PATIENCE_SECONDS):
                writer.write("\r\n".join([*lines, "", ""]).encode() + body)
                await writer.drain()
        except _GONE:
            pass
        finally:
            writer.close()

    def answer(self, request: Request) -> Answer:
        """The answer to a request."""
        if request.method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET or HEAD\n", (("Allow", "GET, HEAD"),))
        match request.path.split("/"):
            case ["", "nodes", name, "metrics"]:
                return self._metrics(name)
            case ["", "sd"]:
                return Answer("200 OK", self._targets, (("Content-Type", "application/json"),))
            case ["", "-", "healthy"]:
                return Answer("200 OK", b"the fleet is healthy\n")
            case _:
                return _NOT_FOUND

    def _metrics(self, name: str) -> Answer:
        node = self._nodes.by_name.get(name)
        if node is None:
            return _NOT_FOUND
        try:
            self._take_faults()
            page = node.page(max(0, round((time.time() - self._start) * 1e9)), self._start)
        except NeuronError as error:
            return Answer("500 Internal Server Error", f"{error}\n".encode())
        if page is None:
            return _DOWN
        return Answer("200 OK", (page + OWN_PAGE).encode(), (("Content-Type", Format.TEXT.content_type),))

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

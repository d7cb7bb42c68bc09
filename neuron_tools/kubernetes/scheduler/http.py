"""The HTTP interface of the extension: ``POST /filter``, ``POST /bind``, ``GET /healthz``."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from neuron_tools.kubernetes.scheduler.extender import Extender
from runtime_core.errors import NeuronError, UsageError

MAX_BODY_BYTES = 16 << 20
"""A request with 5,000 complete nodes has about 10 MiB."""
_SOCKET_SECONDS = 30.0

log = logging.getLogger("neuron-scheduler")
log.addHandler(logging.NullHandler())


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = _SOCKET_SECONDS
    server: ExtenderServer

    def log_message(self, format: str, *args: object) -> None:
        """Do not log individual requests."""

    def _send(self, code: int, body: Mapping[str, object] | str) -> None:
        raw = body.encode() if isinstance(body, str) else msgspec.json.encode(body)
        self.send_response(code)
        self.send_header("Content-Type", "text/plain" if isinstance(body, str) else "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def do_GET(self) -> None:
        """Return whether pods and nodes have been listed."""
        if self.path != "/healthz":
            self._send(404, "not found: POST /filter, POST /bind, GET /healthz\n")
        elif self.server.extender.ready:
            self._send(200, "ok\n")
        else:
            self._send(503, "pods and nodes are not listed yet\n")

    def do_POST(self) -> None:
        """Filter or bind."""
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self.close_connection = True
            self._send(413, f"send a Content-Length of at most {MAX_BODY_BYTES}\n")
            return
        body = self.rfile.read(int(length))
        path = self.path.rstrip("/")
        if path == "/filter":
            self._send(200, self._filter(body))
        elif path == "/bind":
            self._send(200, {"Error": self._bind(body)})
        else:
            self._send(404, "not found: POST /filter, POST /bind, GET /healthz\n")

    def _filter(self, body: bytes) -> Mapping[str, object]:
        answer: dict[str, object] = {
            "Nodes": None, "NodeNames": [], "FailedNodes": {}, "FailedAndUnresolvableNodes": {}, "Error": ""
        }  # fmt: skip
        try:
            if not self.server.extender.ready:
                raise UsageError("pods and nodes are not listed yet", mend="try again in a moment")
            found = self.server.extender.filter(body)
        except NeuronError as error:
            return {**answer, "Error": str(error)}
        return {**answer, "NodeNames": found.fits, "FailedNodes": found.failed}

    def _bind(self, body: bytes) -> str:
        try:
            self.server.extender.bind(body)
        except NeuronError as error:
            log.warning("%s", error)
            return str(error)
        return ""


class ExtenderServer(ThreadingHTTPServer):
    """Listens and answers, with a thread per connection."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, extender: Extender, address: tuple[str, int]) -> None:
        """Listen.

        Args:
            extender: answers the requests.
            address: host and port; port 0 selects a free port.

        Raises:
            OSError: the address cannot be bound.
        """
        super().__init__(address, _Handler)
        self.extender = extender
        self._thread = threading.Thread(target=self.serve_forever, args=(0.2,), name="http", daemon=True)
        self._thread.start()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""

    def close(self) -> None:
        """Stop listening."""
        self.shutdown()
        with contextlib.suppress(OSError):
            self.server_close()

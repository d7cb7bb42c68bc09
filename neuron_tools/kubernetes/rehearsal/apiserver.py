"""An API server over :class:`Store`, for the official client's requests about pods, nodes, bindings and events."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from neuron_tools.kubernetes.rehearsal.store import (
    ConflictError,
    ExpiredError,
    MissingError,
    Object,
    Store,
    merge,
    merge_strategic,
)

_MAX_BODY_BYTES = 4 << 20
_BOOKMARK_SECONDS = 1.0
_POLL_SECONDS = 0.2
_KINDS = {"pods": "Pod", "nodes": "Node", "events": "Event"}


def _status(code: int, reason: str, message: str) -> Object:
    return {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": code,
        "reason": reason,
        "message": message,
    }


def _selected(query: Mapping[str, list[str]]) -> Callable[[Object], bool]:
    selector = query.get("fieldSelector", [""])[0]
    name, found, value = selector.partition("=")
    if not found:
        return lambda _item: True
    parts = name.split(".")

    def matches(item: Object) -> bool:
        here: Any = item
        for part in parts:
            here = here.get(part, "") if isinstance(here, dict) else ""
        return bool(str(here) == value.lstrip("="))

    return matches


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: ApiServer

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: the store has the relevant data."""

    def _send(self, code: int, body: Mapping[str, Any]) -> None:
        raw = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        self.wfile.write(raw)

    def _body(self) -> Object:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _MAX_BODY_BYTES:
            raise ConflictError("the body is too large")
        found = json.loads(self.rfile.read(length) or b"{}")
        if not isinstance(found, dict):
            raise ValueError("expected an object")
        return found

    def _route(self) -> tuple[str, str, str, str, dict[str, list[str]]]:
        """Return (kind, namespace, name, subresource, query) of the request's path."""
        parts = urlsplit(self.path)
        steps = parts.path.strip("/").split("/")
        if steps[:2] != ["api", "v1"]:
            raise MissingError("the server could not find the requested resource")
        steps = steps[2:]
        namespace = ""
        if len(steps) > 2 and steps[0] == "namespaces":
            namespace, steps = steps[1], steps[2:]
        kind, name, below = [*steps, "", "", ""][:3]
        if kind not in _KINDS:
            raise MissingError("the server could not find the requested resource")
        return kind, namespace, name, below, parse_qs(parts.query)

    def _answer(self, do: Callable[[], None]) -> None:
        try:
            do()
        except MissingError as error:
            self._send(404, _status(404, "NotFound", str(error)))
        except ConflictError as error:
            self._send(409, _status(409, "Conflict", str(error)))
        except (ValueError, KeyError, TypeError) as error:
            self._send(400, _status(400, "BadRequest", str(error)))
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        """List, read or watch."""
        self._answer(self._get)

    def _get(self) -> None:
        kind, namespace, name, _, query = self._route()
        store = self.server.store
        if name:
            self._send(200, store.get(kind, (namespace, name)))
            return
        matches = _selected(query)
        if query.get("watch", [""])[0] in ("1", "true", "True"):
            self._watch(kind, namespace, matches, query)
            return
        version = store.version
        items = [
            i for i in store.all(kind) if matches(i) and (not namespace or i["metadata"]["namespace"] == namespace)
        ]
        listed = {"kind": f"{_KINDS[kind]}List", "apiVersion": "v1", "metadata": {"resourceVersion": str(version)}}
        self._send(200, {**listed, "items": items})

    def _watch(
        self, kind: str, namespace: str, matches: Callable[[Object], bool], query: Mapping[str, list[str]]
    ) -> None:
        since = int(query.get("resourceVersion", ["0"])[0] or 0) or self.server.store.version
        ends = time.monotonic() + float(query.get("timeoutSeconds", ["60"])[0])
        bookmarks = query.get("allowWatchBookmarks", [""])[0] in ("1", "true", "True")
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        marked = time.monotonic()
        generation = self.server.generation
        while time.monotonic() < ends and not self.server.closing and generation == self.server.generation:
            try:
                changes, since_now = self.server.store.changes(kind, since, _POLL_SECONDS)
            except ExpiredError:
                self._event("ERROR", _status(410, "Expired", "too old resource version"))
                break
            for change in changes:
                if matches(change.object) and (not namespace or change.object["metadata"]["namespace"] == namespace):
                    self._event(change.type, change.object)
            since = since_now
            if bookmarks and time.monotonic() - marked > _BOOKMARK_SECONDS:
                marked = time.monotonic()
                self._event("BOOKMARK", {"kind": _KINDS[kind], "metadata": {"resourceVersion": str(since)}})
        if generation != self.server.generation:
            # An interrupted connection: the last chunk is missing.
            self.close_connection = True
            self.connection.close()
            return
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, change: str, item: Object) -> None:
        raw = json.dumps({"type": change, "object": item}).encode() + b"\n"
        self.wfile.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")
        self.wfile.flush()

    def do_POST(self) -> None:
        """Create, bind or evict."""
        self._answer(self._post)

    def _post(self) -> None:
        kind, namespace, name, below, _ = self._route()
        body = self._body()
        store = self.server.store
        if kind == "pods" and below == "binding":
            node = body["target"]["name"]

            def bind(pod: Object) -> None:
                if pod.setdefault("spec", {}).get("nodeName"):
                    raise ConflictError(f'pod "{name}" is already assigned to node "{pod["spec"]["nodeName"]}"')
                pod["spec"]["nodeName"] = node

            store.get("nodes", ("", node))
            store.change("pods", (namespace, name), bind)
            self._send(201, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        elif kind == "pods" and below == "eviction":
            store.remove("pods", (namespace, name))
            self._send(201, {"kind": "Status", "apiVersion": "v1", "status": "Success"})
        elif below or name:
            raise MissingError("the server could not find the requested resource")
        else:
            if kind != "nodes":
                body.setdefault("metadata", {})["namespace"] = namespace or "default"
            self._send(201, store.add(kind, body))

    def do_PATCH(self) -> None:
        """Merge a patch into an object."""
        self._answer(self._patch)

    def _patch(self) -> None:
        kind, namespace, name, _, _ = self._route()
        strategic = "strategic" in (self.headers.get("Content-Type") or "")
        body = self._body()
        how = merge_strategic if strategic else merge
        self._send(200, self.server.store.change(kind, (namespace, name), lambda item: how(item, body)))

    def do_DELETE(self) -> None:
        """Delete an object."""
        self._answer(self._delete)

    def _delete(self) -> None:
        kind, namespace, name, _, _ = self._route()
        self.server.store.remove(kind, (namespace, name))
        self._send(200, {"kind": "Status", "apiVersion": "v1", "status": "Success"})


class ApiServer(ThreadingHTTPServer):
    """Listens on a free port on loopback."""

    daemon_threads = True

    def __init__(self, store: Store | None = None) -> None:
        """Start listening; requests are answered from now on."""
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store or Store()
        self.generation = 0
        self.closing = False
        self._thread = threading.Thread(target=self.serve_forever, args=(0.05,), name="api server", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """URL of the server."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect."""

    def break_watches(self) -> None:
        """Interrupt every watch."""
        self.generation += 1

    def close(self) -> None:
        """Stop listening."""
        self.closing = True
        self.shutdown()
        with contextlib.suppress(OSError):
            self.server_close()
        self._thread.join(5)

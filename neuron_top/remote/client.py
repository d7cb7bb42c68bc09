"""HTTP requests to monitors over connections that stay open, with limits on time and size."""

from __future__ import annotations

import http.client
import resource
import ssl
import threading
import time
from collections import OrderedDict
from typing import NamedTuple

from neuron_top.remote.endpoint import Endpoint
from runtime_core.telemetry import NodeError

_MAX_BYTES = 32 << 20
_PIECE_BYTES = 1 << 18
_MEND = "is it a neuron-monitor?"
_OTHER_DESCRIPTORS = 64
_MOST_IDLE = 4096

_Place = tuple[str, str, int]


class Response(NamedTuple):
    """An answer of any status, not compressed."""

    status: int
    reason: str
    content_type: str
    age_seconds: int
    body: bytes


class Client:
    """Asks monitors. An open connection costs a tenth of a new one, so it is kept for the next request.

    Any number of threads may ask at the same time.
    """

    def __init__(self) -> None:
        """No connection is open."""
        self._idle: OrderedDict[int, tuple[_Place, http.client.HTTPConnection]] = OrderedDict()
        self._by_place: dict[_Place, list[int]] = {}
        self._number = 0
        self._lock = threading.Lock()
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        limited = _MOST_IDLE if soft == resource.RLIM_INFINITY else max(1, soft - _OTHER_DESCRIPTORS)
        self._most_idle = min(_MOST_IDLE, limited)
        self._tls: ssl.SSLContext | None = None

    def get(self, endpoint: Endpoint, path: str, accept: str, timeout_seconds: float) -> Response:
        """Request a path.

        Args:
            endpoint: whom.
            path: with a slash in front.
            accept: the media type.
            timeout_seconds: for each step, and for the whole body.

        Raises:
            NodeError: nobody answers, or not as HTTP, or more than 32 MiB.
        """
        place = endpoint.scheme, endpoint.host, endpoint.port
        try:
            kept = self._take(place)
            if kept is not None:
                try:
                    return self._ask(kept, place, path, accept, timeout_seconds)
                except ConnectionError:
                    # The monitor closed it since the last answer.
                    kept.close()
            return self._ask(self._open(endpoint, timeout_seconds), place, path, accept, timeout_seconds)
        except TimeoutError as error:
            raise NodeError(f"cannot reach {endpoint}: no answer within {timeout_seconds:g} s") from error
        except ssl.SSLError as error:
            raise NodeError(f"cannot reach {endpoint}: TLS fails: {error.reason or error}") from error
        except OSError as error:
            raise NodeError(f"cannot reach {endpoint}: {error.strerror or error}") from error
        except (http.client.HTTPException, UnicodeError, ValueError) as error:
            raise NodeError(f"{endpoint} does not speak HTTP", mend=_MEND) from error

    def close(self) -> None:
        """Close all idle connections."""
        with self._lock:
            for _, connection in self._idle.values():
                connection.close()
            self._idle.clear()
            self._by_place.clear()

    def _open(self, endpoint: Endpoint, timeout_seconds: float) -> http.client.HTTPConnection:
        if endpoint.scheme == "https":
            if self._tls is None:
                self._tls = ssl.create_default_context()
            return http.client.HTTPSConnection(endpoint.host, endpoint.port, timeout=timeout_seconds, context=self._tls)
        return http.client.HTTPConnection(endpoint.host, endpoint.port, timeout=timeout_seconds)

    def _ask(
        self, connection: http.client.HTTPConnection, place: _Place, path: str, accept: str, timeout_seconds: float
    ) -> Response:
        keep = False
        try:
            deadline = time.monotonic() + timeout_seconds
            connection.request("GET", path, headers={"Accept": accept, "Accept-Encoding": "identity"})
            answer = connection.getresponse()
            body = _body(answer, deadline)
            keep = not answer.will_close
        finally:
            if keep:
                self._keep(place, connection)
            else:
                connection.close()
        if len(body) > _MAX_BYTES:
            raise NodeError(f"{place[1]}:{place[2]} answers more than {_MAX_BYTES >> 20} MiB", mend=_MEND)
        age = answer.getheader("Age", "")
        return Response(
            answer.status,
            answer.reason,
            answer.getheader("Content-Type", "").partition(";")[0].strip().lower(),
            int(age) if age.isascii() and age.isdigit() and len(age) < 10 else 0,
            body,
        )

    def _take(self, place: _Place) -> http.client.HTTPConnection | None:
        with self._lock:
            numbers = self._by_place.get(place)
            if not numbers:
                return None
            return self._idle.pop(numbers.pop())[1]

    def _keep(self, place: _Place, connection: http.client.HTTPConnection) -> None:
        surplus = None
        with self._lock:
            self._number += 1
            self._idle[self._number] = place, connection
            self._by_place.setdefault(place, []).append(self._number)
            if len(self._idle) > self._most_idle:
                number, (old_place, surplus) = self._idle.popitem(last=False)
                self._by_place[old_place].remove(number)
        if surplus is not None:
            surplus.close()


def _body(answer: http.client.HTTPResponse, deadline: float) -> bytes:
    """The body, at most one byte more than is accepted."""
    parts, size = [], 0
    while size <= _MAX_BYTES:
        part = answer.read1(_PIECE_BYTES)
        if not part:
            break
        if time.monotonic() > deadline:
            raise TimeoutError
        parts.append(part)
        size += len(part)
    if answer.length and size <= _MAX_BYTES:
        raise http.client.IncompleteRead(b"", answer.length)
    # Only then does its connection take the next request.
    answer.close()
    return b"".join(parts)

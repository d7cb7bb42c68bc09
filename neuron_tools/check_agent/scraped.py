"""An endpoint that misbehaves, and a runner for agents that scrape it, once per start or repeatedly."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from neuron_monitor.compat.releases import Compat
from neuron_monitor.prometheus.from_stream import StreamFeed
from neuron_monitor.prometheus.page import Page
from neuron_tools.check_agent.cases import TROUBLES
from neuron_tools.check_agent.watch import Agent, Observation
from neuron_tools.check_agent.world import AFTER, BEFORE, line_of, reports_of

_ENOUGH_REQUESTS = 3
_SLOW_PIECES, _SLOW_SECONDS = 8, 0.2
_GRACE_SECONDS = 0.5


class PageTrouble(NamedTuple):
    """Disturbance of the second scrape.

    Attributes:
        summary: short description.
        status: status of the response.
        cut: the connection is closed in the middle of the body.
        slow: the body is sent in pieces.
        body: ``before``, ``empty`` or ``huge``.
    """

    summary: str
    status: int = 200
    cut: bool = False
    slow: bool = False
    body: str = "before"


PAGE_TROUBLES: dict[str, PageTrouble] = {
    "steady": PageTrouble("nothing goes wrong"),
    "restart": PageTrouble("the exporter is not ready: status 503", status=503, body="empty"),
    "empty-page": PageTrouble("a page without metrics", body="empty"),
    "torn-page": PageTrouble("the connection closes in the middle of the page", cut=True),
    "huge-page": PageTrouble("a page of 300 applications", body="huge"),
    "slow-page": PageTrouble(f"a page in {_SLOW_PIECES} pieces, {_SLOW_SECONDS} s apart", slow=True),
}


def _page(lines: Sequence[bytes]) -> bytes:
    page, feed = Page(), StreamFeed()
    for line in lines:
        page.show(feed.take_line(line), 0.0)
    return b"".join(page.scrape())


def _bodies(compat: Compat | None) -> dict[str, bytes]:
    huge = b"".join(piece.data for piece in TROUBLES["huge-line"].pieces(compat)).splitlines()
    return {
        "before": _page([line_of(report, compat) for report in reports_of(BEFORE, count=2)]),
        "after": _page([line_of(report, compat) for report in reports_of(AFTER, count=2)]),
        "huge": _page([max(huge, key=len)]),
        "empty": b"",
    }


class _Endpoint(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, bodies: dict[str, bytes], trouble: PageTrouble) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.bodies = bodies
        self.trouble = trouble
        self.requests = 0
        self.lock = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore scrapers that disconnect."""


class _Handler(BaseHTTPRequestHandler):
    server: _Endpoint

    def do_GET(self) -> None:
        with self.server.lock:
            self.server.requests += 1
            number = self.server.requests
        if number != _ENOUGH_REQUESTS - 1:
            self._answer(self.server.bodies["before" if number == 1 else "after"], PageTrouble(""))
        else:
            self._answer(self.server.bodies[self.server.trouble.body], self.server.trouble)

    def _answer(self, body: bytes, how: PageTrouble) -> None:
        self.send_response(how.status)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if how.cut:
            body = body[: len(body) // 2]
        pieces = _SLOW_PIECES if how.slow else 1
        step = len(body) // pieces + 1
        for start in range(0, len(body), step):
            self.wfile.write(body[start : start + step])
            self.wfile.flush()
            time.sleep(_SLOW_SECONDS if how.slow else 0)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Log nothing: stderr is for the report."""


@contextmanager
def _serving(compat: Compat | None, trouble: PageTrouble) -> Iterator[_Endpoint]:
    server = _Endpoint(_bodies(compat), trouble)
    thread = threading.Thread(target=server.serve_forever, name="check-agent-endpoint", daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def watch_scraper(
    command: Sequence[str],
    environment: dict[str, str],
    compat: Compat | None,
    trouble: PageTrouble,
    timeout_seconds: float,
) -> Observation:
    """Run an agent against the endpoint until it has scraped three times: a page, the disturbance, another page.

    An agent that ends after a scrape is restarted. ``{url}`` in its arguments is the endpoint's address.
    """
    with _serving(compat, trouble) as server:
        url = f"http://127.0.0.1:{server.server_address[1]}/metrics"
        arguments = [argument.replace("{url}", url) for argument in command]
        deadline = time.monotonic() + timeout_seconds
        outputs, errors, peak_bytes, began = [], [], 0, time.monotonic()
        while True:
            before = server.requests
            agent = Agent(arguments, environment | {"NEURON_METRICS_URL": url}, reads=False)
            while not agent.ended and server.requests < _ENOUGH_REQUESTS and time.monotonic() < deadline:
                agent.wait(0.05)
            lives = not agent.wait(_GRACE_SECONDS)
            stopped = agent.terminate() if lives else True
            last = agent.observation(early=False, killed=not stopped)
            outputs.append(last.output)
            errors.append(last.errors)
            peak_bytes = max(peak_bytes, last.peak_bytes)
            scraped = server.requests > before
            if lives or not scraped or server.requests >= _ENOUGH_REQUESTS or time.monotonic() >= deadline:
                break
        status = 0 if lives and stopped else last.exit_status
        return Observation(
            status,
            not scraped or server.requests < _ENOUGH_REQUESTS,
            time.monotonic() - began,
            peak_bytes,
            "".join(outputs),
            "".join(errors),
        )

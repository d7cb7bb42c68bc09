"""The response to each path of the HTTP server."""

from __future__ import annotations

from neuron_monitor.api.documents import EVENTS, PREFIX
from neuron_monitor.api.events import Events
from neuron_monitor.prometheus.landing import landing_page
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.request import Answer, Request, accepts_gzip, preferred, prefers_html
from neuron_monitor.prometheus.text import Format

_MISSED_REPORTS = 3
OFFERS = tuple((offer.media_type, offer.parameters) for offer in Format)
"""The media types of ``/metrics``, in the order of :class:`.text.Format`."""


class Routes:
    """Responds to requests that are allowed."""

    def __init__(self, page: Page, events: Events, stale_seconds: float) -> None:
        """Create the routes.

        Args:
            page: the metrics and the documents.
            events: the stream of reports.
            stale_seconds: the age of the last report from which ``/-/ready`` returns 503; if reports are further
                apart, three of them must be missing.
        """
        self._page = page
        self._events = events
        self._stale_seconds = stale_seconds

    def answer(self, request: Request) -> Answer:
        """Return the response to a request."""
        if request.method not in ("GET", "HEAD"):
            return Answer("405 Method Not Allowed", b"GET or HEAD\n", (("Allow", "GET, HEAD"),))
        match request.path:
            case "/metrics":
                return self._metrics(request)
            case path if path == EVENTS:
                return self._events.answer()
            case path if path.startswith(PREFIX):
                return self._page.documents.answer(request, self._page.age_seconds())
            case "/-/healthy":
                return Answer("200 OK", b"neuron-monitor is healthy\n")
            case "/-/ready":
                return self._ready()
            case "/" if not prefers_html(request.headers.get("accept", "")):
                return self._metrics(request)
            case "/":
                return Answer(
                    "200 OK",
                    landing_page(self._page.node, self._page.age_seconds()),
                    (("Content-Type", "text/html; charset=utf-8"),),
                )
            case _:
                return Answer("404 Not Found", b"not found: try /metrics or /api/v1/report\n")

    def _ready(self) -> Answer:
        age = self._page.age_seconds()
        if age is None:
            return Answer("503 Service Unavailable", b"no report yet\n")
        if age > max(self._stale_seconds, _MISSED_REPORTS * self._page.interval_seconds):
            return Answer("503 Service Unavailable", f"the last report is {age:.1f} s old\n".encode())
        return Answer("200 OK", b"neuron-monitor is ready\n")

    def _metrics(self, request: Request) -> Answer:
        liked = preferred(request.headers.get("accept", ""), OFFERS)
        form = self._page.available(Format.TEXT if liked is None else tuple(Format)[liked])
        zipped = accepts_gzip(request.headers.get("accept-encoding", ""))
        headers = [("Content-Type", form.content_type), ("Vary", "Accept, Accept-Encoding")]
        if zipped:
            headers.append(("Content-Encoding", "gzip"))
        body, more = self._page.scrape(form, zipped=zipped)
        return Answer("200 OK", body, tuple(headers), more)

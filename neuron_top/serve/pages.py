"""The web server behind ``--serve``."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

from aiohttp import web
from textual_serve.server import Server

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def refuses(host: str, origin: str | None, port: int) -> str:
    """Why a request is refused, "" when it is not.

    Any page that a browser shows can open a WebSocket to this machine, and a name of somebody else's can lead to it:
    only requests for this server by its own names, from its own pages, may press keys here.
    """
    names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if host not in names:
        return f"open http://127.0.0.1:{port}/ instead"
    if origin is not None and origin.removeprefix("http://") not in names:
        return "requests come from pages of this server alone"
    return ""


class PageServer(Server):
    """textual-serve without its banner, and closed to the pages of others."""

    def initialize_logging(self) -> None:
        """Warnings only."""
        logging.basicConfig(level="WARNING", format="neuron-top: %(message)s")

    async def on_startup(self, app: web.Application) -> None:
        """Tell where it is."""
        self.console.print(f"neuron-top is at {self.public_url}/ (Ctrl-C ends it)", highlight=False, soft_wrap=True)

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()

        @web.middleware
        async def own_pages_only(request: web.Request, handler: Handler) -> web.StreamResponse:
            reason = refuses(request.host, request.headers.get("Origin"), self.port)
            if reason:
                raise web.HTTPForbidden(text=f"{reason}\n")
            return await handler(request)

        app.middlewares.append(own_pages_only)
        return app

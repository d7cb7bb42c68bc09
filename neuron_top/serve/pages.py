"""The web server behind ``--serve``: who may open a page, and how much pages may use."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import WSCloseCode, web
from textual_serve.server import Server, to_int

from neuron_top.serve.door import Door
from neuron_top.serve.session import HEIGHTS, WIDTHS, Session, clamped, talk

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MAX_SESSIONS = 8
"""Pages at a time: each is a process of about 40 MB."""

_MAX_MESSAGE_BYTES = 1 << 16


class PageServer(Server):
    """textual-serve without its banner, closed to other pages and other users."""

    def __init__(self, command: Sequence[str], *, host: str, port: int, title: str, templates_path: str) -> None:
        """Serve pages that run ``command``; they open with :attr:`link` only."""
        super().__init__("neuron-top", host=host, port=port, title=title, templates_path=templates_path)
        self._program = tuple(command)
        self._sessions = 0
        self._door = Door(self.public_url)

    @property
    def link(self) -> str:
        """The address that opens a page, with the token."""
        return self._door.link

    def initialize_logging(self) -> None:
        """Warnings only."""
        logging.basicConfig(level="WARNING", format="neuron-top: %(message)s")
        # Its lines would contain the token.
        logging.getLogger("aiohttp.access").disabled = True

    async def on_startup(self, app: web.Application) -> None:
        """Print the link."""
        text = f"neuron-top is at {self.link} (Ctrl-C ends it)"
        self.console.print(text, highlight=False, soft_wrap=True, markup=False)

    async def _make_app(self) -> web.Application:
        app: web.Application = await super()._make_app()

        @web.middleware
        async def through_the_door(request: web.Request, handler: Handler) -> web.StreamResponse:
            self._door.check(request)
            return await handler(request)

        app.middlewares.append(through_the_door)
        app.on_response_prepare.append(self._door.add_headers)
        return app

    async def handle_websocket(self, request: web.Request) -> web.WebSocketResponse:
        """Run a program for one page, within limits."""
        if self._sessions >= MAX_SESSIONS:
            raise web.HTTPServiceUnavailable(text=f"{MAX_SESSIONS} pages are open: close one first\n")
        self._sessions += 1
        socket = web.WebSocketResponse(heartbeat=15, max_msg_size=_MAX_MESSAGE_BYTES)
        try:
            await socket.prepare(request)
            width = clamped(to_int(request.query.get("width", ""), 80), WIDTHS)
            height = clamped(to_int(request.query.get("height", ""), 24), HEIGHTS)
            session = Session(self._program, socket, self.download_manager)
            try:
                await session.start(width, height)
                if not await talk(socket, session):
                    await socket.close(code=WSCloseCode.POLICY_VIOLATION, message=b"malformed message")
            finally:
                await session.stop()
        finally:
            self._sessions -= 1
        return socket

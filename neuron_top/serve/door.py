"""Who may open a page: a browser that was given the token, from pages of this server.

The loopback interface is shared by all users of a machine, and by every page that a browser shows.
"""

from __future__ import annotations

import hmac
import secrets

from aiohttp import web

_TOKEN_BYTES = 32
_HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self' data:; connect-src 'self' {socket}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)
"""The terminal of the page writes its styles into the page; scripts come from this server only."""


def refuses(host: str, origin: str | None, port: int) -> str:
    """Why a request is refused, "" when it is not.

    Any page that a browser shows can open a WebSocket to this machine, and any name can be made to lead to it: only
    requests to this server by its own names, from its own pages, are accepted.
    """
    names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if host not in names:
        return f"open http://127.0.0.1:{port}/ instead"
    if origin is not None and origin.removeprefix("http://") not in names:
        return "requests come from pages of this server only"
    return ""


class Door:
    """Knows the token of one server."""

    def __init__(self, public_url: str) -> None:
        """``public_url``: of the server, with its port."""
        self._public_url = public_url
        self._port = int(public_url.rpartition(":")[2])
        self._token = secrets.token_urlsafe(_TOKEN_BYTES)
        # Another secret: a cookie that leaks does not open further browsers' pages by a link.
        self._pass = secrets.token_urlsafe(_TOKEN_BYTES)
        # Cookies belong to a host, not to a port: two servers must not overwrite each other's.
        self._cookie = f"neuron-top-{self._port}"

    @property
    def link(self) -> str:
        """The address that opens a page."""
        return f"{self._public_url}/?token={self._token}"

    def check(self, request: web.Request) -> None:
        """Let a request pass, or raise the answer: a refusal, or a redirect that sets the cookie.

        Raises:
            web.HTTPException: the answer.
        """
        reason = refuses(request.host, request.headers.get("Origin"), self._port)
        if reason:
            raise web.HTTPForbidden(text=f"{reason}\n")
        if request.path == "/" and not self._public_url.endswith(f"//{request.host}"):
            # The page's WebSocket goes to the public address, and a cookie belongs to the name it was set for.
            raise web.HTTPTemporaryRedirect(f"{self._public_url}{request.rel_url}")
        if _same(request.cookies.get(self._cookie, ""), self._pass):
            return
        if request.path == "/" and _same(request.query.get("token", ""), self._token):
            # The address bar, and so the history, does not keep the token.
            answer = web.HTTPSeeOther("/")
            answer.set_cookie(self._cookie, self._pass, path="/", httponly=True, samesite="Strict")
            raise answer
        raise web.HTTPUnauthorized(text="open the link that neuron-top printed: it contains a token\n")

    async def add_headers(self, request: web.Request, answer: web.StreamResponse) -> None:
        """Forbid other pages to frame this one, and this one to load from elsewhere."""
        answer.headers.update(_HEADERS)
        socket = self._public_url.replace("http", "ws", 1)
        answer.headers["Content-Security-Policy"] = _POLICY.format(socket=socket)


def _same(given: str, wanted: str) -> bool:
    """In a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), wanted.encode())

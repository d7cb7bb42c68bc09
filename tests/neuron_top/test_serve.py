"""--serve: what a page runs, and whose requests are refused."""

import asyncio
import contextlib
import io
import json
import socket
import sys
from pathlib import Path

import pytest
from rich.console import Console

from neuron_top.serve.server import command_of, free_port, serve_wish
from neuron_top.start import Wish, start
from runtime_core.telemetry import UsageError

pages = pytest.importorskip("neuron_top.serve.pages")
door = pytest.importorskip("neuron_top.serve.door")
TEMPLATES = str(Path(pages.__file__).parent / "templates")
PLAIN = Wish(None, False, None, None, False, (), (), None)


def test_a_page_runs_what_the_command_line_asked_for():
    wish = Wish(0.5, False, "sim:/tmp/a b", "cores", True, ("unix:/x",), (), None)
    assert command_of(wish)[2:] == [
        "neuron_top", "--interval=0.5", "--source=sim:/tmp/a b", "--view=cores", "--ascii", "--", "unix:/x",
    ]  # fmt: skip
    fleet = PLAIN._replace(remote=("a:1", "b:2"), hostfile=Path("/etc/nodes"))
    assert command_of(fleet)[3:] == ["--hostfile=/etc/nodes", "--remote=a:1", "--remote=b:2"]


@pytest.mark.parametrize(
    ("host", "origin", "refused"),
    [
        ("127.0.0.1:8001", None, False),
        ("localhost:8001", "http://localhost:8001", False),
        ("127.0.0.1:8001", "http://evil.example", True),
        ("evil.example:8001", None, True),
        ("127.0.0.1:9999", None, True),
        ("127.0.0.1:8001", "null", True),
        ("", None, True),
    ],
)
def test_only_pages_of_this_server_may_press_keys(host, origin, refused):
    assert bool(door.refuses(host, origin, 8001)) is refused


@contextlib.asynccontextmanager
async def opened(program=("false",)):
    """A server on a port of its own, and a client without cookies."""
    from aiohttp import ClientSession, CookieJar
    from aiohttp.test_utils import TestServer

    port = free_port(0)
    made = pages.PageServer(program, host="127.0.0.1", port=port, title="neuron-top", templates_path=TEMPLATES)
    made.console = Console(file=io.StringIO(), width=500)
    jar = CookieJar(unsafe=True)
    async with TestServer(await made._make_app(), port=port), ClientSession(cookie_jar=jar) as client:
        yield made, client, f"http://127.0.0.1:{port}"


def test_the_server_refuses_before_it_starts_a_program():
    async def check():
        async with opened() as (made, client, url):
            await client.get(made.link)
            for path in ("/", "/ws", "/static/js/textual.js"):
                answer = await client.get(url + path, headers={"Host": "evil.example"})
                assert answer.status == 403
            answer = await client.get(url + "/static/js/textual.js")
            assert answer.status == 200

    asyncio.run(check())


def test_only_who_has_the_token_gets_a_page_and_then_a_cookie_opens_it():
    async def check():
        async with opened() as (made, client, url):
            for path in ("/", "/ws", "/static/js/textual.js", "/?token=", "/?token=x", "/download/x", "/nowhere"):
                answer = await client.get(url + path)
                assert answer.status == 401
                assert "link that neuron-top printed" in await answer.text()
            assert (await client.get(url + "/", headers={"Cookie": "neuron-top-1=x"})).status == 401
            answer = await client.get(made.link)
            assert answer.status == 200
            assert "token" not in str(answer.url)
            (redirect,) = answer.history
            cookie = redirect.headers["Set-Cookie"]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
            assert made.link.partition("=")[2] not in cookie
            assert (await client.get(url + "/static/js/textual.js")).status == 200
            answer = await client.get(url.replace("127.0.0.1", "localhost") + "/", allow_redirects=False)
            assert answer.headers["Location"] == url + "/"

    asyncio.run(check())


def test_no_page_may_frame_it_and_it_loads_nothing_from_elsewhere():
    async def check():
        async with opened() as (made, client, url):
            for address in (made.link, url + "/", url + "/nowhere", url + "/static/js/textual.js"):
                answer = await client.get(address)
                assert answer.headers["X-Frame-Options"] == "DENY"
                policy = answer.headers["Content-Security-Policy"]
                assert "frame-ancestors 'none'" in policy
                assert "script-src 'self';" in policy
                assert answer.headers["Referrer-Policy"] == "no-referrer"

    asyncio.run(check())


ECHO = """
import os, sys, time
print("__GANGLION__", flush=True)
def say(text):
    data = text.encode()
    sys.stdout.buffer.write(b"D" + len(data).to_bytes(4, "big") + data)
    sys.stdout.buffer.flush()
say(os.environ["COLUMNS"] + "x" + os.environ["ROWS"])
while True:
    kind = sys.stdin.buffer.read(1)
    size = int.from_bytes(sys.stdin.buffer.read(4), "big")
    data = sys.stdin.buffer.read(size)
    if not kind or b"quit" in data:
        break
    say(data.decode())
"""


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("width=100&height=30", b"100x30"),
        ("width=99999999999&height=99999999", b"500x200"),
        ("width=-5&height=0", b"20x5"),
        ("width=x&height=", b"80x24"),
        ("width=" + "9" * 5000, b"80x24"),
    ],
)
def test_a_terminal_has_a_sane_size_whatever_is_asked_for(query, shown):
    async def check():
        async with opened((sys.executable, "-c", ECHO)) as (made, client, url):
            await client.get(made.link)
            async with client.ws_connect(f"{url}/ws?{query}") as socket:
                assert (await socket.receive(10)).data == shown
                await socket.send_str('["resize", {"width": 100000000, "height": 3}]')
                assert json.loads((await socket.receive(10)).data) == {"type": "resize", "width": 500, "height": 5}

    asyncio.run(check())


@pytest.mark.parametrize(
    "message",
    ["", "{}", "[]", "[1]", '["stdin"]', '["stdin", 5]', '["resize", {"width": "a"}]', '["resize", null]', "[" * 9000],
)
def test_a_malformed_message_closes_the_page_without_a_traceback(message, capfd, caplog):
    async def check():
        async with opened((sys.executable, "-c", ECHO)) as (made, client, url):
            await client.get(made.link)
            async with client.ws_connect(f"{url}/ws") as socket:
                await socket.receive(10)
                await socket.send_str(message)
                closed = await socket.receive(10)
                assert closed.data == 1008
        assert made._sessions == 0

    asyncio.run(check())
    assert "Traceback" not in capfd.readouterr().err + caplog.text


def test_one_more_page_than_allowed_is_refused_until_one_closes():
    async def check():
        async with opened((sys.executable, "-c", ECHO)) as (made, client, url):
            await client.get(made.link)
            sockets = [await client.ws_connect(f"{url}/ws") for _ in range(pages.MAX_SESSIONS)]
            assert (await client.get(f"{url}/ws")).status == 503
            await sockets[0].close()
            async with asyncio.timeout(10):
                while made._sessions == pages.MAX_SESSIONS:
                    await asyncio.sleep(0.01)
            async with client.ws_connect(f"{url}/ws") as socket:
                assert (await socket.receive(10)).data == b"80x24"
            for socket in sockets:
                await socket.close()

    asyncio.run(check())


def test_a_program_that_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr("neuron_top.serve.session._END_SECONDS", 0.2)
    program = "import signal, time; signal.signal(15, 1); print('__GANGLION__', flush=True); time.sleep(99)"

    async def check():
        async with opened((sys.executable, "-c", program)) as (made, client, url), asyncio.timeout(30):
            await client.get(made.link)
            async with client.ws_connect(f"{url}/ws"):
                pass
            while made._sessions:
                await asyncio.sleep(0.01)

    asyncio.run(check())


def test_pages_are_read_only_unless_signals_are_allowed(monkeypatch):
    seen = []
    monkeypatch.setattr(pages.PageServer, "serve", lambda self: seen.append(self._program))
    serve_wish(PLAIN, 0)
    serve_wish(PLAIN, 0, allow_signals=True)
    assert [program.count("--read-only") for program in seen] == [1, 0]
    with pytest.raises(UsageError, match="--read-only forbids"):
        serve_wish(PLAIN._replace(read_only=True), 0, allow_signals=True)


def test_a_port_that_somebody_uses_is_told():
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} .*Address already in use: choose another"):
            free_port(port)
    assert free_port(0) > 0


def test_options_that_do_not_go_together_are_told():
    with pytest.raises(UsageError, match="--once prints a frame"):
        serve_wish(PLAIN._replace(once=True), 0)
    with pytest.raises(UsageError, match="give only one of them"):
        start(PLAIN._replace(source="sim", remote=("a:1",)))

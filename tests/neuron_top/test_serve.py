"""--serve: what a page runs, and whose requests are refused."""

import asyncio
import socket
from pathlib import Path

import pytest

from neuron_top.serve.server import command_of, free_port, serve_wish
from neuron_top.start import Wish, start
from runtime_core.telemetry import UsageError

pages = pytest.importorskip("neuron_top.serve.pages")
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
    assert bool(pages.refuses(host, origin, 8001)) is refused


def test_the_server_refuses_before_it_starts_a_program():
    from aiohttp.test_utils import TestClient, TestServer

    async def check():
        made = pages.PageServer("exit 1", host="127.0.0.1", port=8001)
        made.on_startup = quiet
        async with TestClient(TestServer(await made._make_app())) as client:
            for path in ("/", "/ws", "/static/js/textual.js"):
                answer = await client.get(path, headers={"Host": "evil.example"})
                assert answer.status == 403
            answer = await client.get("/static/js/textual.js", headers={"Host": "127.0.0.1:8001"})
            assert answer.status == 200

    async def quiet(_app):
        pass

    asyncio.run(check())


def test_a_port_that_somebody_uses_is_told():
    with socket.create_server(("127.0.0.1", 0)) as used:
        port = used.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} .*Address already in use; choose another"):
            free_port(port)
    assert free_port(0) > 0


def test_options_that_do_not_go_together_are_told():
    with pytest.raises(UsageError, match="--once prints a frame"):
        serve_wish(PLAIN._replace(once=True), 0)
    with pytest.raises(UsageError, match="give only one of them"):
        start(PLAIN._replace(source="sim", remote=("a:1",)))

"""TLS with reload, client certificates and users, tested with independent clients."""

import asyncio
import base64
import os
import socket
import ssl
import time

import bcrypt
import pytest
from worlds import BUSY, make_snapshot

from neuron_monitor.prometheus.access import FileAccess
from neuron_monitor.prometheus.clients import Limits
from neuron_monitor.prometheus.from_node import NodeFeed
from neuron_monitor.prometheus.http import MetricsServer
from neuron_monitor.prometheus.page import Page
from neuron_monitor.prometheus.users import TooManyGuessesError, Users
from runtime_core.telemetry import NeuronError

# The hash of "secret". It is constant, because it is part of test names, which must be equal in parallel workers.
HASH = "$2b$04$sh17TepqH6ngSVxKvIOX/uCwev3ArfFn4ub325xVjlFJTzqJ5wB86"
TLS = "tls_server_config: {cert_file: server.pem, key_file: server.key}\n"
MUTUAL = """tls_server_config:
  cert_file: server.pem
  key_file: server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.pem
"""


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def serve(looks, tmp_path, clock):
    """Serve a page with a web configuration; returns the port."""
    servers = []
    (look,) = looks(make_snapshot(seconds=1, runtimes=BUSY), make_snapshot(seconds=6, runtimes=BUSY))
    page = Page()
    page.show(NodeFeed().take(look), time.monotonic())

    def start(text, **limits):
        path = tmp_path / "web.yml"
        path.write_text(text)
        access = FileAccess(path, clock, page.count_refused_reload)
        servers.append(MetricsServer(page, "127.0.0.1:0", stale_seconds=60, access=access, limits=Limits(**limits)))
        return servers[-1].port

    start.page = page
    yield start
    for server in servers:
        server.close()


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_https(serve, get, authority, tmp_path):
    authority.write_to(tmp_path)
    port = serve(TLS + "http_server_config: {headers: {X-Frame-Options: deny}}")
    status, headers, body = get(f"https://localhost:{port}/metrics", authority.client())
    assert status == 200
    assert headers["X-Frame-Options"] == "deny"
    assert b"neuron_monitor_build_info" in body
    with pytest.raises(OSError, match=r".*"):
        get(f"http://localhost:{port}/metrics")


def test_a_renewed_certificate_is_used_without_a_restart(serve, get, authority, tmp_path, clock, capfd):
    authority.write_to(tmp_path)
    port = serve(TLS)
    first = ssl.get_server_certificate(("localhost", port))
    (tmp_path / "server.key").write_text("half written")
    clock.now += 2
    assert ssl.get_server_certificate(("localhost", port)) == first
    clock.now += 2
    assert ssl.get_server_certificate(("localhost", port)) == first
    assert capfd.readouterr().err.count("not reloaded") == 1
    authority.write_to(tmp_path)
    clock.now += 2
    renewed = ssl.get_server_certificate(("localhost", port))
    assert renewed != first
    assert get(f"https://localhost:{port}/-/healthy", authority.client())[0] == 200


def test_client_certificates(serve, get, authority, tmp_path):
    authority.write_to(tmp_path)
    port = serve(MUTUAL)
    url = f"https://localhost:{port}/metrics"
    assert get(url, authority.client("scraper.example"))[0] == 200
    with pytest.raises(OSError, match=r"(?i)certificate|reset|eof|closed|broken"):
        get(url, authority.client())


def test_only_the_named_clients_may_come_in(serve, get, authority, tmp_path):
    authority.write_to(tmp_path)
    port = serve(MUTUAL + "  client_allowed_sans: [scraper.example]\n")
    url = f"https://localhost:{port}/metrics"
    assert get(url, authority.client("scraper.example"))[0] == 200
    assert get(url, authority.client("other.example"))[0] == 403


def test_users(serve, get):
    port = serve(f"basic_auth_users: {{alice: {HASH}}}")
    url = f"http://127.0.0.1:{port}/metrics"
    status, headers, _ = get(url)
    assert (status, headers["WWW-Authenticate"]) == (401, 'Basic realm="neuron-monitor"')
    for header in (basic("alice", "wrong"), basic("bob", "secret"), "Basic ?", "Basic", "Bearer x", basic("", "")):
        assert get(url, Authorization=header)[0] == 401
    for _ in range(2):
        assert get(url, Authorization=basic("alice", "secret"))[0] == 200
    assert get(f"http://127.0.0.1:{port}/-/healthy")[0] == 401


def test_users_that_change_are_known_without_a_restart(serve, get, tmp_path, clock):
    port = serve("")
    url = f"http://127.0.0.1:{port}/metrics"
    assert get(url)[0] == 200
    (tmp_path / "new.yml").write_text(f"basic_auth_users: {{alice: {HASH}}}")
    os.replace(tmp_path / "new.yml", tmp_path / "web.yml")
    clock.now += 2
    assert get(url)[0] == 401
    assert get(url, Authorization=basic("alice", "secret"))[0] == 200


ALLOWED = MUTUAL + "  client_allowed_sans: [scraper.example]\n"
USERS = f"basic_auth_users: {{alice: {HASH}}}\n"
STRICT = "http_server_config: {headers: {X-Frame-Options: deny}}\n"


@pytest.mark.parametrize(
    ("before", "after", "named"),
    [
        (USERS, "", "basic_auth_users"),
        (USERS, "\n", "basic_auth_users"),
        (USERS, "# being written", "basic_auth_users"),
        (USERS, "basic_auth_users: {}", "basic_auth_users"),
        (TLS, "", "tls_server_config"),
        (TLS + USERS, USERS, "tls_server_config"),
        (TLS + USERS, TLS, "basic_auth_users"),
        (MUTUAL, TLS, "client_auth_type"),
        (MUTUAL, MUTUAL.replace("RequireAndVerifyClientCert", "VerifyClientCertIfGiven"), "client_auth_type"),
        (ALLOWED, MUTUAL, "client_allowed_sans"),
        (TLS.replace("}", ", min_version: TLS13}"), TLS, "min_version"),
        (TLS.replace("}", ", cipher_suites: [TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]}"), TLS, "cipher_suites"),
        (USERS + STRICT, USERS, "headers"),
    ],
)
def test_a_reload_never_lowers_protection(authority, tmp_path, clock, capfd, before, after, named):
    authority.write_to(tmp_path)
    path = tmp_path / "web.yml"
    path.write_text(before)
    refused = []
    access = FileAccess(path, clock, lambda: refused.append(1))
    kept = access.config
    path.write_text(after)
    for _ in range(3):
        clock.now += 2
        assert (access.tls is None) == (kept.tls_server_config is None)
        assert access.config is kept
    assert len(refused) == 1
    told = capfd.readouterr().err
    assert told.count("not reloaded") == 1
    assert named in told
    assert "restart" in told
    # A restart may lower it, because a user decided so.
    assert FileAccess(path, clock).config != kept
    path.write_text(before + "# whole again\n")
    clock.now += 2
    assert access.config == kept


def test_a_file_cut_off_anywhere_never_lowers_protection(authority, tmp_path, clock):
    authority.write_to(tmp_path)
    whole = (ALLOWED + USERS + STRICT).encode()
    path = tmp_path / "web.yml"
    path.write_bytes(whole)
    access = FileAccess(path, clock)
    kept = access.config
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        clock.now += 2
        config = access.config
        assert config.basic_auth_users == kept.basic_auth_users
        assert config.tls_server_config == kept.tls_server_config


def test_a_user_that_is_removed_cannot_come_in_any_more(serve, get, tmp_path, clock):
    port = serve(f"basic_auth_users: {{alice: {HASH}, bob: {HASH}}}")
    url = f"http://127.0.0.1:{port}/metrics"
    assert get(url, Authorization=basic("bob", "secret"))[0] == 200
    (tmp_path / "web.yml").write_text(f"basic_auth_users: {{alice: {HASH}}}\n")
    clock.now += 2
    assert get(url, Authorization=basic("bob", "secret"))[0] == 401
    assert get(url, Authorization=basic("alice", "secret"))[0] == 200


def test_a_refused_reload_is_on_the_page(serve, get, tmp_path, clock):
    port = serve(USERS)
    (tmp_path / "web.yml").write_text("")
    clock.now += 2
    status, _, text = get(f"http://127.0.0.1:{port}/metrics", Authorization=basic("alice", "secret"))
    assert status == 200
    assert b"neuron_monitor_web_config_refused_reloads_total 1" in text
    assert get(f"http://127.0.0.1:{port}/metrics")[0] == 401


def test_a_plain_connection_ends_when_tls_is_turned_on(serve, authority, tmp_path, clock):
    authority.write_to(tmp_path)
    port = serve("")
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        ask = b"GET /metrics HTTP/1.1\r\n\r\n"
        client.sendall(ask)
        answer = b""
        while b"neuron_monitor_bad_lines_total" not in answer:
            answer += client.recv(1 << 16)
        (tmp_path / "web.yml").write_text(TLS)
        clock.now += 2
        client.sendall(ask)
        answer = b""
        while part := client.recv(1 << 16):
            answer += part
    assert b" 403 " in answer
    assert b"neuron_monitor" not in answer


@pytest.mark.parametrize("name", ["server.pem", "server.key", "ca.pem", "web.yml"])
def test_a_fifo_in_place_of_a_file_is_refused_and_never_waited_for(authority, tmp_path, clock, capfd, name):
    authority.write_to(tmp_path)
    path = tmp_path / "web.yml"
    path.write_text(MUTUAL)
    access = FileAccess(path, clock)
    before = access.tls
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    clock.now += 2
    assert access.tls is before
    assert "not a regular file" in capfd.readouterr().err
    with pytest.raises(NeuronError, match="not a regular file"):
        FileAccess(path, clock)


def test_only_answered_scrapes_count_as_scrapes(serve, get):
    port = serve(USERS)
    url = f"http://127.0.0.1:{port}/metrics"
    for _ in range(5):
        assert get(url, Authorization=basic("alice", "wrong"))[0] == 401
    get(url, Authorization=basic("alice", "secret"))
    text = get(url, Authorization=basic("alice", "secret"))[2]
    assert b"neuron_monitor_scrape_duration_seconds_count 1\n" in text


def test_clients_that_never_end_their_handshake_cannot_keep_a_scrape_out(serve, get, authority, tmp_path):
    authority.write_to(tmp_path)
    port = serve(TLS, connections=5)
    idle = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(20)]
    try:
        assert get(f"https://localhost:{port}/-/healthy", authority.client())[0] == 200
    finally:
        for client in idle:
            client.close()


def test_guesses_beyond_what_can_be_checked_are_turned_away_but_who_is_known_comes_in():
    slow = bcrypt.hashpw(b"secret", bcrypt.gensalt(6)).decode()

    async def storm(users):
        assert await users.knows(basic("alice", "secret"))
        guesses = [asyncio.ensure_future(users.knows(basic("alice", f"guess{n}"))) for n in range(100)]
        await asyncio.sleep(0)
        assert await users.knows(basic("alice", "secret"))
        return await asyncio.gather(*guesses, return_exceptions=True)

    users = Users({"alice": slow})
    try:
        told = asyncio.run(storm(users))
    finally:
        users.close()
    assert sum(isinstance(answer, TooManyGuessesError) for answer in told) == 68
    assert not any(answer is True for answer in told)


def test_a_password_that_bcrypt_would_cut_is_not_the_one_that_it_begins_with():
    long = b"x" * 72
    users = Users({"alice": bcrypt.hashpw(long, bcrypt.gensalt(4)).decode()})
    try:
        assert asyncio.run(users.knows(basic("alice", "x" * 72)))
        assert not asyncio.run(users.knows(basic("alice", "x" * 73)))
    finally:
        users.close()

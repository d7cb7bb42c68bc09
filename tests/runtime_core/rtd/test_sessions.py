"""Everything that a client creates in a session is freed when the client disconnects."""

import itertools

import pytest
from chains import chain, chain_input

from runtime_core.rtd.client import Client
from runtime_core.rtd.config import is_local
from runtime_core.rtd.posted import PostedInferences
from runtime_core.rtd.sessions import MAX_SESSIONS, MAX_SESSIONS_OF_A_HOST, Sessions
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr
from runtime_core.telemetry import open_source

X = {"x": chain_input().tobytes()}


def test_groups_and_networks_end_with_their_session(daemon, client, wait):
    kept = client.create_group(1)
    with Client(daemon.address) as other, other.session() as session:
        group = other.create_group(2, session=session)
        other.load(chain(), group=group, session=session)
        other.load(chain(seed=1), group=kept, session=session)
        own = client.load(chain(seed=2), group=kept)
        assert len(client.models()) == 3
    wait(lambda: [m.h_nn.id for m in client.models()] == [own])
    assert [g.eg.id for g in client.groups()] == [kept]


def test_a_session_ends_when_its_connection_breaks(daemon, client, wait):
    other = Client(daemon.address)
    session = other.session()
    other.load(chain(), session=session.__enter__())
    other.close()
    wait(lambda: not client.models() and not client.groups())
    wait(lambda: open_source().snapshot().devices[0].memory_used_bytes == 0)


def test_what_others_loaded_into_a_sessions_group_goes_with_the_group(client, daemon, wait):
    with Client(daemon.address) as other, other.session() as session:
        group = other.create_group(1, session=session)
        network = client.load(chain(), group=group)
    wait(lambda: not client.groups())
    with pytest.raises(RtdError, match="not loaded"):
        client.start(network)


def test_posted_inferences_of_an_ended_session_are_dropped(daemon, client, wait):
    with Client(daemon.address) as other, other.session() as session:
        network = other.load(chain(stage_seconds=0.1), session=session)
        for _ in range(3):
            other.post(network, X)
    wait(lambda: not client.models() and len(daemon.manager.posted) == 0)


def test_sessions_that_are_not_open_own_nothing(client):
    with client.session() as session:
        pass
    for wrong in (session, 12345):
        for call in (lambda s: client.create_group(1, session=s), lambda s: client.load(chain(), session=s)):
            with pytest.raises(RtdError) as caught:
                call(wrong)
            assert caught.value.code is Nerr.INVALID
    assert not client.groups()


def test_ids_of_sessions_differ(client):
    with client.session() as one, client.session() as other:
        assert one and other and one != other


def test_sessions_leave_half_of_the_threads_to_calls():
    sessions = Sessions()
    ids = [sessions.begin() for _ in range(MAX_SESSIONS)]
    with pytest.raises(RtdError, match="512 sessions are open"):
        sessions.begin()
    sessions.end(ids[0])
    sessions.begin()


def test_one_host_leaves_room_for_others():
    sessions = Sessions()
    for _ in range(MAX_SESSIONS_OF_A_HOST):
        sessions.begin("10.0.0.1")
    with pytest.raises(RtdError, match=r"of 10\.0\.0\.1 are open"):
        sessions.begin("10.0.0.1")
    sessions.begin("10.0.0.2")


def test_a_daemon_that_is_full_refuses_a_session_in_words(daemon, client, monkeypatch):
    monkeypatch.setattr("runtime_core.rtd.sessions.MAX_SESSIONS", 2)
    with client.session(), client.session():
        with pytest.raises(RtdError, match="sessions are open"), client.session():
            pass
        assert client.groups() == []


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("127.0.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("x:1", False),
    ],
)
def test_addresses_that_others_reach(address, local):
    assert is_local(address) is local


def test_cookies_cannot_be_guessed():
    posted = PostedInferences()
    cookies = [posted.add(object()) for _ in range(100)]
    assert len(set(cookies)) == 100
    assert min(abs(a - b) for a, b in itertools.pairwise(sorted(cookies))) > 1000

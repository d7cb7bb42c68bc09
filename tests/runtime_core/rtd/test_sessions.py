"""What a client made under a session is freed when the client goes."""

import pytest
from chains import chain, chain_input

from runtime_core.rtd.client import Client
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

"""IFMAPs and OFMAPs in shared memory, independently of each other; names cannot leave their folder."""

import os

import pytest
from chains import chain, chain_input
from hypothesis import given
from hypothesis import strategies as st

from runtime_core.rtd.client import Shared
from runtime_core.rtd.proto import nmgr_pb2
from runtime_core.rtd.shm import object_name
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

INPUT = chain_input().tobytes()


def code_of(call, *arguments, **options):
    with pytest.raises(RtdError) as caught:
        call(*arguments, **options)
    return caught.value.code


@pytest.fixture
def network(client):
    return client.load(chain())


def test_inputs_and_outputs_may_lie_in_shared_memory_independently(client, network, shared_memory):
    given_x, target = shared_memory(INPUT), shared_memory(24)
    expected = client.infer(network, {"x": INPUT})["y"]
    client.shm_map(f"/{given_x.name}", read=True)
    client.shm_map(f"/{target.name}", write=True)
    x, y = Shared(f"/{given_x.name}"), Shared(f"/{target.name}")
    assert client.infer(network, {"x": x}) == {"y": expected}
    assert client.infer(network, {"x": INPUT}, {"y": y}) == {"y": y}
    assert target.read_bytes() == expected
    target.write_bytes(bytes(24))
    assert client.infer(network, {"x": x}, {"y": y}) == {"y": y}
    assert target.read_bytes() == expected


def test_posted_inferences_write_their_outputs_when_they_are_handed_over(client, network, shared_memory):
    target = shared_memory(24)
    client.shm_map(target.name, write=True)
    cookie = client.post(network, {"x": INPUT}, {"y": Shared(target.name)})
    assert client.wait(cookie) == {"y": Shared(target.name)}
    assert target.read_bytes() == client.infer(network, {"x": INPUT})["y"]


def test_what_is_not_mapped_that_way_can_not_be_used(client, network, shared_memory):
    memory = shared_memory(INPUT)
    assert code_of(client.infer, network, {"x": Shared(memory.name)}) is Nerr.INFER_BAD_INPUT
    client.shm_map(memory.name, read=True)
    assert code_of(client.infer, network, {"x": INPUT}, {"y": Shared(memory.name)}) is Nerr.INFER_BAD_INPUT
    client.shm_unmap(memory.name, read=True)
    assert code_of(client.infer, network, {"x": Shared(memory.name)}) is Nerr.INFER_BAD_INPUT
    assert code_of(client.shm_unmap, memory.name, read=True) is Nerr.INVALID
    assert memory.read_bytes() == INPUT


def test_sizes_are_checked_even_after_the_mapping(client, network, shared_memory):
    small, shrinking = shared_memory(8), shared_memory(INPUT)
    client.shm_map(small.name, read=True, write=True)
    client.shm_map(shrinking.name, read=True)
    assert code_of(client.infer, network, {"x": Shared(small.name)}) is Nerr.INFER_BAD_INPUT
    assert code_of(client.infer, network, {"x": INPUT}, {"y": Shared(small.name)}) is Nerr.INFER_BAD_INPUT
    os.truncate(shrinking, 3)
    assert code_of(client.infer, network, {"x": Shared(shrinking.name)}) is Nerr.INFER_BAD_INPUT
    assert client.infer(network, {"x": INPUT})


def test_nothing_outside_the_folder_can_be_mapped(client, shared_memory, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    link = shared_memory(8)
    link.unlink()
    link.symlink_to(secret)
    for path in (str(secret), f"/dev/shm/../{secret}", "../etc/passwd", "/etc/passwd", "", "/", ".", "..", link.name,
                 "a/b", "no-such-object", "x" * 300):  # fmt: skip
        assert code_of(client.shm_map, path, read=True) is Nerr.INVALID, path


def test_a_mapping_needs_a_protection_and_an_object_that_is_large_enough(client, shared_memory):
    memory = shared_memory(16)
    assert code_of(client.shm_map, memory.name) is Nerr.INVALID
    for size, code in ((17, Nerr.INVALID), (0, Nerr.INVALID), (16, Nerr.OK)):
        request = nmgr_pb2.shm_map_request(path_hugetlb=nmgr_pb2.hugetlb_shm(path=memory.name, size=size), mmap_prot=1)
        assert client.call("shm_map", request, nmgr_pb2.shm_map_response).status.code == code
    assert code_of(client.shm_map, memory.name, read=True) is Nerr.INVALID


def test_a_sessions_mappings_end_with_it(daemon, client, shared_memory, wait):
    memory = shared_memory(16)
    with client.session() as session:
        client.shm_map(memory.name, read=True, session=session)
        assert len(daemon.manager.shm) == 1
    wait(lambda: len(daemon.manager.shm) == 0)


@given(st.text())
def test_any_text_is_a_name_in_the_folder_or_refused(text):
    try:
        name = object_name(text)
    except RtdError as error:
        assert error.code is Nerr.INVALID
    else:
        assert "/" not in name and name not in ("", ".", "..")

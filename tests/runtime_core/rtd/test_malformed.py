"""Malformed requests get the documented status, and the daemon continues."""

import itertools

import grpc
import pytest
from chains import chain, chain_input
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime_core.rtd import loading
from runtime_core.rtd.client import CHUNK_BYTES
from runtime_core.rtd.network import Parameters
from runtime_core.rtd.proto import common_pb2, nmgr_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.rtd.wire import NETWORK_MANAGER, STREAM, calls
from runtime_core.status import Nerr

X = {"x": chain_input().tobytes()}
NEFF = chain()


def message(**content):
    return nmgr_pb2.load_request(**content)


def size(count=None):
    return message(neff_size=len(NEFF) if count is None else count)


def chunk(data=NEFF):
    return message(neff_chunk=nmgr_pb2.file_chunk(chunk=data))


def params(**numbers):
    return message(model_params=nmgr_pb2.model_params(**{k: common_pb2.u32(data=v) for k, v in numbers.items()}))


def group(number):
    return message(h_eg=common_pb2.h_eg(id=number))


LOADS = {
    "nothing": ([], Nerr.INVALID),
    "an empty message": ([message()], Nerr.INVALID),
    "no NEFF": ([params(ninfer=4)], Nerr.INVALID),
    "chunks without a size": ([chunk()], Nerr.INVALID),
    "a size after more chunks than that": ([chunk(), size(2000)], Nerr.INVALID),
    "a file and chunks": ([message(neff_file="/nowhere/model.neff"), size(), chunk()], Nerr.INVALID),
    "a size without chunks": ([size()], Nerr.INVALID),
    "too few bytes": ([size(), chunk(NEFF[:-1])], Nerr.INVALID),
    "too many bytes": ([size(), chunk(NEFF + b"x")], Nerr.INVALID),
    "a size of nothing": ([size(0)], Nerr.INVALID),
    "an impossible size": ([size(2**64 - 1), chunk()], Nerr.INVALID),
    "two sizes": ([size(), size(), chunk()], Nerr.INVALID),
    "settings twice": ([params(ninfer=4), size(), chunk(), params(ninfer=5)], Nerr.INVALID),
    "no slot after the NEFF": ([size(), chunk(), params(ninfer=0)], Nerr.INVALID),
    "an unknown group after the NEFF": ([size(), chunk(), group(77)], Nerr.INVALID_HANDLE),
    "no slot": ([params(ninfer=0), size(), chunk()], Nerr.INVALID),
    "slots without end": ([params(ninfer=2**32 - 1), size(), chunk()], Nerr.INVALID),
    "no time": ([params(timeout=0), size(), chunk()], Nerr.INVALID),
    "an unknown group": ([group(77), size(), chunk()], Nerr.INVALID_HANDLE),
    "an unknown session": ([message(session_id=77), size(), chunk()], Nerr.INVALID),
    "a file that is not there": ([message(neff_file="/nowhere/model.neff")], Nerr.INVALID),
    "a relative file": ([message(neff_file="model.neff")], Nerr.INVALID),
    "a device": ([message(neff_file="/dev/zero")], Nerr.INVALID),
    "no NEFF at all": ([size(2048), chunk(bytes(2048))], Nerr.UNSUPPORTED_VERSION),
    "a damaged NEFF": ([size(), chunk(NEFF[:1100] + bytes(50) + NEFF[1150:])], Nerr.INVALID),
    "a foreign version": ([size(), chunk(NEFF[:24] + b"\x09" + NEFF[25:])], Nerr.UNSUPPORTED_VERSION),
}


@pytest.mark.parametrize("case", LOADS, ids=lambda name: name.replace(" ", "-"))
def test_a_load_stream_that_is_wrong(client, case):
    messages, code = LOADS[case]
    status = client.call("load", iter(messages), nmgr_pb2.load_response).status
    assert (status.code, bool(status.details)) == (code, True)
    assert not client.models() and not client.groups()
    assert client.infer(client.load(NEFF), X)


@pytest.mark.parametrize("order", list(itertools.permutations(("params", "group", "size", "chunks"))), ids="-".join)
def test_a_load_may_come_in_any_pieces_and_any_order(client, order):
    number = client.create_group(1)
    pieces = {
        "params": [params(timeout=3)],
        "group": [group(number)],
        "size": [size()],
        "chunks": [chunk(b""), *(chunk(NEFF[i : i + 500]) for i in range(0, len(NEFF), 500))],
    }
    messages = itertools.chain.from_iterable(pieces[name] for name in order)
    answer = client.call("load", messages, nmgr_pb2.load_response)
    assert answer.status.code == Nerr.OK
    client.start(answer.h_nn.id)
    assert client.infer(answer.h_nn.id, X)
    client.unload(answer.h_nn.id)
    client.destroy_group(number)


def test_settings_between_the_chunks_hold(client):
    messages = [chunk(NEFF[:700]), params(ninfer=1), size(), chunk(NEFF[700:])]
    answer = client.call("load", iter(messages), nmgr_pb2.load_response)
    assert answer.status.code == Nerr.OK
    client.start(answer.h_nn.id)
    assert client.infer(answer.h_nn.id, X)
    client.unload(answer.h_nn.id)


def test_a_file_of_the_daemons_host(client, tmp_path):
    path = tmp_path / "chain.neff"
    path.write_bytes(NEFF)
    assert client.infer(client.load(path), X)


def test_a_network_larger_than_a_chunk(client):
    content = chain(rows=2, columns=600)
    assert len(content) > CHUNK_BYTES
    network = client.load(content)
    assert client.infer(network, {"x": chain_input(2, 600).tobytes()})


UNARY = {n: c for n, c in {**calls(NETWORK_MANAGER), **calls(STREAM)}.items() if not c.client_streams}
NEEDS_A_HANDLE = {
    "unload", "start", "stop", "infer", "infer_post", "infer_wait", "infer_poll", "destroy_eg", "random_seed",
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_an_empty_request_gets_a_status(client, name):
    answer = client.call(name, UNARY[name].request(), UNARY[name].response)
    if name in NEEDS_A_HANDLE:
        assert answer.status.code == Nerr.INVALID_HANDLE
    assert client.groups() is not None


@pytest.fixture
def raw(daemon):
    """Send arbitrary bytes."""
    with grpc.insecure_channel(daemon.address) as channel:

        def send(path, data, streaming):
            make = channel.stream_unary if streaming else channel.unary_unary
            call = make(path, request_serializer=bytes, response_deserializer=bytes)
            try:
                call(iter(data) if streaming else data, timeout=10)
            except grpc.RpcError as error:
                assert error.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN), error

        yield send


def test_streams_of_bytes_that_are_no_messages_end(daemon, wait):
    junk = b"\xff\xff"
    with grpc.insecure_channel(daemon.address) as channel:
        load = channel.stream_unary("/nrt.nmgr_v1/load", response_deserializer=nmgr_pb2.load_response.FromString)
        for _ in range(5):
            assert load(iter([junk]), timeout=10).status.code == Nerr.INVALID
        for path in ("/nrt.nmgr_session_manager/session_monitor", "/nrt.nmgr_stream/infer_stream"):
            with pytest.raises(grpc.RpcError) as caught:
                list(channel.stream_stream(path)(iter([junk]), timeout=10))
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    wait(lambda: daemon.manager.sessions.count == 0)


NAMES = sorted(set(calls(NETWORK_MANAGER)) - {"shm_map", "shm_unmap"})
QUIET = settings(max_examples=60, suppress_health_check=list(HealthCheck))


@QUIET
@given(st.sampled_from(NAMES), st.binary(max_size=300))
def test_any_bytes_are_survived(client, raw, name, data):
    call = calls(NETWORK_MANAGER)[name]
    raw(call.path, [data] if call.client_streams else data, call.client_streams)
    assert client.counters().status.code == Nerr.OK


IO = st.builds(
    lambda name, kind, data: nmgr_pb2.infer_io(
        name=name, **({"buf": data} if kind else {"buf_shm": nmgr_pb2.shared_mem_buf(path=data.decode("latin-1"))})
    ),
    st.sampled_from(["x", "y", "", "z" * 500]),
    st.booleans(),
    st.binary(max_size=40),
)


@QUIET
@given(st.lists(IO, max_size=3), st.lists(IO, max_size=2), st.integers(0, 2**32 - 1), st.booleans())
def test_any_inference_request_is_survived(client, ifmaps, ofmaps, handle, real):
    networks = [m.h_nn.id for m in client.models()] or [client.load(NEFF)]
    request = nmgr_pb2.infer_request(
        h_nn=common_pb2.h_nn(id=networks[0] if real else handle), ifmap=ifmaps, shm_ofmap=ofmaps
    )
    answer = client.call("infer", request, nmgr_pb2.infer_response)
    assert answer.status.code in Nerr.__members__.values()
    assert client.infer(networks[0], X)


CONTENT = st.one_of(
    st.builds(group, st.integers(0, 3)),
    st.builds(params, ninfer=st.integers(0, 10), timeout=st.integers(0, 3)),
    st.builds(size, st.sampled_from([0, 1024, len(NEFF), 2**63])),
    st.builds(chunk, st.sampled_from([b"", NEFF, NEFF[:500], NEFF[500:], bytes(1024)])),
    st.builds(lambda number: message(session_id=number), st.integers(0, 2**64 - 1)),
    st.just(message()),
)


@QUIET
@given(st.lists(CONTENT, max_size=6))
def test_any_load_stream_is_survived(client, messages):
    answer = client.call("load", iter(messages), nmgr_pb2.load_response)
    if answer.status.code == Nerr.OK:
        client.unload(answer.h_nn.id)
    assert not client.models() and not client.groups()


def test_loads_that_never_end_share_one_limit(monkeypatch):
    held = loading.HalfOpen(len(NEFF) + 100)
    monkeypatch.setattr(loading, "_half_open", held)
    defaults = Parameters(10**9, 1, False)

    def half_open():
        yield size()
        yield chunk(NEFF[:-1])
        # Another client, while this one is still connected.
        with pytest.raises(RtdError, match="loads that have not ended") as caught:
            loading.read_load([size(), chunk()], defaults)
        assert caught.value.code is Nerr.RESOURCE
        yield chunk(NEFF[-1:])

    assert bytes(loading.read_load(half_open(), defaults).content) == NEFF
    assert held.bytes == 0
    with pytest.raises(RtdError, match="ended after"):
        loading.read_load([size(), chunk(NEFF[:-1])], defaults)
    assert held.bytes == 0

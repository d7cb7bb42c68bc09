"""Inferences over the wire: sync, posted, streamed; slots, timeouts, pipelining, bad input."""

import threading
import time

import numpy as np
import pytest
from chains import chain, chain_input

from runtime_core.nrt import Runtime
from runtime_core.rtd.client import Client, InferenceError, infer_request
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

INPUT = chain_input()
X = {"x": INPUT.tobytes()}


def code_of(call, *arguments, **options):
    with pytest.raises(RtdError) as caught:
        call(*arguments, **options)
    return caught.value.code


def counters(client):
    return client.counters().nmgr_counters


def test_results_equal_those_of_nrt_bit_for_bit(client, node):
    networks = [chain(stages=s, rows=5, columns=7, seed=s) for s in (1, 2, 3)]
    x = chain_input(5, 7)
    over_the_wire = []
    for content in networks:
        network = client.load(content)
        over_the_wire.append(client.infer(network, {"x": x.tobytes()})["y"])
        client.unload(network)
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "4-7"}) as runtime:
        own = [runtime.infer(runtime.load(content), {"x": x}).outputs["y"].tobytes() for content in networks]
    assert over_the_wire == own


def test_as_many_can_be_posted_as_there_are_slots(client):
    network = client.load(chain(), ninfer=4)
    inputs = [{"x": chain_input(seed=i).tobytes()} for i in range(4)]
    cookies = [client.post(network, x) for x in inputs]
    assert code_of(client.post, network, X) is Nerr.QUEUE_FULL
    assert code_of(client.infer, network, X) is Nerr.QUEUE_FULL
    assert counters(client).infer_queue_drop_count == 2
    results = {cookie: client.wait(cookie) for cookie in reversed(cookies)}
    assert [results[cookie] for cookie in cookies] == [client.infer(network, x) for x in inputs]


def test_a_result_is_handed_over_once(client):
    network = client.load(chain())
    cookie = client.post(network, X)
    client.wait(cookie)
    assert code_of(client.wait, cookie) is Nerr.INVALID_HANDLE
    assert code_of(client.poll, cookie) is Nerr.INVALID_HANDLE
    assert code_of(client.completed, [cookie]) is Nerr.INVALID_HANDLE


def test_polling_tells_what_still_runs(client, wait):
    slow = client.load(chain(stage_seconds=0.4))
    cookie = client.post(slow, X)
    assert client.poll(cookie) is None
    assert client.completed([cookie]) == []
    wait(lambda: client.completed([cookie]) == [cookie])
    assert client.poll(cookie) is not None


def test_an_inference_longer_than_its_networks_timeout(client):
    network = client.load(chain(stage_seconds=5), timeout_seconds=1)
    started = time.monotonic()
    assert code_of(client.infer, network, X) is Nerr.TIMEOUT
    assert 1 <= time.monotonic() - started < 4
    (timed_out,) = (c.count for c in counters(client).infer_status_counts if c.infer_status == 4)
    assert timed_out == 1


def test_bad_input_names_the_tensor(client):
    network = client.load(chain())
    for inputs in ({}, {"z": b""}, {"x": b""}, {"x": INPUT.tobytes()[:-1]}, {"x": INPUT.tobytes() * 2}):
        with pytest.raises(InferenceError) as caught:
            client.infer(network, inputs)
        assert caught.value.code is Nerr.INFER_BAD_INPUT
        assert "input" in str(caught.value)
    assert client.infer(network, X)
    (refused,) = (c.count for c in counters(client).infer_status_counts if c.infer_status == 3)
    assert refused == 5


def test_results_with_nan_come_with_their_status(client):
    network = client.load(chain())
    with pytest.raises(InferenceError) as caught:
        client.infer(network, {"x": np.full((2, 3), np.nan, np.float32).tobytes()})
    assert caught.value.code is Nerr.INFER_COMPLETED_WITH_NUM_ERR
    assert np.isnan(np.frombuffer(caught.value.outputs["y"], np.float32)).all()


def elapsed(client, network, count):
    cookies = []
    started = time.monotonic()
    for _ in range(count):
        cookies.append(client.post(network, X))
    for cookie in cookies:
        client.wait(cookie)
    return time.monotonic() - started


def test_stages_of_a_pipelined_network_overlap(client):
    stage = 0.1
    network = client.load(chain(stages=4, stage_seconds=stage), ninfer=5)
    # Five inferences in four stages take 4 + 4 stage times, not 5 * 4.
    assert elapsed(client, network, 5) < 12 * stage


def test_inferences_of_a_shared_network_run_one_at_a_time(client):
    group = client.create_group(2)
    network = client.load(chain(stages=4, stage_seconds=0.05), group=group)
    client.start(network)
    assert elapsed(client, network, 3) >= 3 * 4 * 0.05


def test_loads_and_unloads_go_on_while_others_infer(client):
    network = client.load(chain(stage_seconds=0.2), ninfer=8)
    cookies = [client.post(network, X) for _ in range(8)]
    for _ in range(3):
        other = client.load(chain())
        client.infer(other, X)
        client.unload(other)
    assert len(client.completed(cookies)) < 8
    for cookie in cookies:
        client.wait(cookie)


def test_an_unload_waits_for_what_runs(daemon, client, wait):
    network = client.load(chain(stage_seconds=0.3))
    results = []
    thread = threading.Thread(target=lambda: results.append(client.infer(network, X)))
    thread.start()
    wait(lambda: daemon.manager.running == 1)
    cookie = client.post(network, X)
    client.unload(network)
    thread.join()
    assert "y" in results[0]
    assert code_of(client.wait, cookie) is Nerr.INVALID_HANDLE


def test_a_stream_answers_in_the_order_of_its_requests(client):
    network = client.load(chain(stages=2, stage_seconds=0.01), ninfer=3)
    inputs = [{"x": chain_input(seed=i).tobytes()} for i in range(12)]
    answers = list(client.infer_stream(infer_request(network, x) for x in inputs))
    assert [status.code for status, _ in answers] == [0] * 12
    assert [outputs for _, outputs in answers] == [client.infer(network, x) for x in inputs]


def test_a_stream_goes_on_after_a_refused_request(client):
    network = client.load(chain())
    requests = [infer_request(network, X), infer_request(999, X), infer_request(network, {}), infer_request(network, X)]
    codes = [status.code for status, _ in client.infer_stream(requests)]
    assert codes == [Nerr.OK, Nerr.INVALID_HANDLE, Nerr.INFER_BAD_INPUT, Nerr.OK]


def test_a_stream_that_is_broken_off_frees_its_slots(daemon, client, wait):
    network = client.load(chain(stage_seconds=0.05), ninfer=2)
    with Client(daemon.address) as other:
        stream = other.infer_stream(infer_request(network, X) for _ in range(1000))
        next(stream)
    wait(lambda: daemon.manager.running == 0)

    def posted():
        try:
            return client.post(network, X)
        except RtdError as error:
            assert error.code is Nerr.QUEUE_FULL
            return None

    first, second = wait(posted), wait(posted)
    assert client.wait(first) == client.wait(second)


def test_random_seed_needs_a_group(client):
    from runtime_core.rtd.proto import common_pb2, nmgr_pb2

    group = client.create_group(1)
    for handle, code in ((group, Nerr.OK), (group + 1, Nerr.INVALID_HANDLE)):
        request = nmgr_pb2.random_seed_request(h_eg=common_pb2.h_eg(id=handle), seed=7)
        assert client.call("random_seed", request, nmgr_pb2.random_seed_response).status.code == code


def test_a_wait_that_is_given_up_loses_no_result(daemon, client):
    import grpc

    from runtime_core.rtd.proto import nmgr_pb2

    network = client.load(chain(stage_seconds=0.3))
    cookie = client.post(network, X)
    with grpc.insecure_channel(daemon.address) as channel:
        wait = channel.unary_unary(
            "/nrt.nmgr_v1/infer_wait", nmgr_pb2.infer_wait_request.SerializeToString, nmgr_pb2.infer_response.FromString
        )
        with pytest.raises(grpc.RpcError) as caught:
            wait(nmgr_pb2.infer_wait_request(cookie=cookie), timeout=0.05)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert client.wait(cookie) == client.infer(network, X)


def test_a_dynamic_batch_takes_any_number_of_samples(client):
    network = client.load(chain(rows=4, columns=3, dynamic_batch=True))
    x = chain_input(9, 3)
    whole = client.infer(network, {"x": x.tobytes()})["y"]
    parts = [client.infer(network, {"x": x[i : i + 1].tobytes()})["y"] for i in range(9)]
    assert whole == b"".join(parts)
    assert code_of(client.infer, network, {"x": x.tobytes()[:-4]}) is Nerr.INFER_BAD_INPUT

"""The counters on the wire equal those of the datastore."""

import pytest
from chains import chain, chain_input

from runtime_core.engine.timing.parameters import PE_CLOCK_HZ
from runtime_core.rtd.proto import common_pb2, nmgr_counters_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr
from runtime_core.telemetry import open_source

X = {"x": chain_input().tobytes()}


def own(daemon):
    (runtime,) = (r for r in open_source().snapshot().runtimes if r.address == daemon.address)
    return runtime


def call(client, name, request=None):
    answer = {
        "read_nc_counters": nmgr_counters_pb2.read_nc_counters_response,
        "read_nc_time_in_use": nmgr_counters_pb2.read_nc_time_in_use_response,
        "read_inference_counters": nmgr_counters_pb2.read_inference_counters_response,
        "read_all_metrics": nmgr_counters_pb2.read_all_metrics_response,
        "get_hw_counters": nmgr_counters_pb2.get_hw_counters_response,
        "get_all_hw_counters": nmgr_counters_pb2.get_all_hw_counters_response,
        "set_static_transfer_adjustment": nmgr_counters_pb2.set_static_transfer_adjustment_response,
    }[name]
    return client.call(name, request if request is not None else common_pb2.empty(), answer)


@pytest.fixture
def network(client):
    return client.load(chain(stages=2, stage_seconds=0.02))


def test_inferences_are_counted_by_outcome(daemon, client, network):
    for _ in range(3):
        client.infer(network, X)
    with pytest.raises(RtdError):
        client.infer(network, {})
    counters = client.counters().nmgr_counters
    executions = own(daemon).executions
    assert counters.infer_count == sum(executions) == 4
    by_status = {c.infer_status: c.count for c in counters.infer_status_counts}
    assert (by_status[0], by_status[3]) == (executions.completed, executions.incorrect_input) == (3, 1)
    assert call(client, "read_inference_counters").nmgr_counters == client.counters().nmgr_counters


def test_a_full_queue_is_a_transient_error(daemon, client):
    network = client.load(chain(), ninfer=1)
    client.post(network, X)
    with pytest.raises(RtdError):
        client.post(network, X)
    by_subtype = {c.error_subtype: c.count for c in client.counters().nmgr_counters.infer_error_subtype_count}
    assert by_subtype[nmgr_counters_pb2.INFER_ERROR_SUBTYPE_TRANSIENT] == own(daemon).errors.transient == 1


def test_loads_starts_stops_and_unloads_are_counted(client):
    group = client.create_group(1)
    one, other = client.load(chain(), group=group), client.load(chain(seed=1), group=group)
    client.start(one)
    client.start(other)
    client.unload(one)
    counters = client.counters().nmgr_counters
    assert (counters.model_load_count, counters.model_start_count) == (2, 2)
    assert (counters.model_stop_count, counters.model_unload_count) == (1, 1)
    assert counters.neff_num_ncs_max == 1
    assert counters.neff_size_bytes_max == max(len(chain()), len(chain(seed=1)))


def test_time_in_use_and_cycles_follow_from_the_busy_time(daemon, client, network):
    for _ in range(3):
        client.infer(network, X)
    busy_ns = own(daemon).cores[0].busy_ns
    in_use = call(client, "read_nc_time_in_use", nmgr_counters_pb2.read_nc_time_in_use_request(vnc_id=0))
    assert in_use.nc_time_in_use.time_in_use == busy_ns == pytest.approx(3 * 0.02e9, rel=0.01)
    request = nmgr_counters_pb2.read_nc_counters_request(vnc_id=0)
    core = call(client, "read_nc_counters", request).nc_counters
    assert core.pe_num_executed_instr == core.pe_matmul_num_executed_instr == 3
    worked = 3 * 0.02 * PE_CLOCK_HZ
    assert core.act_num_wait_event_cycles == pytest.approx(worked, rel=0.01)
    assert core.pe_num_wait_event_cycles < 0.01 * worked
    idle = call(client, "read_nc_counters", nmgr_counters_pb2.read_nc_counters_request(vnc_id=3)).nc_counters
    assert idle.pe_num_idle_cycles > core.pe_num_idle_cycles
    assert idle.macs_count == 0 < core.macs_count


def test_work_of_unloaded_networks_stays_counted(client, network):
    client.infer(network, X)
    before = client.counters().nc_counters[1].macs_count
    client.unload(network)
    assert client.counters().nc_counters[1].macs_count == before > 0


def test_cores_that_the_daemon_has_not(client):
    for name, request in (
        ("read_nc_counters", nmgr_counters_pb2.read_nc_counters_request(vnc_id=4)),
        ("read_nc_time_in_use", nmgr_counters_pb2.read_nc_time_in_use_request(vnc_id=2**32 - 1)),
    ):
        assert call(client, name, request).status.code == Nerr.INVALID


def test_memory_is_told_by_device(daemon, client, network):
    (memory,) = client.counters().system_counters.memory_counters
    runtime = own(daemon)
    assert memory.infa_id == 0
    assert memory.mem_used_infa_0 + memory.mem_used_infa_1 == open_source().snapshot().devices[0].memory_used_bytes
    assert memory.mem_used_host == runtime.host_memory.total_bytes


def test_metrics_summarise_latencies_and_loads(daemon, client, network):
    for _ in range(4):
        client.infer(network, X)
    answer = call(client, "read_all_metrics", nmgr_counters_pb2.read_all_metrics_request())
    metrics = {m.metric_type: m.data[0].value_agg for m in answer.nmgr_metrics if m.data}
    total = metrics[nmgr_counters_pb2.NMGR_METRIC_INFER_LATENCY]
    assert total.count == sum(total.counts) == 4
    assert total.sum == pytest.approx(own(daemon).total_latency.sum_ns / 1e9)
    assert 0.04 <= total.min <= total.max
    on_device = metrics[nmgr_counters_pb2.NMGR_METRIC_INFER_ON_INFA_LATENCY]
    assert on_device.sum == pytest.approx(4 * 0.04, rel=0.01)
    assert metrics[nmgr_counters_pb2.NMGR_METRIC_MODEL_NUM_NC].values == [2]
    assert metrics[nmgr_counters_pb2.NMGR_METRIC_MODEL_LOAD_LATENCY].sum > 0
    assert nmgr_counters_pb2.NMGR_METRIC_MODEL_UNLOAD_LATENCY not in metrics


def test_hardware_counters_are_those_of_the_daemons_devices(client):
    request = nmgr_counters_pb2.set_static_transfer_adjustment_request(transfer_adjust_cnt=5)
    assert call(client, "set_static_transfer_adjustment", request).status.code == Nerr.OK
    (device,) = call(client, "get_all_hw_counters").counters
    bdf = open_source().snapshot().devices[0].bdf
    assert (device.device_index, device.bdf, device.transfer_adjustment_cnt) == (0, bdf, 5)
    for request, code in (
        (nmgr_counters_pb2.get_hw_counters_request(bdf=bdf), Nerr.OK),
        (nmgr_counters_pb2.get_hw_counters_request(device_id=0), Nerr.OK),
        (nmgr_counters_pb2.get_hw_counters_request(device_id=1), Nerr.INVALID),
        (nmgr_counters_pb2.get_hw_counters_request(bdf="0000:00:00.0"), Nerr.INVALID),
        (nmgr_counters_pb2.get_hw_counters_request(), Nerr.INVALID),
    ):
        assert call(client, "get_hw_counters", request).status.code == code


def test_metrics_of_a_period_leave_out_what_was_read_before(client, network):
    def inferences(period):
        request = nmgr_counters_pb2.read_all_metrics_request(summarize_period=period)
        metrics = {m.metric_type: m.data for m in call(client, "read_all_metrics", request).nmgr_metrics}
        data = metrics[nmgr_counters_pb2.NMGR_METRIC_INFER_LATENCY]
        return data[0].value_agg.count if data else 0

    client.infer(network, X)
    assert inferences(0) == 1
    # A second passes while these run.
    for _ in range(25):
        client.infer(network, X)
    assert inferences(1) == 25
    assert inferences(3600) == inferences(0) == 26


def test_the_queues_slots_take_memory_where_they_are_asked_to(start_daemon):
    from runtime_core.rtd.client import Client

    used = {}
    for number, on_host in enumerate((False, True)):
        daemon = start_daemon(devices=(number,), io_dma_data_host=on_host)
        with Client(daemon.address) as client:
            for ninfer in (1, 5):
                network = client.load(chain(rows=100, columns=100), ninfer=ninfer)
                (memory,) = client.counters().system_counters.memory_counters
                used[on_host, ninfer] = memory.mem_used_host, memory.mem_used_infa_0 + memory.mem_used_infa_1
                client.unload(network)
            (memory,) = client.counters().system_counters.memory_counters
            assert (memory.mem_used_host, memory.mem_used_infa_0, memory.mem_used_infa_1) == (0, 0, 0)
    slots = 4 * 2 * 100 * 100 * 4
    assert used[False, 5] == (used[False, 1][0], used[False, 1][1] + slots)
    assert used[True, 5] == (used[True, 1][0] + slots, used[True, 1][1])

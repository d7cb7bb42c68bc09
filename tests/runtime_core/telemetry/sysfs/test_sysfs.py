"""A real node's tree results in the same records as a simulated node."""

import pytest

from runtime_core.driver.node import set_up
from runtime_core.engine.outcomes import OUTCOMES
from runtime_core.telemetry import NodeError, NodeNotFoundError, rates
from runtime_core.telemetry.snapshot import CoreStatusCounts, ErrorCounts, ExecutionCounts, HostMemory
from runtime_core.telemetry.sysfs.runtimes import ERROR_STATUSES, EXECUTION_STATUSES
from runtime_core.telemetry.sysfs.source import SysfsSource


def look(tree, dev=None):
    return SysfsSource(tree.root, dev=dev).snapshot()


def test_devices_and_links(tree):
    devices = look(tree).devices
    assert [d.index for d in devices] == [0, 1, 2, 3]
    assert [d.connected for d in devices] == [(1,), (2, 0), (3, 1), (2,)]
    assert [(d.east, d.west) for d in devices] == [(1, None), (2, 0), (3, 1), (None, 2)]
    assert devices[2].core_ids == (8, 9, 10, 11)
    assert devices[0].memory_total_bytes == 8 << 30


def test_the_size_and_the_addresses_follow_from_four_inferentias(tree):
    snapshot = look(tree)
    assert snapshot.instance.instance_type == "inf1.6xlarge"
    assert [d.bdf for d in snapshot.devices] == [f"0000:00:{slot}.0" for slot in ("1c", "1d", "1e", "1f")]
    assert {(d.cpu_affinity, d.numa_node) for d in snapshot.devices} == {(None, None)}


def test_one_device_alone_does_not_tell_the_size(tmp_path, tree):
    for index in (1, 2, 3):
        (tree.root / f"neuron{index}").rename(tmp_path / f"away{index}")
    snapshot = look(tree)
    assert snapshot.instance.instance_type == ""
    assert snapshot.devices[0].bdf is None


def test_another_chip_is_not_taken_for_an_inferentia(tree):
    for index in range(4):
        tree.write(f"neuron{index}/info/architecture/arch_type", "NDv3")
        tree.write(f"neuron{index}/info/architecture/device_name", "Trainium2")
    snapshot = look(tree)
    assert snapshot.instance.instance_type == ""
    assert {d.memory_total_bytes for d in snapshot.devices} == {96 << 30}
    assert {(d.east, d.west) for d in snapshot.devices} == {(None, None)}


def test_an_unknown_chip_keeps_the_drivers_own_words(tree):
    for index in range(4):
        tree.write(f"neuron{index}/info/architecture/arch_type", "NDv9")
        tree.write(f"neuron{index}/info/architecture/device_name", "Cerebrum9")
        tree.write(f"neuron{index}/neuron_core0/info/architecture/arch_type", "NCv1")
    device = look(tree).devices[0]
    assert (device.chip.name, device.chip.device_type, device.chip.device_version) == ("Cerebrum9", "Cerebrum9", "NDv9")
    assert (device.chip.core_version, device.memory_total_bytes) == ("NCv1", None)


def test_identity_comes_from_firmware_bus_and_module(whole_sys):
    snapshot = look(whole_sys)
    assert snapshot.instance[:2] == ("inf1.6xlarge", "i-0123456789abcdef0")
    assert snapshot.driver_version == "2.3.11.0"
    device = snapshot.devices[1]
    assert (device.bdf, device.cpu_affinity, device.numa_node) == ("0000:00:1d.0", "0-23", None)


def test_an_identity_that_was_not_readable_is_found_later(tree):
    source = SysfsSource(tree.root)
    for name in ("arch_type", "device_name"):
        tree.write(f"neuron3/info/architecture/{name}", b"")
    assert source.snapshot().instance.instance_type == ""
    tree.write("neuron3/info/architecture/arch_type", "NDv1")
    assert source.snapshot().instance.instance_type == "inf1.6xlarge"


def test_counters_of_a_core(tree):
    tree.counter(1, 2, "other_info/nc_time_in_use", 5_000_000)
    tree.counter(1, 2, "other_info/flop_count", 70)
    tree.counter(1, 2, "other_info/inference_count", 8)
    tree.counter(1, 2, "other_info/model_load_count", 1)
    tree.counter(1, 2, "status/success", 8)
    tree.write("neuron1/neuron_core2/stats/memory_usage/device_mem/tensors/present", 4096)
    tree.write("neuron1/neuron_core2/stats/memory_usage/device_mem/present", 5000)
    device = look(tree).devices[1]
    use = device.cores[6]
    assert use[:4] == (5_000_000, 70, 8, 1)
    assert use.status.success == 8
    assert use.memory.tensors == 4096
    assert device.memory_used_bytes == 5000


def test_older_drivers_name_three_counters_otherwise(tree):
    status = tree.root / "neuron0/neuron_core0/stats/status"
    for number, name in enumerate(("completed_with_error", "completed_with_num_error", "failed_to_queue"), start=1):
        (status / f"execute_{name}").rename(status / f"infer_{name}")
        tree.counter(0, 0, f"status/infer_{name}", number)
    counts = look(tree).devices[0].cores[0].status
    assert counts.execute_completed_with_error == 1
    assert counts.execute_completed_with_num_error == 2
    assert counts.execute_failed_to_queue == 3


@pytest.mark.parametrize(
    "junk", [b"", b"\n", b"-5\n", b"1e9\n", b"\xff\xfe\x00", b"18446744073709551616\n", b"9" * 5000]
)
def test_a_file_without_a_number_is_not_available_and_harms_no_other(tree, junk):
    tree.counter(0, 0, "other_info/flop_count", junk)
    tree.counter(0, 0, "other_info/inference_count", 3)
    use = look(tree).devices[0].cores[0]
    assert use.flops is None
    assert use.inference_count == 3


def test_missing_files_are_not_available_one_by_one(tree):
    tree.remove("neuron0/stats/hardware/sram_ecc_uncorrected")
    tree.remove("neuron0/neuron_core1/stats/memory_usage/device_mem/present")
    tree.remove("neuron0/connected_devices")
    tree.remove("neuron0/core_count")
    device = look(tree).devices[0]
    assert device.ecc[:4] == (None, 0, None, None)
    assert device.memory_used_bytes is None
    assert device.connected == ()
    assert device.core_ids == (0, 1, 2, 3)


def test_a_tree_with_nothing_but_directories(tmp_path):
    (tmp_path / "neuron7").mkdir()
    (device,) = SysfsSource(tmp_path).snapshot().devices
    assert (device.index, device.core_ids, device.bdf, device.memory_total_bytes) == (7, (), None, None)


def test_no_tree_no_device_and_no_directory_are_told_apart(tmp_path):
    with pytest.raises(NodeNotFoundError, match="--source sim"):
        SysfsSource(tmp_path / "nothing").snapshot()
    (tmp_path / "empty").mkdir()
    with pytest.raises(NodeNotFoundError, match="no Neuron Device"):
        SysfsSource(tmp_path / "empty").snapshot()
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match="not a directory"):
        SysfsSource(tmp_path / "file").snapshot()


def test_a_process_that_holds_a_device_alone_owns_its_cores(tree, dev, holder):
    process = holder(1, NEURON_PROCESS_TAG="web")
    (runtime,) = look(tree, dev).runtimes
    assert (runtime.pid, runtime.tag, runtime.error) == (process.pid, "web", "")
    assert sorted(runtime.cores) == [4, 5, 6, 7]
    assert runtime.devices == (1,)
    assert runtime.host_memory == HostMemory(1000, 1000, 1000, 1000)
    assert runtime.total_latency is None
    assert str(dev / "neuron1") in runtime.command


def test_a_process_owns_no_more_cores_than_it_was_started_with(tree, dev, holder):
    holder(1, NEURON_RT_VISIBLE_CORES="5-6")
    (runtime,) = look(tree, dev).runtimes
    assert sorted(runtime.cores) == [5, 6]


def test_processes_that_share_a_device_are_told_apart_by_their_cores(tree, dev, holder):
    first, second = holder(0, NEURON_RT_VISIBLE_CORES="0"), holder(0, NEURON_RT_VISIBLE_CORES="2,3")
    runtimes = {r.pid: r for r in look(tree, dev).runtimes}
    assert sorted(runtimes[first.pid].cores) == [0]
    assert sorted(runtimes[second.pid].cores) == [2, 3]
    assert {r.host_memory for r in runtimes.values()} == {None}


def test_a_shared_device_that_can_not_be_told_apart_is_said_so(tree, dev, holder):
    holder(0)
    holder(0, 1)
    tree.counter(0, 0, "other_info/inference_count", 12)
    snapshot = look(tree, dev)
    alone, both = sorted(snapshot.runtimes, key=lambda r: len(r.devices))
    assert (alone.cores, alone.executions, alone.errors) == ({}, None, None)
    assert "shares Neuron Device 0" in alone.error
    assert "NEURON_RT_VISIBLE_CORES" in both.error
    assert sorted(both.cores) == [4, 5, 6, 7]
    assert all(r.uses(snapshot.devices[0]) for r in snapshot.runtimes)
    assert snapshot.devices[0].cores[0].inference_count == 12


def test_nobody_is_looked_for_at_a_mere_copy_of_a_tree(tree, holder):
    holder(0)
    assert look(tree).runtimes == ()


def test_utilization_and_executions_of_a_runtime(tree, dev, holder):
    holder(0)
    source = SysfsSource(tree.root, dev=dev)
    before = source.snapshot()
    tree.counter(0, 1, "other_info/flop_count", 10**9)
    tree.counter(0, 1, "status/success", 40)
    tree.counter(0, 3, "status/timeout", 2)
    tree.counter(0, 3, "status/hw_error", 1)
    after = source.snapshot()
    change = rates(before, after)
    (rate,) = change.runtimes.values()
    assert rate.executions == ExecutionCounts(completed=40, completed_with_err=1, timed_out=2)
    assert rate.errors == ErrorCounts(generic=2, hardware=1)
    assert rate.cores[1].flops_per_second == pytest.approx(10**9 / rate.seconds)
    assert rate.cores[0].utilization_ratio == 0.0
    assert change.cores[1].flops_per_second == pytest.approx(10**9 / change.seconds)


def test_a_new_process_does_not_inherit_what_its_cores_counted_before(tree, dev, holder):
    source = SysfsSource(tree.root, dev=dev)
    tree.counter(0, 0, "status/success", 1_000_000)
    before = source.snapshot()
    holder(0)
    tree.counter(0, 0, "status/success", 1_000_007)
    after = source.snapshot()
    assert after.runtimes[0].executions.completed == 7
    assert next(iter(rates(before, after).runtimes.values())).executions.completed == 7


def test_a_counter_that_is_cleared_takes_nothing_from_its_runtime(tree, dev, holder):
    source = SysfsSource(tree.root, dev=dev)
    tree.counter(0, 0, "status/success", 100)
    source.snapshot()
    holder(0)
    looks = []
    for total in (110, 0, 5, "unreadable", 3, 300):
        tree.counter(0, 0, "status/success", total)
        looks.append(source.snapshot())
    counts = [s.runtimes[0].executions and s.runtimes[0].executions.completed for s in looks]
    assert counts == [10, 10, 15, None, 18, 315]


def test_a_core_whose_counters_are_cleared_is_busy_for_what_it_did_since(tree):
    source = SysfsSource(tree.root)
    tree.counter(0, 0, "other_info/flop_count", 10**12)
    before = source.snapshot()
    tree.counter(0, 0, "other_info/flop_count", 10**9)
    after = source.snapshot()._replace(time_ns=before.time_ns + 10**9)
    assert rates(before, after).cores[0].flops_per_second == 10**9


def test_a_process_that_ends_is_gone(tree, dev, holder):
    process = holder(2)
    source = SysfsSource(tree.root, dev=dev)
    assert len(source.snapshot().runtimes) == 1
    process.kill()
    process.wait()
    assert source.snapshot().runtimes == ()


def test_the_hosts_figures_come_only_when_asked_for(tree, dev, holder):
    holder(0)
    source = SysfsSource(tree.root, dev=dev)
    assert (source.snapshot().host, source.snapshot().runtimes[0].cpu) == (None, None)
    snapshot = source.snapshot(host=True)
    assert snapshot.host.memory_total_bytes > 0
    assert snapshot.runtimes[0].cpu.user_seconds >= 0


def test_statuses_are_summed_as_the_simulated_node_counts_them():
    execution_fields, error_fields = list(ExecutionCounts._fields), list(ErrorCounts._fields)
    for outcome in OUTCOMES.values():
        status = CoreStatusCounts._fields[outcome.core_status]
        assert status in EXECUTION_STATUSES[execution_fields[outcome.execution]]
        # The driver has no status for most errors of the runtime itself: sysfs counts them as generic.
        if outcome.error is not None and error_fields[outcome.error] != "runtime":
            assert status in ERROR_STATUSES[error_fields[outcome.error]]
    assert list(EXECUTION_STATUSES) == execution_fields
    assert list(ERROR_STATUSES) == error_fields


def test_reading_leaves_a_simulated_node_alone(root):
    set_up(root, type_name="inf1.xlarge")
    with pytest.raises(NodeNotFoundError):
        SysfsSource(root).snapshot()

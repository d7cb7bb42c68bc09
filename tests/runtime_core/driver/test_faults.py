"""The table of faults: allowed faults, their targets and times, and clearing."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime_core.driver import layout
from runtime_core.driver.faults import slots as faults
from runtime_core.driver.faults.slots import FaultWatch, device_present, seen_driver_version
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FAULTS, ErrorClass, FaultKind, Parameter, Side
from runtime_core.errors import UsageError

HANG = FaultSpec(FaultKind.CORE_HANG, cores=(3,))


def test_every_kind_has_its_row():
    assert list(FAULTS) == list(FaultKind)


def test_a_fault_is_seen_until_it_is_cleared(store):
    watch = FaultWatch(store)
    assert watch.active(0) == ()
    made = faults.inject(store, HANG, 0)
    (seen,) = watch.active(0)
    assert seen == made
    assert [core for core in range(16) if seen.hits_core(core)] == [3]
    assert seen.hits_device(0)
    assert not seen.hits_device(1)
    assert faults.clear(store, made.fault_id) == 1
    assert watch.active(0) == faults.list_faults(store) == ()


def test_a_fault_without_a_target_hits_the_whole_node(store):
    fault = faults.inject(store, FaultSpec(FaultKind.NAN), 0)
    assert fault.cores == (1 << 16) - 1


def test_a_device_is_all_its_cores(store):
    fault = faults.inject(store, FaultSpec(FaultKind.DEVICE_LOST, devices=(1, 3)), 0)
    assert fault.cores == 0xF0F0


def test_times_are_kept(store):
    watch = FaultWatch(store)
    faults.inject(store, HANG._replace(delay_seconds=2, seconds=3), 10**9)
    active = [bool(watch.active(t * 10**9)) for t in range(8)]
    assert active == [False, False, False, True, True, True, False, False]


def test_an_ended_fault_makes_room(store):
    for _ in range(layout.MAX_FAULTS):
        faults.inject(store, HANG._replace(seconds=1), 0)
    with pytest.raises(UsageError, match="full"):
        faults.inject(store, HANG, 0)
    late = faults.inject(store, HANG, 2 * 10**9)
    assert late.fault_id == layout.MAX_FAULTS + 1


def test_a_count_is_used_up_and_the_fault_with_it(store):
    watch = FaultWatch(store)
    fault = faults.inject(store, HANG._replace(times=3), 0)
    assert faults.strike(store, fault, 2) == 2
    assert faults.list_faults(store)[0].remaining == 1
    assert faults.strike(store, fault, 2) == 1
    assert faults.strike(store, fault) == 0
    assert watch.active(0) == ()


def test_a_fault_that_was_cleared_strikes_no_more(store):
    fault = faults.inject(store, HANG, 0)
    faults.clear(store)
    faults.inject(store, FaultSpec(FaultKind.NAN), 0)
    assert faults.strike(store, fault) == 0
    assert faults.list_faults(store)[0].hits == 0


STRIKER = """
import sys
from pathlib import Path
from runtime_core.driver.faults import slots as faults
from runtime_core.driver.datastore import Datastore
store = Datastore(Path(sys.argv[1]), writable=True)
(fault,) = faults.list_faults(store)
print(sum(faults.strike(store, fault) for _ in range(500)))
"""


def test_a_count_holds_over_processes_and_threads(node, store):
    fault = faults.inject(store, HANG._replace(times=700), 0)
    others = [
        subprocess.Popen([sys.executable, "-c", STRIKER, str(node)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    struck = []
    threads = [
        threading.Thread(target=lambda: struck.append(sum(faults.strike(store, fault) for _ in range(200))))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    total = sum(struck)
    for other in others:
        out, _ = other.communicate(timeout=60)
        # An execution that starts after the end meets no fault.
        total += int(out) if out else 0
    while faults.strike(store, fault):
        total += 1
    assert total == 700


def test_a_table_under_change_leaves_what_was_known(store):
    watch = FaultWatch(store)
    faults.inject(store, HANG, 0)
    assert watch.active(0)
    with faults._changing(store):
        store.map[layout.FAULTS_OFFSET : layout.FAULTS_OFFSET + 8] = bytes(8)
        assert watch.active(0)
    assert watch.active(0) == ()


def test_a_writer_that_died_inside_holds_nobody_up(store):
    words = memoryview(store.map)[: layout.DEVICES_OFFSET].cast("Q")
    words[faults._GENERATION] += 1
    watch = FaultWatch(store)
    assert watch.active(0) == ()
    faults.inject(store, HANG, 0)
    assert len(watch.active(0)) == 1


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        (FaultSpec(FaultKind.SLOW_CORE), "factor is missing"),
        (FaultSpec(FaultKind.SLOW_CORE, factor=0.5), "1 to 1e6"),
        (FaultSpec(FaultKind.NAN, ratio=1.5), "up to 1"),
        (FaultSpec(FaultKind.NAN, ratio=float("nan")), "up to 1"),
        (FaultSpec(FaultKind.NAN, rate_per_second=1), "no parameter rate"),
        (FaultSpec(FaultKind.MEM_ECC_CORRECTED, devices=(0,)), "rate or count is missing"),
        (FaultSpec(FaultKind.MEM_ECC_CORRECTED, cores=(0,), times=1), "not a core"),
        (FaultSpec(FaultKind.CORE_HANG, (0,), (1,)), "devices and cores exclude each other"),
        (FaultSpec(FaultKind.CORE_HANG, cores=(16,)), "NeuronCore 16 not found"),
        (FaultSpec(FaultKind.DEVICE_LOST, devices=(4,)), "Neuron Device 4 not found"),
        (FaultSpec(FaultKind.DRIVER_OLD, devices=(0,)), "whole node"),
        (FaultSpec(FaultKind.CORE_HANG, seconds=0), "duration of more than 0"),
        (FaultSpec(FaultKind.CORE_HANG, delay_seconds=-1), "0 seconds or more"),
    ],
)
def test_a_fault_that_makes_no_sense_is_refused_in_a_sentence(store, spec, told):
    with pytest.raises(UsageError, match=told) as caught:
        faults.inject(store, spec, 0)
    assert "\n" not in str(caught.value)
    assert faults.list_faults(store) == ()


specs = st.builds(
    FaultSpec,
    st.sampled_from(FaultKind),
    st.lists(st.integers(0, 3)).map(tuple),
    st.just(()),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.none() | st.integers(),
    st.none() | st.floats(),
    st.none() | st.floats(),
    st.none() | st.integers(),
    st.none() | st.sampled_from(Side),
    st.none() | st.sampled_from(ErrorClass),
    st.none() | st.text(),
    st.floats(),
    st.none() | st.floats(),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(specs)
def test_whatever_is_asked_for_is_refused_or_reads_back(store, spec):
    try:
        made = faults.inject(store, spec, 0)
    except UsageError:
        return
    assert faults.list_faults(store) == (made,)
    assert made.kind is spec.kind
    assert made.remaining == spec.times
    takes = FAULTS[spec.kind].parameters
    assert made.ratio == (spec.ratio if spec.ratio is not None and Parameter.RATIO in takes else 1.0)
    faults.clear(store)


@given(table=st.binary(min_size=0, max_size=layout.MAX_FAULTS * 112))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_damaged_table_is_read_without_harm(store, table):
    store.map[layout.FAULTS_OFFSET : layout.FAULTS_OFFSET + len(table)] = table
    with faults._changing(store):
        pass
    for fault in FaultWatch(store).active(10**9):
        assert fault.kind in FAULTS


def test_what_programs_see_of_the_driver_and_the_devices(store):
    old = faults.inject(store, FaultSpec(FaultKind.DRIVER_OLD, version="1.2.0"), 0)
    lost = faults.inject(store, FaultSpec(FaultKind.DEVICE_LOST, devices=(2,)), 0)
    assert seen_driver_version("2.0.1", ()) == "2.0.1"
    assert seen_driver_version("2.0.1", (old, lost)) == "1.2.0"
    assert [device_present(d, (lost,)) for d in range(4)] == [True, True, False, True]
    gone = faults.inject(store, FaultSpec(FaultKind.DRIVER_MISSING), 0)
    assert seen_driver_version("2.0.1", (old, gone)) == ""
    assert not device_present(0, (gone,))


def test_the_command_tells_what_it_did_and_what_is_wrong(node, command):
    def fault(*arguments):
        return command("neuron_tools.sim", "fault", *arguments)

    assert fault("inject", "core-hang", "--core", "3", "--for", "60").stdout == "fault 1: core-hang on nc3\n"
    assert "nd0-1 east" in fault("inject", "link-slow", "--device", "0-1", "--factor", "4", "--side", "east").stdout
    listed = fault("list").stdout.splitlines()
    assert listed[0].split() == ["ID", "KIND", "TARGET", "STATE", "RATIO", "AMOUNT", "REMAINING", "HITS"]
    assert listed[1].startswith("1   core-hang  nc3")
    assert fault("clear", "1").stdout == "1 fault cleared\n"
    assert fault("clear").stdout == "1 fault cleared\n"
    assert fault("list").stdout == "no fault\n"
    for wrong in (["inject", "slow-core"], ["inject", "nan", "--core", "x"], ["clear", "9"], ["inject", "gremlin"]):
        done = fault(*wrong)
        assert done.returncode == 2
        assert done.stdout == ""
        assert "Traceback" not in done.stderr


def test_kinds_are_explained(command):
    told = command("neuron_tools.sim", "fault", "kinds").stdout
    for kind in FaultKind:
        assert f"{kind.value}: " in told


def test_the_documentation_has_every_row():
    text = (Path(__file__).parents[3] / "docs/reference/faults.md").read_text()
    for kind, row in FAULTS.items():
        assert f"| `{kind}` | {row.summary} |" in text
        assert f"| {row.counter} | `{row.call}` {row.message} |" in text

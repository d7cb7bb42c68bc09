"""A source that counts by core and not by process: nothing unknown is shown as idle."""

from dataclasses import replace

from worlds import make_runtime, make_snapshot

from neuron_top.model.overview import make_view
from runtime_core.telemetry import rates

SHARED = "process 1 shares Neuron Device 0"


def shared_device(seconds):
    """Two processes on device 0, whose cores can't be told apart; core 1 is half busy."""
    runtimes = tuple(make_runtime(seconds, pid, (), f"app{pid}", error=SHARED)._replace(devices=(0,)) for pid in (1, 2))
    snapshot = make_snapshot("inf1.xlarge", seconds, runtimes)
    device = replace(snapshot.devices[0], cores=make_runtime(seconds, 1, (0, 1, 2, 3), "", utilization=0.5).cores)
    return snapshot._replace(devices=(device,))


def utilizations(selected):
    before, after = shared_device(1.0), shared_device(2.0)
    view = make_view(after, rates(before, after), selected)
    return [cell.utilization_ratio for cell in view.rows[0].cores]


def test_the_tab_of_all_shows_what_the_cores_counted():
    assert utilizations(0) == [0.5] * 4


def test_the_tab_of_one_process_does_not_know():
    assert utilizations(1) == [None] * 4

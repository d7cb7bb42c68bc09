"""A cleared counter starts at zero; the counts of the runtimes continue."""

import numpy as np
import pytest
from worlds import tiny_neff

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.pages.totals import clear_counter, clear_peak
from runtime_core.driver.reset import DeviceInUseError, reset_device
from runtime_core.mirror.content import CORE_COUNTERS, CORE_PEAKS, core_files
from runtime_core.mirror.reader import TreeReader
from runtime_core.nrt import Runtime
from runtime_core.telemetry import open_source

SUCCESS = "status/success"


def open_runtime():
    return Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0", "NEURON_RT_LOG_LEVEL": "QUIET"})


def infer(runtime, model, count):
    for _ in range(count):
        runtime.infer(model, {"x": np.ones((2, 3), np.float32)})


@pytest.fixture
def store(node):
    opened = Datastore(node, writable=True)
    yield opened
    opened.close()


def shown(name):
    """(present, total) of a counter of core 0, (present, peak) of memory."""
    content = TreeReader().look([0])
    files = dict(core_files(content, content.snapshot.devices[0], 0))
    return files[f"stats/{name}/present"], files.get(f"stats/{name}/peak", files.get(f"stats/{name}/total"))


def clear(store, name):
    clear_counter(store, 0, CORE_COUNTERS.index(name), lambda: shown(name)[1])


def test_a_counter_cleared_under_a_live_runtime_counts_from_zero(store):
    with open_runtime() as earlier:
        infer(earlier, earlier.load(tiny_neff()), 2)
    with open_runtime() as runtime:
        model = runtime.load(tiny_neff())
        infer(runtime, model, 3)
        assert shown(SUCCESS) == (3, 5)
        clear(store, SUCCESS)
        assert shown(SUCCESS) == (0, 0)
        infer(runtime, model, 1)
        assert shown(SUCCESS) == (1, 1)
        assert shown("other_info/inference_count") == (4, 6)
        (seen,) = open_source().snapshot().runtimes
        assert seen.executions.completed == 4
    assert shown(SUCCESS) == (0, 1)
    with open_runtime() as later:
        infer(later, later.load(tiny_neff()), 7)
        assert shown(SUCCESS) == (7, 8)


def test_clearing_twice_is_clearing_once(store):
    with open_runtime() as runtime:
        model = runtime.load(tiny_neff())
        infer(runtime, model, 3)
        for name in (SUCCESS, "other_info/nc_time_in_use", "other_info/flop_count"):
            clear(store, name)
            clear(store, name)
            assert shown(name) == (0, 0)
        infer(runtime, model, 2)
        assert shown(SUCCESS) == (2, 2)
        assert shown("other_info/nc_time_in_use")[1] > 0


def test_resets_are_counted_and_cleared(store):
    reset_device(store, 0)
    with open_runtime(), pytest.raises(DeviceInUseError):
        reset_device(store, 0)
    assert shown("other_info/reset_req_count") == (2, 2)
    assert shown("other_info/reset_fail_count") == (1, 1)
    clear(store, "other_info/reset_req_count")
    assert shown("other_info/reset_req_count") == (0, 0)
    reset_device(store, 0)
    assert shown("other_info/reset_req_count") == (1, 1)


def test_a_peak_that_is_cleared_begins_at_what_is_used_now(store):
    memory = CORE_PEAKS[-1]
    with open_runtime() as runtime:
        kept, gone = runtime.load(tiny_neff()), runtime.load(tiny_neff())
        both = shown(memory)[0]
        runtime.unload(gone)
        one = shown(memory)[0]
        assert shown(memory) == (one, both)
        clear_peak(store, 0, len(CORE_PEAKS) - 1)
        assert shown(memory) == (one, one)
        runtime.unload(kept)
        assert shown(memory) == (0, one)
    assert shown(memory) == (0, one)

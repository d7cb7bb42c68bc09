"""A FIFO in place of any file that a user names is refused at once with an error, without waiting for a writer."""

import json
import os
import tracemalloc

import pytest
from small_models import small_neff

from neuron_monitor.config import load_config
from neuron_monitor.prometheus.webconfig import load_web_config
from neuron_tools.oci.container import read_container
from neuron_tools.scenario.arrivals import read_trace
from neuron_tools.scenario.load import load_scenario
from neuron_tools.sim.load import neff_bytes
from neuron_top.remote.endpoint import read_hostfile
from neuron_top.settings import Settings, load_settings
from runtime_core.errors import NeuronError
from runtime_core.neff.reader import load_neff, read_file
from runtime_core.rtd.config import read_file as read_rtd_config
from runtime_core.telemetry.recording.reader import Recording


def read_oci(path):
    state = {"ociVersion": "1.0", "id": "x", "pid": 1, "bundle": str(path.parent), "status": "created"}
    return read_container(json.dumps(state).encode())


READERS = {
    "monitor.json": load_config,
    "web.yml": load_web_config,
    "hosts": read_hostfile,
    "x.scenario": load_scenario,
    "trace": read_trace,
    "rtd.json": read_rtd_config,
    "x.neff": load_neff,
    "y.neff": neff_bytes,
    "config.json": read_oci,
    "x.nrec": Recording,
}


@pytest.mark.parametrize(("name", "read"), READERS.items(), ids=READERS)
def test_a_fifo_is_refused_and_never_waited_for(tmp_path, name, read):
    path = tmp_path / name
    os.mkfifo(path)
    with pytest.raises(NeuronError) as caught:
        read(path)
    assert "not a regular file" in str(caught.value) or "no regular file" in str(caught.value)
    assert str(path) in str(caught.value)


def test_settings_that_are_a_fifo_are_left_at_their_defaults(tmp_path):
    os.mkfifo(tmp_path / "settings.json")
    assert load_settings(tmp_path / "settings.json") == Settings()


def test_a_small_neff_takes_no_buffer_of_the_limits_size(tmp_path):
    path = tmp_path / "small.neff"
    path.write_bytes(small_neff())
    tracemalloc.start()
    try:
        read_file(path)
        assert tracemalloc.get_traced_memory()[1] < 10 * path.stat().st_size + 1_000_000
    finally:
        tracemalloc.stop()

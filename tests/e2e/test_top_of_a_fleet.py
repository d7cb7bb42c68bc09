"""neuron-top over the network: a running neuron-monitor on a busy node, and a missing one."""

import re
import socket
import time

import pytest

from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.node import RemoteLook
from runtime_core.telemetry import NodeError, open_source, rates

pytestmark = pytest.mark.e2e


@pytest.fixture
def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def monitor(node, spawn, wait, squeezenet_neff, tmp_path, free_port):
    """A neuron-monitor that reports a busy node every half second, and a snapshot of the node."""
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0-3", "--no-numerics", "--duration", "0",
          "--rate", "800", "--tag", "web")  # fmt: skip
    wait(lambda: any(r.executions.completed for r in open_source().snapshot().runtimes))
    spawn("neuron_monitor", "--prometheus", "--web.listen-address", f"127.0.0.1:{free_port}")
    look = RemoteLook(Endpoint("127.0.0.1", free_port))

    def answers():
        try:
            return look.moment()
        except NodeError:
            return None

    wait(answers, what="an answer of neuron-monitor")
    return look


def test_a_remote_node_shows_what_a_look_at_it_shows(monitor, wait):
    source = open_source()
    before = source.snapshot(host=True)
    first = monitor.moment()
    moment = wait(lambda: (m := monitor.moment()) is not first and m, what="a new report")
    after = source.snapshot(host=True)
    (here,), (there,) = after.runtimes, moment.snapshot.runtimes
    assert (there.tag, there.pid, sorted(there.cores)) == (here.tag, here.pid, sorted(here.cores))
    assert [d.memory_used_bytes for d in moment.snapshot.devices] == [d.memory_used_bytes for d in after.devices]
    assert [(d.east, d.west) for d in moment.snapshot.devices] == [(d.east, d.west) for d in after.devices]
    assert moment.snapshot.instance.instance_id == after.instance.instance_id
    assert there.cores[0].memory == here.cores[0].memory
    local = rates(before, after).runtimes[here.key]
    remote = moment.rates.runtimes[there.key]
    assert remote.executions.completed / remote.seconds == pytest.approx(
        local.executions.completed / local.seconds, rel=0.3
    )
    assert remote.cores[0].utilization_ratio == pytest.approx(local.cores[0].utilization_ratio, abs=0.1)


def test_once_prints_a_table_with_the_node_that_does_not_answer(monitor, command):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        silent = f"127.0.0.1:{unused.getsockname()[1]}"
        started = time.monotonic()
        done = command("neuron_top", "--once", "--interval", "1", "--remote", str(monitor.endpoint), silent)
    assert done.returncode == 0, done.stderr
    assert "1 of 2 nodes answer, 1 not" in done.stdout
    assert re.search(rf"{monitor.endpoint}\s+ok\s+\d+\.\d\d%.*inf1\.6xlarge\s+4/16", done.stdout)
    assert re.search(rf"{silent}\s+cannot reach {silent}: Connection refused", done.stdout)
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--remote", "a:b"), "is no HOST:PORT"),
        (("--hostfile", "/nowhere"), "can't read the host file"),
        (("--remote", "a:1", "--source", "sim"), "give only one of them"),
        (("nonsense",), "is no address of a neuron-rtd"),
        (("--serve", "--once"), "give only one of them"),
    ],
)
def test_what_is_wrong_on_the_command_line_is_one_sentence(arguments, words, command):
    done = command("neuron_top", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

"""Each check reports a problem and its remedy."""

import http.server
import json
import os
import socket
import threading

import pytest
from worlds import BUSY, make_snapshot

from neuron_tools.gatherinfo import host_checks, node_checks
from neuron_tools.gatherinfo.checks import look_around, run_checks
from neuron_tools.gatherinfo.finding import Finding, Surroundings, Verdict, worst
from neuron_tools.gatherinfo.health import check_health
from neuron_tools.gatherinfo.report import render_text
from runtime_core.driver import ownership
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import slots
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import FaultKind, Side
from runtime_core.errors import NodeError
from runtime_core.nrt import Runtime
from runtime_core.telemetry.health import Place, Severity, VerdictKind
from runtime_core.telemetry.health import Verdict as HealthVerdict
from runtime_core.telemetry.snapshot import EccCounts


def around(**changes):
    facts = {"source": "sim:/nowhere", "snapshot": make_snapshot(), "problem": None, "root": None, "environment": {},
             "monitor": "127.0.0.1:1"}  # fmt: skip
    return Surroundings(**{**facts, **changes})


def verdicts(findings):
    return [finding.verdict for finding in findings]


def by_check(findings):
    return {finding.check: finding for finding in findings}


def test_a_node_that_is_in_use_passes(node):
    with Runtime(environment={"NEURON_RT_NUM_CORES": "2", "NEURON_RT_LOG_LEVEL": "QUIET"}):
        found = by_check(run_checks(look_around(None, None, {}, seconds=0)))
    assert {f.verdict for f in found.values() if f.check not in ("limits", "shared memory", "disk")} == {Verdict.PASS}
    assert found["ownership"].found == "1 runtimes"
    assert "4 devices, 16 cores" in found["source"].found


def test_no_node_is_a_failure_with_the_way_out(root):
    found = by_check(run_checks(look_around(None, None, {}, seconds=0)))
    assert found["source"].verdict is Verdict.FAIL
    assert "neuron-sim up" in found["source"].mend
    assert "driver" not in found


def test_a_driver_that_the_runtime_refuses():
    (old,) = node_checks.check_driver(around(snapshot=make_snapshot()._replace(driver_version="1.9.9")))
    (unknown,) = node_checks.check_driver(around(snapshot=make_snapshot()._replace(driver_version="")))
    assert (old.verdict, unknown.verdict) == (Verdict.FAIL, Verdict.WARN)
    assert "aws-neuron-dkms" in old.mend


def test_a_node_that_others_can_look_into(node):
    node.chmod(0o755)
    (found,) = node_checks.check_permissions(around(root=node))
    assert (found.verdict, found.mend) == (Verdict.WARN, f"chmod 700 {node}")


def test_device_files_that_are_not_there_or_closed(tmp_path):
    (absent,) = node_checks.check_permissions(around(dev=tmp_path))
    assert absent.verdict is Verdict.WARN
    for index in range(4):
        (tmp_path / f"neuron{index}").touch()
    (there,) = node_checks.check_permissions(around(dev=tmp_path))
    assert there.verdict is Verdict.PASS
    if os.getuid():
        (tmp_path / "neuron2").chmod(0)
        (closed,) = node_checks.check_permissions(around(dev=tmp_path))
        assert closed.verdict is Verdict.FAIL


def test_cores_that_are_held_by_a_process_without_an_entry(node):
    store = Datastore(node, writable=True)
    ownership.claim_cores(store.locks, [3])
    (found,) = node_checks.check_ownership(around(root=node))
    ownership.release_cores(store.locks, [3])
    store.close()
    assert found.verdict is Verdict.WARN
    assert found.found == f"cores 3 are held by process {os.getpid()}, which has no entry"


def test_a_runtime_that_can_not_be_read_is_named():
    from worlds import make_runtime

    runtime = make_runtime(1.0, 101, (0,), "web", error="counters of process 101 cannot be read: it stands still")
    (found,) = node_checks.check_ownership(around(snapshot=make_snapshot(runtimes=(runtime,))))
    assert (found.verdict, "101" in found.found) == (Verdict.WARN, True)


def test_uncorrected_memory_errors(monkeypatch):
    import dataclasses

    snapshot = make_snapshot()
    bad = dataclasses.replace(snapshot.devices[2], ecc=EccCounts(0, 3, 0, 0))
    devices = (*snapshot.devices[:2], bad, snapshot.devices[3])
    (found,) = node_checks.check_devices(around(snapshot=snapshot._replace(devices=devices)))
    assert (found.verdict, found.found) == (Verdict.FAIL, "uncorrected ECC events on Neuron Device 2")
    assert "reset it" in found.mend
    assert "the count remains" in found.mend
    repaired = dataclasses.replace(snapshot.devices[2], ecc=EccCounts(0, 0, 0, 0, 1))
    devices = (*snapshot.devices[:2], repaired, snapshot.devices[3])
    (found,) = node_checks.check_devices(around(snapshot=snapshot._replace(devices=devices)))
    assert found.verdict is Verdict.FAIL


def test_a_link_that_is_down(node):
    store = Datastore(node, writable=True)
    slots.inject(store, FaultSpec(FaultKind.LINK_DOWN, (0,), side=Side.EAST), 0)
    store.close()
    found = [f for f in run_checks(look_around(None, None, {}, seconds=0)) if f.check == "health"]
    assert found
    assert all(f.verdict is Verdict.FAIL and "neuronlinkdown" in f.mend for f in found)
    assert found[0].found.startswith("link ND0-ND1 down")


def test_a_core_that_hangs(node):
    hung = HealthVerdict(
        VerdictKind.CORE_HUNG, Severity.CRITICAL, Place(0, 3), None, None, "nc3 hung", "neuroncorehung"
    )
    (found,) = check_health(around(verdicts=(hung,)))
    assert (found.verdict, found.found) == (Verdict.FAIL, "nc3 hung")
    (found,) = check_health(around())
    assert found.verdict is Verdict.PASS


def test_memory_errors_that_a_device_does_not_tell_are_not_taken_for_none():
    import dataclasses

    snapshot = make_snapshot()
    silent = dataclasses.replace(snapshot.devices[1], ecc=EccCounts())
    devices = (snapshot.devices[0], silent, *snapshot.devices[2:])
    (found,) = node_checks.check_devices(around(snapshot=snapshot._replace(devices=devices)))
    assert found.verdict is Verdict.WARN
    assert "Neuron Device 1 are unknown" in found.found
    everywhere = tuple(dataclasses.replace(d, ecc=EccCounts()) for d in snapshot.devices)
    assert not list(node_checks.check_devices(around(snapshot=snapshot._replace(devices=everywhere))))


def test_no_room_for_runtimes(node, monkeypatch):
    usage = type("Usage", (), {"free": 1000})
    monkeypatch.setattr(node_checks.shutil, "disk_usage", lambda path: usage)
    disk = by_check(node_checks.check_room(around(root=node)))["disk"]
    assert (disk.verdict, "NEURON_SIM_ROOT" in disk.mend) == (Verdict.FAIL, True)


def test_a_clock_that_was_set_back(node):
    description = json.loads((node / "node.json").read_text())
    (node / "node.json").write_text(json.dumps({**description, "boot_ns": description["boot_ns"] + 10**13}))
    (found,) = node_checks.check_clock(around(root=node))
    assert (found.verdict, "future" in found.found) == (Verdict.WARN, True)


def test_few_files_are_too_few(monkeypatch):
    monkeypatch.setattr(host_checks.resource, "getrlimit", lambda which: (256, 256))
    (found,) = host_checks.check_limits(around())
    assert (found.verdict, "ulimit -n 1024" in found.found) == (Verdict.WARN, True)


@pytest.mark.parametrize(
    ("variables", "verdict"),
    [
        ({}, Verdict.PASS),
        ({"NEURON_RT_NUM_CORES": "4"}, Verdict.PASS),
        ({"NEURON_RT_VISIBLE_CORES": "x"}, Verdict.FAIL),
        ({"NEURONCORE_GROUP_SIZES": "2"}, Verdict.WARN),
    ],
)
def test_variables_that_the_runtime_would_refuse(variables, verdict):
    assert verdicts(host_checks.check_variables(around(environment=variables))) == [verdict]


def test_a_daemon_answers_or_does_not(tmp_path):
    path = tmp_path / "rtd.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()
        there = around(environment={"NEURON_RTD_ADDRESS": f"unix:{path}"})
        assert verdicts(host_checks.check_rtd(there)) == [Verdict.PASS]
    (gone,) = host_checks.check_rtd(there)
    assert (gone.verdict, "neuron-rtd -g" in gone.mend) == (Verdict.FAIL, True)
    assert verdicts(host_checks.check_rtd(around(environment={"NEURON_RTD_ADDRESS": "nonsense"}))) == [Verdict.FAIL]
    assert verdicts(host_checks.check_rtd(around())) == [Verdict.PASS]


@pytest.fixture
def exporter():
    """A server that returns ``text`` at /metrics."""
    servers = []

    def start(text):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, *_):
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_the_exporter_must_answer_with_metrics_of_the_node_when_it_was_named(exporter):
    ours, other = exporter(b"neuroncore_utilization_ratio 0.5\n"), exporter(b"hello")
    for address, named, verdict in (
        (ours, True, Verdict.PASS),
        (other, True, Verdict.FAIL),
        (other, False, Verdict.PASS),
        ("127.0.0.1:1", True, Verdict.FAIL),
        ("127.0.0.1:1", False, Verdict.PASS),
        ("nonsense", True, Verdict.FAIL),
        ("127.0.0.1:99999", True, Verdict.FAIL),
    ):
        found = list(host_checks.check_monitor(around(monitor=address, monitor_named=named)))
        assert verdicts(found) == [verdict], (address, found)


def test_a_package_that_is_missing_or_too_old(monkeypatch):
    real = host_checks.installed_version
    changed = {"rich": None, "msgspec": "0.1", "boto3": "1.0", "onnx": None}
    monkeypatch.setattr(host_checks, "installed_version", lambda name: changed.get(name, real(name)))
    found = list(host_checks.check_versions(around()))
    assert {(f.verdict, f.found.split()[0]) for f in found} == {
        (Verdict.FAIL, "rich"),
        (Verdict.FAIL, "msgspec"),
        (Verdict.WARN, "boto3"),
    }
    assert all(f.mend.startswith("pip install '") for f in found)


def test_the_worst_verdict_counts_and_a_terminal_is_not_driven():
    findings = [Finding("a", Verdict.PASS, "x"), Finding("b", Verdict.WARN, "evil \x1b[2J", "mend it")]
    assert worst(findings) is Verdict.WARN
    text = render_text(findings)
    assert "\x1b" not in text
    assert text.splitlines()[-1] == "1 pass, 1 warn, 0 fail"
    assert "\x1b[33mwarn" in render_text(findings, colour=True)


def test_a_busy_tree_is_checked_too():
    assert run_checks(around(snapshot=make_snapshot(runtimes=BUSY), source="sysfs:/nowhere"))


def test_a_path_with_a_colon_and_a_space_is_not_taken_for_what_to_do():
    problem = NodeError("not a directory", where="/mnt/a: b/node", mend="set NEURON_SIM_ROOT to one")
    (found,) = node_checks.check_source(around(snapshot=None, problem=problem))
    assert found == ("source", Verdict.FAIL, "/mnt/a: b/node: not a directory", "set NEURON_SIM_ROOT to one")


def test_a_runtime_that_cannot_be_read_says_why_and_what_to_do():
    snapshot = make_snapshot(runtimes=BUSY)
    problem = "counters can't be read: half written"
    bad = snapshot._replace(runtimes=(snapshot.runtimes[0]._replace(error=problem),))
    (found,) = node_checks.check_ownership(around(snapshot=bad))
    assert (found.found, found.mend) == (problem, f"continue or stop process {snapshot.runtimes[0].pid}")


@pytest.mark.parametrize(("tokens", "verdict"), [(False, Verdict.WARN), (True, Verdict.PASS)])
def test_a_daemon_that_serves_other_hosts_without_proof_is_found(node, tmp_path, tokens, verdict):
    pytest.importorskip("grpc")
    from runtime_core.rtd.config import DaemonConfig, FileConfig
    from runtime_core.rtd.daemon import Daemon
    from runtime_core.rtd.log import Level

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    (tmp_path / "tokens").write_text("t" * 32)
    (tmp_path / "tokens").chmod(0o600)
    settings = FileConfig(server_port=f"127.0.0.1:{port}", token_file=str(tmp_path / "tokens") if tokens else "")
    daemon = Daemon(DaemonConfig(settings, (), Level.EMERGENCY), root=node)
    daemon.start()
    try:
        # All addresses of the machine lead to loopback too, and name it as reachable.
        there = around(environment={"NEURON_RTD_ADDRESS": f"{socket.inet_ntoa(bytes(4))}:{port}"})
        assert verdicts(host_checks.check_rtd(there)) == [Verdict.PASS, verdict]
    finally:
        daemon.stop(5)

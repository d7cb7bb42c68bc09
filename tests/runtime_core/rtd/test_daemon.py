"""Several daemons on a node: their cores, addresses, health and reflection."""

import socket
import stat
import threading

import grpc
import pytest
from chains import chain, chain_input
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from runtime_core.errors import UsageError
from runtime_core.nrt import NrtError, Runtime
from runtime_core.rtd.client import Client
from runtime_core.rtd.log import Level, Log, format_line
from runtime_core.rtd.status import RtdError
from runtime_core.telemetry import open_source

X = {"x": chain_input().tobytes()}


def test_each_daemon_owns_the_cores_of_its_devices(start_daemon):
    first, second = start_daemon(devices=(0, 1)), start_daemon(devices=(3,), name="second")
    runtimes = {r.address: r for r in open_source().snapshot().runtimes}
    assert set(runtimes[first.address].cores) == set(range(8))
    assert set(runtimes[second.address].cores) == set(range(12, 16))
    assert runtimes[second.address].tag == "second"


def test_cores_that_are_owned_already_are_refused(start_daemon, node):
    start_daemon(devices=(0, 1))
    with pytest.raises(RtdError, match="nc4-nc7 belong to another process"):
        start_daemon(devices=(1, 2))
    with Runtime(environment={"NEURON_RT_VISIBLE_CORES": "8"}) as _, pytest.raises(RtdError, match="nc8-nc8 belong"):
        start_daemon(devices=(2,))
    with pytest.raises(NrtError):
        Runtime(environment={"NEURON_RT_VISIBLE_CORES": "0", "NEURON_RT_LOG_LEVEL": "QUIET"})
    start_daemon(devices=(2, 3))


def test_devices_that_no_links_join_are_refused(start_daemon):
    with pytest.raises(UsageError, match="0, 2 are not serially connected"):
        start_daemon(devices=(0, 2))


def test_a_daemon_that_could_not_start_leaves_nothing(start_daemon, sockets):
    with pytest.raises(RtdError, match=r"directory .* not found"):
        start_daemon(devices=(0,), server_port=f"unix:{sockets}/no/such.sock")
    assert open_source().snapshot().runtimes == ()
    start_daemon(devices=(0,))


def test_the_socket_is_for_its_owner_and_group_alone(daemon):
    from pathlib import Path

    assert stat.S_IMODE(Path(daemon.address.removeprefix("unix:")).stat().st_mode) == 0o660


def test_an_address_that_is_in_use(start_daemon, sockets):
    first = start_daemon(devices=(0,))
    with pytest.raises(RtdError, match="another process listens"):
        start_daemon(devices=(1,), server_port=first.address)
    (sockets / "file").write_text("mine")
    with pytest.raises(RtdError, match="is not a socket"):
        start_daemon(devices=(1,), server_port=f"unix:{sockets}/file")
    assert (sockets / "file").read_text() == "mine"


def test_the_socket_of_a_daemon_that_was_killed_is_taken_over(start_daemon, sockets):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(sockets / "0.sock"))
    daemon = start_daemon(devices=(0,))
    with Client(daemon.address) as client:
        assert client.groups() == []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_tcp_where_it_is_asked_for(start_daemon):
    address = f"127.0.0.1:{free_port()}"
    start_daemon(devices=(0,), server_port=address)
    with Client(address) as client:
        assert client.infer(client.load(chain()), X)
    with pytest.raises(RtdError, match="cannot listen"):
        start_daemon(devices=(1,), server_port=address)


def test_health_and_reflection(daemon):
    with grpc.insecure_channel(daemon.address) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ("", "nrt.nmgr_v1", "nrt.nmgr_session_manager", "nrt.nmgr_stream"):
            answer = health.Check(health_pb2.HealthCheckRequest(service=service))
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        (answer,) = stub.ServerReflectionInfo(iter([request]))
        names = {service.name for service in answer.list_services_response.service}
        assert {"nrt.nmgr_v1", "nrt.nmgr_session_manager", "nrt.nmgr_stream", "grpc.health.v1.Health"} <= names


def test_stopping_lets_running_inferences_end(start_daemon, wait):
    daemon = start_daemon(devices=(0,))
    with Client(daemon.address) as client, client.session() as session:
        network = client.load(chain(stage_seconds=0.5), session=session)
        results = []
        thread = threading.Thread(target=lambda: results.append(client.infer(network, X)))
        thread.start()
        wait(lambda: daemon.manager.running == 1)
        daemon.stop()
        thread.join()
        assert "y" in results[0]
    assert open_source().snapshot().runtimes == ()
    assert open_source().snapshot().devices[0].memory_used_bytes == 0
    start_daemon(devices=(0,))


def test_systemd_is_told(start_daemon, sockets, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(sockets / "notify"))
        systemd.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(sockets / "notify"))
        daemon = start_daemon(devices=(0,))
        assert systemd.recv(4096).startswith(b"READY=1\n")
        daemon.stop()
        assert systemd.recv(4096) == b"STOPPING=1"


def test_an_unpacked_neff_is_kept_for_the_next_load(start_daemon):
    daemon = start_daemon(devices=(0,), model_cache_count=1)
    with Client(daemon.address) as client:
        for content, hits in ((chain(), 0), (chain(), 1), (chain(seed=1), 1), (chain(), 1)):
            client.infer(client.load(content), X)
            client.unload_all()
            assert daemon.manager.cache.hits == hits


def test_a_uuid_alone_does_not_find_an_unpacked_neff(daemon):
    one, other = chain(seed=1), bytearray(chain(seed=2))
    other[236:268] = one[236:268]
    with Client(daemon.address) as client:
        results = {client.infer(client.load(bytes(content)), X)["y"] for content in (one, other)}
    assert len(results) == 2


def test_a_log_line():
    assert format_line("NMGR", "load", "two\nlines", pid=7) == "nrtd[7]: [NMGR:load] two lines"


def test_lines_are_counted_even_when_they_are_not_written(capsys):
    log = Log(Level.ERROR, console=True)
    log.error("NMGR", "load", "bad")
    log.warning("NMGR", "load", "odd")
    log.info("NMGR", "load", "fine")
    assert (log.errors, log.warnings) == (1, 1)
    assert capsys.readouterr().err.count("\n") == 1

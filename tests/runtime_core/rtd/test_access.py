"""TLS and tokens over TCP, and results that belong to one client."""

import os
import socket
import stat

import grpc
import pytest
import trustme
from grpc_health.v1 import health_pb2, health_pb2_grpc
from small_models import small_neff

from runtime_core.errors import UsageError
from runtime_core.rtd import access
from runtime_core.rtd.client import Client
from runtime_core.rtd.config import FileConfig, read_file
from runtime_core.rtd.connection import ConnectionLostError
from runtime_core.rtd.credentials import Credentials
from runtime_core.rtd.proto import nmgr_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.rtd.wire import SERVICES, calls

TOKEN, OTHER = "t" * 32, "o" * 32


@pytest.fixture
def files(tmp_path):
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert("localhost", "127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for number, blob in enumerate(certificate.cert_chain_pems):
        blob.write_to_path(tmp_path / "cert.pem", append=bool(number))
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    stranger.cert_pem.write_to_path(tmp_path / "stranger.pem")
    client = authority.issue_cert("client")
    client.private_key_pem.write_to_path(tmp_path / "client-key.pem")
    client.cert_chain_pems[0].write_to_path(tmp_path / "client.pem")
    lists = {"tokens": f"# of two clients\n{TOKEN}\n{OTHER}\n", "one": TOKEN, "two": OTHER, "bad": "x" * 32}
    for name, lines in lists.items():
        (tmp_path / name).write_text(lines)
        (tmp_path / name).chmod(0o600)
    return tmp_path


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def tls(files):
    return {"tls_cert_file": str(files / "cert.pem"), "tls_key_file": str(files / "key.pem")}


@pytest.fixture
def start(start_daemon):
    return lambda **settings: start_daemon(devices=(0,), server_port=f"127.0.0.1:{free_port()}", **settings)


def groups(address, *, seconds=5, **credentials):
    with Client(address, Credentials(**credentials)) as client:
        client.wait_until_ready(seconds)
        return client.groups()


def test_tls_is_required_once_it_is_set(start, files):
    daemon = start(**tls(files))
    assert groups(daemon.address, ca_file=files / "ca.pem") == []
    for wrong in ({}, {"ca_file": files / "stranger.pem"}):
        with pytest.raises(ConnectionLostError):
            groups(daemon.address, seconds=1, **wrong)


def test_a_client_certificate_is_required_once_an_authority_is_set(start, files):
    daemon = start(**tls(files), tls_client_ca_file=str(files / "ca.pem"))
    shown = {"ca_file": files / "ca.pem", "cert_file": files / "client.pem", "key_file": files / "client-key.pem"}
    assert groups(daemon.address, **shown) == []
    with Client(daemon.address, Credentials(ca_file=files / "ca.pem")) as client, pytest.raises(RtdError):
        client.groups()


def test_every_call_requires_a_token_once_tokens_are_set(start, files, monkeypatch):
    daemon = start(token_file=str(files / "tokens"))
    for name in ("one", "two"):
        assert groups(daemon.address, token_file=files / name) == []
    monkeypatch.setenv("NEURON_RTD_TOKEN_FILE", str(files / "one"))
    with Client(daemon.address) as client, client.session() as session:
        assert client.create_group(1, session=session)
    monkeypatch.delenv("NEURON_RTD_TOKEN_FILE")
    for wrong in ({}, {"token_file": files / "bad"}):
        with Client(daemon.address, Credentials(**wrong)) as client:
            for call in (call for service in SERVICES for call in calls(service).values()):
                stub = client.stubs[call.name]
                request = iter(()) if call.client_streams else call.request()
                with pytest.raises(grpc.RpcError) as caught:
                    _ = list(stub(request)) if call.server_streams else stub(request)
                assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED, call.name
            with pytest.raises(RtdError, match="requires a valid token"):
                client.groups()
    with grpc.insecure_channel(daemon.address) as channel:
        probe = health_pb2_grpc.HealthStub(channel)
        assert probe.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING


def test_a_renewed_certificate_is_used_and_a_half_renewed_one_is_not(start, files):
    daemon = start(**tls(files))
    again = trustme.CA()
    renewed = again.issue_cert("localhost", "127.0.0.1")
    again.cert_pem.write_to_path(files / "new-ca.pem")
    renewed.cert_chain_pems[0].write_to_path(files / "cert.pem")
    assert groups(daemon.address, ca_file=files / "ca.pem") == []
    renewed.private_key_pem.write_to_path(files / "key.pem")
    assert groups(daemon.address, ca_file=files / "new-ca.pem") == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"server_port": "unix:/tmp/x.sock", "token_file": "tokens"}, "TLS and tokens require a TCP address"),
        ({"server_port": "unix:/tmp/x.sock", "tls_cert_file": "cert.pem"}, "TLS and tokens require a TCP address"),
        ({"tls_cert_file": "cert.pem"}, "TLS requires both"),
        ({"tls_client_ca_file": "ca.pem"}, "TLS requires both"),
        ({"tls_cert_file": "key.pem", "tls_key_file": "key.pem"}, "not a certificate with its key"),
        ({"tls_cert_file": "cert.pem", "tls_key_file": "gone.pem"}, "cannot read the file"),
        ({"tls_cert_file": "cert.pem", "tls_key_file": "key.pem", "tls_client_ca_file": "key.pem"}, "no certificates"),
        ({"server_port": "0.0.0.0:1", "token_file": "tokens"}, "would cross the network in plain text"),
        ({"token_file": "gone"}, "cannot read the file"),
        ({"token_file": "short"}, "expected a token of 16 or more"),
        ({"token_file": "none"}, "no token in the file"),
        ({"token_file": "open"}, "other users may read the tokens"),
    ],
)
def test_settings_that_cannot_protect_are_refused(files, changes, message):
    for name, text, mode in (("short", "abc", 0o600), ("none", "# nothing\n", 0o600), ("open", TOKEN, 0o644)):
        (files / name).write_text(text)
        (files / name).chmod(mode)
    named = {key: value if key == "server_port" else str(files / value) for key, value in changes.items()}
    with pytest.raises(UsageError, match=message) as caught:
        access.access_of(FileConfig(**{"server_port": "127.0.0.1:1", **named}))
    assert "abc" not in str(caught.value)


def test_file_names_are_relative_to_the_configuration(files):
    (files / "rtd.json").write_text('{"server_port": "127.0.0.1:1", "token_file": "tokens"}')
    config = read_file(files / "rtd.json")
    assert config.token_file == str(files / "tokens")
    assert access.access_of(config).authenticates


def test_a_client_sends_no_token_in_plain_text(files):
    with pytest.raises(UsageError, match="plain text"):
        Client("neuron.example:1", Credentials(token_file=files / "one"))


def test_a_posted_inference_belongs_to_its_client(start, files):
    daemon = start(token_file=str(files / "tokens"))
    with Client(daemon.address, Credentials(token_file=files / "one")) as client:
        network = client.load(small_neff())
        client.start(network)
        cookie = client.post(network, {"x": bytes(256)})
        with Client(daemon.address, Credentials(token_file=files / "two")) as other:
            for call in (other.wait, other.poll, lambda one: other.completed([one])):
                with pytest.raises(RtdError, match="not found"):
                    call(cookie)
        assert client.wait(cookie)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
@pytest.mark.parametrize(
    ("group", "mode", "protection", "granted"),
    [
        (12345, 0o600, 1, False),
        (12345, 0o660, 3, False),
        (None, 0o660, 3, True),
        (None, 0o640, 1, True),
        (None, 0o640, 3, False),
        (12345, 0o604, 1, True),
        (12345, 0o604, 2, False),
        (12345, 0o666, 3, True),
    ],
)
def test_shared_memory_that_not_every_client_may_use_is_refused(
    client, shared_memory, group, mode, protection, granted
):
    path = shared_memory(64)
    os.chown(path, 12345, os.getegid() if group is None else group)
    path.chmod(mode)
    assert stat.S_IMODE(path.stat().st_mode) == mode

    def use():
        request = nmgr_pb2.shm_map_request(path=f"/{path.name}", mmap_prot=protection)
        return client.call("shm_map", request, nmgr_pb2.shm_map_response).status

    status = use()
    assert (status.code == 0) is granted
    if not granted:
        assert b"belongs to user 12345" in status.details

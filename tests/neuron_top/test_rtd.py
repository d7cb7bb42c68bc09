"""neuron-rtd daemons beside the node: those that do not answer are told."""

import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st
from screens import Still, drive, text
from worlds import make_runtime

from neuron_top.rtd import RtdAddress, RtdSource, parse_address, watched_addresses, why_unreachable
from runtime_core.telemetry import UsageError


@pytest.mark.parametrize(
    ("given", "path", "host", "port"),
    [
        ("unix:/run/neuron2.sock", "/run/neuron2.sock", "", 0),
        ("unix:///run/neuron2.sock", "/run/neuron2.sock", "", 0),
        ("127.0.0.1:9100", "", "127.0.0.1", 9100),
        ("[::1]:9100", "", "::1", 9100),
    ],
)
def test_addresses_are_written_as_grpc_writes_them(given, path, host, port):
    assert parse_address(given) == RtdAddress(given, path, host, port)


@given(st.text(max_size=30))
def test_any_other_text_is_refused_with_an_example(text):
    try:
        found = parse_address(text)
    except UsageError as error:
        assert "unix:/run/neuron.sock" in str(error)
    else:
        assert found.path or found.port


def test_the_environment_names_daemons_when_the_command_line_does_not(monkeypatch):
    monkeypatch.setenv("NEURON_RTD_ADDRESS", "unix:/a.sock,127.0.0.1:9")
    assert [a.text for a in watched_addresses(())] == ["unix:/a.sock", "127.0.0.1:9"]
    assert [a.text for a in watched_addresses(["unix:/b.sock"])] == ["unix:/b.sock"]


def test_the_default_socket_is_watched_where_it_is(monkeypatch, tmp_path):
    monkeypatch.delenv("NEURON_RTD_ADDRESS", raising=False)
    monkeypatch.setattr("neuron_top.rtd.DEFAULT_SOCKET", tmp_path / "neuron.sock")
    assert watched_addresses(()) == ()
    (tmp_path / "neuron.sock").touch()
    assert watched_addresses(())[0].path == str(tmp_path / "neuron.sock")


def test_somebody_who_listens_is_reached(tmp_path):
    path = str(tmp_path / "s")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert why_unreachable(parse_address(f"unix:{path}")) == ""
    assert "cannot reach" in why_unreachable(parse_address(f"unix:{path}"))
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = parse_address(f"127.0.0.1:{server.getsockname()[1]}")
        assert why_unreachable(address) == ""
    assert "refused" in why_unreachable(address)


def test_a_daemon_that_does_not_answer_is_a_runtime_that_cannot_be_read(tmp_path):
    address = f"unix:{tmp_path}/none.sock"
    source = RtdSource(Still(), watched_addresses([address]))

    async def check(app, pilot):
        await pilot.press("p")
        shown = text(app)
        assert f"cannot reach {address}: No such file or directory" in shown
        await pilot.press("4", "o")
        shown = text(app)
        assert "0.00%" not in shown.split("VCPU")[0]
        assert "0 B" not in shown

    drive(check, (300, 40), source)


def test_a_daemon_of_this_node_is_not_asked(tmp_path, monkeypatch):
    monkeypatch.setattr("neuron_top.rtd.why_unreachable", lambda _: pytest.fail("it was asked"))
    daemon = make_runtime(1.0, 7, (0,), "rtd")._replace(address="unix:/run/neuron2.sock")
    source = RtdSource(Still(runtimes=(daemon,)), watched_addresses(["unix:///run/neuron2.sock"]))
    assert len(source.snapshot().runtimes) == 1

"""HOST:PORT, alone and in files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neuron_top.remote.endpoint import Endpoint, distinct, gather_endpoints, parse_endpoint, read_hostfile
from runtime_core.telemetry import UsageError


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("inf1-a:9000", "inf1-a", 9000),
        ("inf1-a", "inf1-a", 8000),
        ("10.0.0.7:65535", "10.0.0.7", 65535),
        ("[::1]:9000", "::1", 9000),
        ("[fe80::1]", "fe80::1", 8000),
    ],
)
def test_an_endpoint_is_a_host_and_a_port(text, host, port):
    assert parse_endpoint(text) == Endpoint(host, port)


NOT_ENDPOINTS = (
    "", ":8000", "a:", "a:0", "a:65536", "a:b", "a:1:2", "http://a:1", "a b:1", "[::1", "[::1]x", "[]:1", "a:٣",
)  # fmt: skip


@pytest.mark.parametrize("text", NOT_ENDPOINTS)
def test_what_is_none_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="write for example"):
        parse_endpoint(text)


@given(st.text(max_size=40))
def test_any_text_is_an_endpoint_or_refused(text):
    try:
        found = parse_endpoint(text)
    except UsageError:
        return
    assert parse_endpoint(str(found)) == found


def test_a_host_file_has_comments_and_empty_lines(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("# fleet\n\ninf1-a:9000  # the first\n[::1]:9001\n")
    assert read_hostfile(path) == [Endpoint("inf1-a", 9000), Endpoint("::1", 9001)]


def test_a_wrong_line_is_named(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("inf1-a:9000\nnot a host\n")
    with pytest.raises(UsageError, match="line 2"):
        read_hostfile(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        read_hostfile(tmp_path / "none")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not UTF-8"):
        read_hostfile(tmp_path / "binary")


def test_each_node_is_watched_once_and_there_is_at_least_one(tmp_path):
    path = tmp_path / "hosts"
    path.write_text("a:1\nb:1\n")
    assert [str(e) for e in distinct(gather_endpoints(["b:1,c:1"], path))] == ["b:1", "c:1", "a:1"]
    path.write_text("# none\n")
    with pytest.raises(UsageError, match="no node to watch"):
        distinct(gather_endpoints([], path))
    with pytest.raises(UsageError, match="10001 nodes are too many"):
        distinct(Endpoint("a", 1, f"/{number}") for number in range(10_001))


def test_nodes_of_one_name_are_told_apart():
    nodes = distinct([Endpoint("a", 1, name="x"), Endpoint("b", 1, name="x"), Endpoint("c", 1, "/n/metrics")])
    assert [str(node) for node in nodes] == ["x (a:1)", "x (b:1)", "c:1"]

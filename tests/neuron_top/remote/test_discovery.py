"""Nodes from service discovery and from a Prometheus: what comes from outside is checked."""

import json
from contextlib import suppress

import pytest
from answering import JSON_VALUES, server
from hypothesis import given
from hypothesis import strategies as st

from neuron_top.remote.client import Client
from neuron_top.remote.discovery import groups_of, parse_url, read_discovery
from neuron_top.remote.endpoint import Endpoint
from neuron_top.remote.past import past_of
from neuron_top.remote.prometheus import Prometheus, matcher
from runtime_core.telemetry import NeuronError, NodeError, UsageError


def test_a_url_is_a_host_a_port_and_a_path():
    assert parse_url("http://prom:9090") == Endpoint("prom", 9090, "", "http")
    assert parse_url("https://prom/deep/path/") == Endpoint("prom", 443, "/deep/path", "https")
    assert parse_url("http://[::1]:9090/") == Endpoint("::1", 9090, "", "http")


@pytest.mark.parametrize(
    "text", ["prom:9090", "ftp://a", "http://", "http://a:b", "http://u:p@a", "http://a?x", "http://a b"]
)
def test_what_is_no_url_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match=r"http://prometheus:9090"):
        parse_url(text)


GROUPS = [
    {"targets": ["10.0.0.1:8000", "[::1]"], "labels": {"zone": "a", "__meta_x": "y"}},
    {
        "targets": ["127.0.0.1:9200"],
        "labels": {"__metrics_path__": "/nodes/web-0/metrics", "instance": "web-0", "__scheme__": "https"},
        "source": "ignored",
    },
]


def test_service_discovery_from_a_file_and_over_http(tmp_path):
    found = [
        Endpoint("10.0.0.1", 8000),
        Endpoint("::1", 80),
        Endpoint("127.0.0.1", 9200, "/nodes/web-0/metrics", "https", "web-0"),
    ]
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(GROUPS))
    assert read_discovery(str(path), Client()) == found
    with server(
        lambda path: (200 if path == "/sd?x=1" else 404, "application/json", json.dumps(GROUPS).encode())
    ) as sd:
        base = f"http://127.0.0.1:{sd.server_port}"
        assert read_discovery(f"{base}/sd?x=1", Client()) == found
        with pytest.raises(NodeError, match=r"/other answers 404"):
            read_discovery(f"{base}/other", Client())
    with pytest.raises(UsageError, match="No such file"):
        read_discovery(str(tmp_path / "none"), Client())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"{}", "is not a list of objects with targets and labels"),
        (b'[{"targets": "a"}]', r"\$\[0\].targets"),
        (b'[{"targets": [" "]}]', "sd, group 1"),
        (b'[{"targets": ["a"], "labels": {"__scheme__": "gopher"}}]', "gopher://a/metrics is no URL"),
        (b'[{"targets": ["a"], "labels": {"__metrics_path__": "/x y\\r\\nHost: b"}}]', "is no URL"),
        (b"[" * 100_000, "is not a list"),
    ],
)
def test_a_wrong_discovery_is_explained(body, said):
    with pytest.raises(UsageError, match=said):
        groups_of(body, "sd")


@given(st.lists(st.fixed_dictionaries({"targets": st.lists(st.text(max_size=30), max_size=2)},
                                      optional={"labels": st.dictionaries(
                                          st.sampled_from(["instance", "__scheme__", "__metrics_path__"]),
                                          st.text(max_size=20))}), max_size=2) | JSON_VALUES)  # fmt: skip
def test_any_json_is_a_discovery_or_refused(value):
    try:
        found = groups_of(json.dumps(value).encode("utf-8", "surrogatepass"), "sd")
    except UsageError:
        return
    for endpoint in found:
        assert (str(endpoint)).isprintable()
        assert endpoint.path.startswith("/")
        assert endpoint.path.isascii()


class FakePrometheus:
    """Answers like a Prometheus with two monitors and another job."""

    def __init__(self):
        self.queries = []

    def __call__(self, path):
        if path.startswith("/p/api/v1/targets"):
            target = {
                "scrapeUrl": "http://10.0.0.1:8000/metrics", "scrapeInterval": "1m30s",
                "labels": {"job": "neuron-monitor", "instance": "10.0.0.1:8000"}, "health": "up",
            }  # fmt: skip
            other = target | {
                "scrapeUrl": "http://h:1/nodes/b/metrics?x=1", "labels": {"job": "neuron-monitor", "instance": "b"}
            }  # fmt: skip
            node = target | {"labels": {"job": "node"}}
            return self._data({"activeTargets": [target, other, node], "droppedTargets": []})
        if path.startswith("/p/api/v1/query_range"):
            self.queries.append(path)
            return self._data(
                {"resultType": "matrix", "result": [{"metric": {}, "values": [[940, "NaN"], [970, "3"]]}]}
            )
        return 400, "application/json", b'{"status":"error","errorType":"bad_data","error":"parse\\nerror"}'

    def _data(self, data):
        return 200, "application/json", json.dumps({"status": "success", "data": data}).encode()


def test_the_targets_and_the_history_of_a_prometheus():
    fake = FakePrometheus()
    with server(fake) as serving:
        prometheus = Prometheus(f"http://127.0.0.1:{serving.server_port}/p/", Client())
        first, second = prometheus.targets()
        assert first == Endpoint("10.0.0.1", 8000, "/metrics", "http", "")
        assert second == Endpoint("h", 1, "/nodes/b/metrics?x=1", "http", "b")
        assert prometheus.scrape_seconds == 90
        past = past_of(prometheus, second, 120, 4, 1000)
        assert past.utilization == (None, None, 3, None)
        assert past.latency_p99_ns[2] == 3e9
        assert len(fake.queries) == 5
        assert all("start=900.000&end=990.000&step=30.000" in query for query in fake.queries)
        assert "instance%3D%22b%22" in fake.queries[0]
        assert "%5B360s%5D" in fake.queries[1], "a rate over four scrapes"
        with pytest.raises(NodeError, match="answers 400: parse error"):
            Prometheus(f"http://127.0.0.1:{serving.server_port}/q", Client()).targets()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (b"<html>", "is it a Prometheus"),
        (b'{"status":"success"}', "is it a Prometheus"),
        (b'{"status":"success","data":{"activeTargets":3}}', "is it a Prometheus"),
        (
            b'{"status":"success","data":{"activeTargets":[]}}',
            "no target of the job neuron-monitor: it has no targets",
        ),
    ],
)
def test_what_is_no_prometheus_or_scrapes_no_monitor_is_refused(answer, said):
    with (
        server(lambda path: (200, "text/html", answer)) as serving,
        pytest.raises((NodeError, UsageError), match=said),
    ):
        Prometheus(f"http://127.0.0.1:{serving.server_port}", Client()).targets()


@given(JSON_VALUES)
def test_any_reply_is_values_or_an_error(value):
    class Answering(Client):
        def get(self, *_):
            from neuron_top.remote.client import Response

            body = json.dumps({"status": "success", "data": {"result": value, "activeTargets": value}})
            return Response(200, "OK", "application/json", 0, body.encode())

    prometheus = Prometheus("http://p", Answering())
    for ask in (prometheus.targets, lambda: past_of(prometheus, None, 60, 10, 1000.0)):
        with suppress(NeuronError):
            ask()


def test_a_name_cannot_leave_its_matcher():
    assert matcher(Endpoint("h", 1, name='a"} or up{x="\\')).endswith('instance="a\\"} or up{x=\\"\\\\"')

"""The data of a busy node in a real Prometheus server, with one process and with a pipe."""

from contextlib import contextmanager

import bcrypt
import pytest
from conftest import wait_for
from real_prometheus import monitor, owner, pipe, prometheus

from runtime_core.driver.node import set_up
from runtime_core.telemetry import open_source

COMPLETED = 'execution_status_total{status_type="completed"}'


@contextmanager
def scraped(folder, form):
    """A node, and a Prometheus that scrapes its monitor. Tests share it, because it needs 5 s to find its targets."""
    set_up(folder / "node", type_name="inf1.6xlarge")
    with form(folder / "node") as target, prometheus(folder, [target]) as server:
        yield folder / "node", server


@pytest.fixture(scope="module", params=[monitor, pipe], ids=["one process", "the pipe"])
def world(request, tmp_path_factory):
    with scraped(tmp_path_factory.mktemp("world"), request.param) as made:
        yield made


@pytest.fixture
def server(world):
    return world[1]


@pytest.fixture
def node(world, monkeypatch):
    monkeypatch.setenv("NEURON_SIM_ROOT", str(world[0]))
    return world[0]


def completed(tag):
    return f'execution_status_total{{status_type="completed", runtime_tag="{tag}"}}'


@pytest.fixture
def counted(node):
    """The node's own counts for a tag."""
    source = open_source("sim")
    yield lambda tag: next(r.executions.completed for r in source.snapshot().runtimes if r.tag == tag)
    source.close()


def test_counters_are_those_of_the_node_and_grow(server, node, counted):
    with owner(node, 0), owner(node, 5):
        first = wait_for(lambda: server.value(completed("bench0")))
        later = wait_for(lambda: (v := server.value(completed("bench0"))) and v > first and v)
        assert first < later <= counted("bench0")
        wait_for(lambda: server.value(f"sum(rate({COMPLETED}[5s]))"))
        assert {labels["neuroncore"] for labels, _ in server.ask("neuroncore_owner_info")} == {"0", "5"}
        assert server.value("system_vcpu_count") > 0


def test_the_page_is_whole_for_prometheus(server, node):
    with owner(node, 2):
        wait_for(lambda: server.value(completed("bench2")))
        (target,) = server.get("/api/v1/targets")["activeTargets"]
        assert (target["health"], target["lastError"]) == ("up", "")
        assert server.value("up") == 1
        kinds = server.get("/api/v1/metadata")
        # Prometheus requests OpenMetrics first, where names of counters have no suffix.
        assert kinds["execution_status"][0]["type"] == "counter"
        assert kinds["neuroncore_utilization_ratio"][0]["type"] == "gauge"


def test_a_runtime_that_ended_is_gone_and_the_others_are_not(server, node):
    with owner(node, 1):
        with owner(node, 0):
            wait_for(lambda: server.value(completed("bench0")) and server.value(completed("bench1")))
        wait_for(lambda: server.value(completed("bench0")) is None)
        assert server.ask('neuroncore_owner_info{neuroncore="0"}') == []
        assert server.value(completed("bench1")) > 0


def test_a_restarted_runtime_of_the_same_tag_counts_from_its_own_start(server, node):
    with owner(node, 0):
        before = wait_for(lambda: server.value(completed("bench0")))
    wait_for(lambda: server.value(completed("bench0")) is None)
    with owner(node, 0):
        rate = f"rate({completed('bench0')}[2s])"
        wait_for(lambda: server.value(rate))
        assert before > 0
        # Prometheus treats a decrease as a restart, so the increase is never negative.
        assert server.value(f"min_over_time({rate}[30s:200ms])") >= 0


@pytest.mark.parametrize("world", [monitor], ids=["one process"], indirect=True)
def test_the_histogram_counts_what_completed_and_tells_quantiles(server, node):
    """The exporter with a pipe has no histogram, because the stream contains percentiles, which cannot be added."""
    duration = 'neuron_execution_duration_seconds{part}{{runtime_tag="bench0"}}'
    with owner(node, 0):
        wait_for(lambda: server.value(completed("bench0")))

        def agrees():
            at = server.ask(f"{duration.format(part='_count')} - on (runtime_tag) {completed('bench0')}")
            return at and at[0][1] == 0

        wait_for(agrees, what="as many durations as executions")
        # An execution takes 2.1 to 2.5 ms, between two bounds of the histogram (2 and 3 ms).
        buckets = duration.format(part="_bucket")
        median = wait_for(lambda: server.value(f"histogram_quantile(0.5, rate({buckets}[5s]))"))
        assert 0.002 <= median <= 0.003
        mean = server.value(f"{duration.format(part='_sum')} / {duration.format(part='_count')}")
        assert 0.0021 <= mean <= 0.0025


def test_prometheus_scrapes_over_tls_with_a_password(tmp_path, authority):
    set_up(tmp_path / "node", type_name="inf1.xlarge")
    authority.write_to(tmp_path)
    web = tmp_path / "web.yml"
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    tls = "tls_server_config: {cert_file: server.pem, key_file: server.key}"
    web.write_text(f"{tls}\nbasic_auth_users: {{scraper: '{hashed}'}}\n")
    with monitor(tmp_path / "node", "--web.config.file", web) as target:
        access = {"scheme": "https", "tls_config": {"ca_file": str(tmp_path / "ca.pem"), "server_name": "localhost"}}
        right, wrong = ({"username": "scraper", "password": password} for password in ("secret", "guess"))
        for folder in ("right", "wrong"):
            (tmp_path / folder).mkdir()
        with (
            prometheus(tmp_path / "right", [target], **access, basic_auth=right) as server,
            prometheus(tmp_path / "wrong", [target], **access, basic_auth=wrong) as stranger,
        ):
            wait_for(lambda: server.value("up") == 1)
            wait_for(lambda: stranger.value("up") == 0)
            (failed,) = stranger.get("/api/v1/targets")["activeTargets"]
            assert "401" in failed["lastError"]

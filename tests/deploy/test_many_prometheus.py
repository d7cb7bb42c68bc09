"""Sharding, remote write to VictoriaMetrics, and federation: with real servers and the shipped configurations."""

import subprocess
from contextlib import ExitStack, contextmanager

import pytest
import yaml
from answering import server
from conftest import wait_for
from real_prometheus import REPOSITORY, Server, listening_port, program, running

PROMETHEUS = REPOSITORY / "deploy/prometheus"
NODES = 8
PAGE = """\
# TYPE execution_status_total counter
execution_status_total{instance_type="inf1.xlarge",runtime_tag="web",status_type="completed"} %(count)d
# TYPE instance_info gauge
instance_info{instance_id="i-%(node)d",instance_type="inf1.xlarge"} 1
"""


@pytest.mark.parametrize("name", sorted(path.name for path in PROMETHEUS.glob("*.yml")))
def test_promtool_accepts_each_configuration(name, tmp_path):
    (tmp_path / "rules").symlink_to(REPOSITORY / "dashboards/rules")
    (tmp_path / name).write_text((PROMETHEUS / name).read_text())
    done = subprocess.run(
        [program("promtool"), "check", "config", tmp_path / name], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout


@contextmanager
def nodes():
    """The metrics pages of several nodes at one address; their counters increase with each scrape."""
    counts = [0] * NODES

    def respond(path):
        node = int(path.split("/")[1])
        counts[node] += 10
        return 200, "text/plain; version=0.0.4", (PAGE % {"node": node, "count": counts[node]}).encode()

    with server(respond) as serving:
        yield f"127.0.0.1:{serving.server_port}"


def started(stack, folder, configuration):
    """Start a Prometheus with a configuration, without waiting for it."""
    folder.mkdir()
    (folder / "prometheus.yml").write_text(yaml.safe_dump(configuration))
    command = [
        program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        "--web.listen-address=127.0.0.1:0", "--log.level=error",
    ]  # fmt: skip
    return stack.enter_context(running(*command, stdout=subprocess.DEVNULL))


def fast(name):
    configuration = yaml.safe_load((PROMETHEUS / name).read_text())
    configuration["global"] |= {"scrape_interval": "200ms", "evaluation_interval": "200ms"}
    return configuration


def shard(number, address, store):
    """``shard.yml``, adapted for a shard."""
    configuration = fast("shard.yml")
    configuration["global"]["external_labels"]["shard"] = str(number)
    configuration["rule_files"] = [str(REPOSITORY / "dashboards/rules/neuron-recordings.yml")]
    (job,) = configuration["scrape_configs"]
    job["static_configs"] = [
        {"targets": [address], "labels": {"__metrics_path__": f"/{node}/metrics", "instance": f"node-{node}"}}
        for node in range(NODES)
    ]
    job["relabel_configs"][1]["regex"] = str(number)
    (write,) = configuration["remote_write"]
    write["url"] = f"{store}/api/v1/write"
    write["queue_config"]["batch_send_deadline"] = "100ms"
    return configuration


def answer(server, promql):
    """The response of a server; empty if it is not ready."""
    try:
        return server.ask(promql)
    except (OSError, AssertionError):
        return []


def test_two_shards_a_store_and_a_federation(tmp_path):
    with ExitStack() as stack:
        address = stack.enter_context(nodes())
        storing = stack.enter_context(
            running(
                program("victoria-metrics"), f"-storageDataPath={tmp_path / 'store'}", "-httpListenAddr=127.0.0.1:0",
                "-search.latencyOffset=0s", "-loggerLevel=ERROR", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
        )  # fmt: skip
        store = Server(f"http://127.0.0.1:{listening_port(storing.pid)}")
        shards = [started(stack, tmp_path / f"shard-{n}", shard(n, address, store.url)) for n in (0, 1)]
        ports = [listening_port(process.pid) for process in shards]
        configuration = fast("federation.yml")
        (job,) = configuration["scrape_configs"]
        job["static_configs"] = [{"targets": [f"127.0.0.1:{port}" for port in ports]}]
        federating = started(stack, tmp_path / "federation", configuration)
        over = Server(f"http://127.0.0.1:{listening_port(federating.pid)}")

        everywhere = {f"node-{node}" for node in range(NODES)}
        up = 'up{job="neuron-monitor"} == 1'

        def instances(server, promql):
            return {labels["instance"] for labels, _ in answer(server, promql)}

        servers = [Server(f"http://127.0.0.1:{port}") for port in ports]
        wait_for(lambda: set().union(*(instances(one, up) for one in servers)) == everywhere, what="all nodes")
        first, second = (instances(server, up) for server in servers)
        assert first
        assert second
        assert not first & second, "no node is scraped twice"

        rate = 'sum by (instance) (runtime_tag:executions:rate5m{job="neuron-monitor"}) > 0'
        wait_for(lambda: instances(store, up) == everywhere, what="all nodes in the store")
        wait_for(lambda: instances(store, rate) == everywhere, what="recorded rates of all nodes in the store")
        assert {labels["shard"] for labels, _ in store.ask(up)} == {"0", "1"}
        wait_for(lambda: instances(over, rate) == everywhere, what="recorded rates of all nodes in the federation")
        assert not over.ask("execution_status_total"), "raw series stay in the shards"
        assert {labels["shard"] for labels, _ in over.ask("runtime_tag:executions:rate5m")} == {"0", "1"}
        assert instances(over, up) == everywhere

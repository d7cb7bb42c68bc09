"""The compose file mounts existing files, provisioning finds the dashboards, and the node is busy."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import psutil
import pytest
import yaml


@pytest.fixture
def folder(deploy):
    return deploy / "grafana"


@pytest.fixture
def services(folder):
    return yaml.safe_load((folder / "compose.yml").read_text())["services"]


def mounts(service):
    return dict(mount.split(":")[:2] for mount in service.get("volumes", ()))


def test_every_file_that_is_mounted_is_there(services, folder):
    for name, service in services.items():
        for source in mounts(service):
            assert not source.startswith(".") or (folder / source).exists(), f"{name}: {source}"
    build = services["node"]["build"]
    assert (folder / build["context"] / build["dockerfile"]).exists()


def test_images_are_of_a_version_and_nothing_listens_beyond_this_machine(services):
    for service in services.values():
        assert re.fullmatch(r"[\w./-]+:v?\d+\.\d+\.\d+", service["image"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]


def test_rules_are_where_the_configuration_looks_for_them(services, deploy):
    rules = yaml.safe_load((deploy / "prometheus/prometheus.yml").read_text())["rule_files"]
    assert rules == ["rules/*.yml"]
    targets = mounts(services["prometheus"])
    assert targets["../prometheus/prometheus.yml"] == "/etc/prometheus/prometheus.yml"
    assert targets["../prometheus/rules"] == "/etc/prometheus/rules"


def test_grafana_finds_the_dashboards_and_prometheus(services, folder):
    (provider,) = yaml.safe_load((folder / "provisioning/dashboards/neuron.yml").read_text())["providers"]
    targets = mounts(services["grafana"])
    assert targets["./dashboards"] == provider["options"]["path"]
    assert targets["./provisioning"] == "/etc/grafana/provisioning"
    home = Path(services["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"])
    assert home.parent == Path(provider["options"]["path"])
    assert (folder.parents[1] / "dashboards/json" / home.name).exists()
    (source,) = yaml.safe_load((folder / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["isDefault"]
    assert services["prometheus"]["network_mode"] == "service:node"
    assert source["url"] == "http://node:9090"


@pytest.fixture
def busy_node(folder, root):
    """The script that the node's container runs."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    process = subprocess.Popen(
        ["sh", folder / "busy-node.sh"],
        env={
            **os.environ,
            "PATH": path,
            "NEURON_LISTEN_ADDRESS": "127.0.0.1:0",
            "NEURON_SIM_INSTANCE_TYPE": "inf1.6xlarge",
        },
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield process
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.mark.e2e
def test_the_node_is_busy_with_three_applications(busy_node, wait, light_networks):
    def port():
        assert busy_node.poll() is None
        sockets = psutil.Process(busy_node.pid).net_connections(kind="tcp")
        return next((s.laddr.port for s in sockets if s.status == psutil.CONN_LISTEN), None)

    url = f"http://127.0.0.1:{wait(port, seconds=90)}/metrics"

    def working():
        with urllib.request.urlopen(url, timeout=10) as answer:
            page = answer.read().decode()
        counts = re.findall(
            r'^execution_status_total\{.*"completed".*runtime_tag="([\w-]+)"\} (\d+)', page, re.MULTILINE
        )
        return {tag for tag, count in counts if int(count)}

    wait(lambda: working() == {"photo-tags", "thumbnails", "nightly-batch"}, seconds=60)

"""Independent programs scrape the server, and malicious clients try to disturb it."""

import base64
import socket
import subprocess
import time
import urllib.parse

import bcrypt
import pytest
from real_prometheus import program

pytestmark = pytest.mark.e2e


@pytest.fixture
def run():
    """Start an independent program; it is stopped after the test."""
    started = []

    def start(*command):
        process = subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


def test_a_prometheus_server_scrapes_over_tls_with_a_client_certificate_and_a_password(
    owner, spawn, run, tmp_path, get, listening, wait, every_group, authority
):
    owner(0)
    authority.write_to(tmp_path)
    authority.write_client_to(tmp_path, "prometheus.example")
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    web = tmp_path / "web.yml"
    web.write_text(
        "tls_server_config: {cert_file: server.pem, key_file: server.key, client_ca_file: ca.pem,\n"
        "  client_auth_type: RequireAndVerifyClientCert, client_allowed_sans: [prometheus.example]}\n"
        f"basic_auth_users: {{alice: {hashed}}}\n"
    )
    monitor = spawn(
        "neuron_monitor", "-c", every_group, "--prometheus", "--web.listen-address", "127.0.0.1:0",
        "--web.config.file", web,
    )  # fmt: skip
    config = tmp_path / "prometheus.yml"
    config.write_text(f"""
global: {{scrape_interval: 200ms, scrape_timeout: 200ms}}
scrape_configs:
  - job_name: neuron
    scheme: https
    tls_config: {{ca_file: ca.pem, cert_file: client.pem, key_file: client.key, server_name: localhost}}
    basic_auth: {{username: alice, password: secret}}
    static_configs: [{{targets: ['127.0.0.1:{listening(monitor)}']}}]
""")
    server = run(
        program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
        "--web.listen-address=127.0.0.1:0",
    )  # fmt: skip
    query = urllib.parse.urlencode({"query": "neuron_execution_duration_seconds_count{runtime_tag='bench0'} > 0"})
    url = f"http://127.0.0.1:{listening(server)}/api/v1/query?{query}"
    wait(lambda: b"bench0" in get(url)[2])


def test_node_exporter_takes_the_text_file(owner, spawn, run, tmp_path, get, listening, wait, every_group):
    owner(0)
    folder = tmp_path / "textfile"
    folder.mkdir()
    spawn("neuron_monitor", "-c", every_group, "--textfile", folder / "neuron.prom")
    exporter = run(
        program("prometheus-node-exporter"), "--collector.disable-defaults", "--collector.textfile",
        f"--collector.textfile.directory={folder}", "--web.listen-address=127.0.0.1:0",
    )  # fmt: skip
    url = f"http://127.0.0.1:{listening(exporter)}/metrics"
    wait(lambda: b'status_type="completed"' in get(url)[2])
    page = get(url)[2].decode()
    assert "node_textfile_scrape_error 0\n" in page
    assert 'neuron_execution_duration_seconds_bucket{availability_zone="us-east-1a"' in page


def test_a_text_file_that_is_written_once_stays(owner, command, tmp_path, every_group):
    owner(0)
    target = tmp_path / "neuron.prom"
    done = command("neuron_monitor", "-c", every_group, "--once", "--textfile", target)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert "execution_status_total{" in target.read_text()


def value(page, name):
    found = [line for line in page.decode().splitlines() if line.startswith(f"{name} ")]
    return float(found[0].split()[1]) if found else None


def test_crowds_of_bad_clients_do_not_stop_collection(owner, spawn, get, listening, wait, every_group):
    owner(0)
    monitor = spawn("neuron_monitor", "-c", every_group, "--prometheus", "--web.listen-address", "127.0.0.1:0")
    port = listening(monitor)
    url = f"http://127.0.0.1:{port}/metrics"
    wait(lambda: b"execution_status_total{" in get(url)[2])
    words = [
        b"",
        b"GET /metrics HT",
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /metrics HTTP/1.1\r\n\r\n" * 20,
        b"\0" * 40_000,
    ]
    crowd = []
    try:
        for number in range(300):
            client = socket.create_connection(("127.0.0.1", port), timeout=10)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            crowd.append(client)
            try:
                client.sendall(words[number % len(words)])
            except OSError:
                # Already disconnected, because it sent too much.
                continue
        before = get(url)[2]
        counted = value(before, "neuron_monitor_collection_duration_seconds_count")
        assert value(before, "neuron_monitor_report_age_seconds") < 5
        wait(lambda: value(get(url)[2], "neuron_monitor_collection_duration_seconds_count") >= counted + 10)
    finally:
        for client in crowd:
            client.close()
    assert monitor.poll() is None


def test_guessing_passwords_does_not_stop_collection(owner, spawn, tmp_path, get, listening, wait, every_group):
    owner(0)
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{alice: {bcrypt.hashpw(b'secret', bcrypt.gensalt(10)).decode()}}}\n")
    monitor = spawn(
        "neuron_monitor", "-c", every_group, "--prometheus", "--web.listen-address", "127.0.0.1:0",
        "--web.config.file", web,
    )  # fmt: skip
    port = listening(monitor)

    def ask(password):
        header = "Basic " + base64.b64encode(f"alice:{password}".encode()).decode()
        return get(f"http://127.0.0.1:{port}/metrics", Authorization=header)

    wait(lambda: b"execution_status_total{" in ask("secret")[2])
    crowd = [socket.create_connection(("127.0.0.1", port), timeout=10) for _ in range(100)]
    try:
        for number, client in enumerate(crowd):
            word = base64.b64encode(f"alice:guess{number}".encode()).decode()
            client.sendall(f"GET /metrics HTTP/1.1\r\nAuthorization: Basic {word}\r\n\r\n".encode())
        began = time.monotonic()
        counted = value(ask("secret")[2], "neuron_monitor_collection_duration_seconds_count")
        # A client with valid credentials does not wait for the guesses of others.
        assert time.monotonic() - began < 5
        wait(lambda: value(ask("secret")[2], "neuron_monitor_collection_duration_seconds_count") >= counted + 10)
    finally:
        for client in crowd:
            client.close()


def test_a_web_configuration_without_a_server_is_wrong_usage(command, node, tmp_path):
    done = command("neuron_monitor", "--web.config.file", tmp_path / "web.yml")
    assert (done.returncode, done.stdout) == (2, "")
    assert "give both" in done.stderr

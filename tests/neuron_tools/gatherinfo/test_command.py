"""The command line of neuron-gatherinfo."""

import json
import os
import socket
import stat
import tarfile

import pytest


def members(path):
    with tarfile.open(path) as archive:
        return {m.name.partition("/")[2]: archive.extractfile(m).read().decode() for m in archive.getmembers()}


def test_a_healthy_node_is_status_0_or_1_and_says_so(node, command):
    done = command("neuron_tools.gatherinfo", "--json")
    report = json.loads(done.stdout)
    assert done.returncode == {"pass": 0, "warn": 1}[report["status"]]
    assert {c["status"] for c in report["checks"]} <= {"pass", "warn"}
    assert {"source", "driver", "permissions", "ownership", "disk", "shared memory", "clock", "limits", "neuron-rtd",
            "exporter", "versions"} <= {c["check"] for c in report["checks"]}  # fmt: skip
    text = command("neuron_tools.gatherinfo").stdout
    assert "\x1b" not in text
    assert text.splitlines()[-1].endswith("0 fail")


def test_no_node_is_status_2_and_the_mend_is_told(command):
    done = command("neuron_tools.gatherinfo")
    assert done.returncode == 2
    assert "neuron-sim up" in done.stdout
    assert "Traceback" not in done.stderr


def test_a_warning_is_status_1(node, command):
    node.chmod(0o755)
    assert command("neuron_tools.gatherinfo").returncode == 1


def test_the_bundle_is_private_and_holds_no_secret_and_no_host(node, command, tmp_path):
    bundle = tmp_path / "info.tgz"
    secrets = {"NEURON_API_TOKEN": "hunter2-x", "NEURON_PEER": "10.20.30.40:1", "MY_OTHER": "not-even-read"}
    done = command("neuron_tools.gatherinfo", "--bundle", bundle, **secrets)
    assert done.returncode in (0, 1)
    assert stat.S_IMODE(bundle.stat().st_mode) == 0o600
    files = members(bundle)
    assert {"report.txt", "report.json", "environment.json", "neuron-ls.json", "node.json"} <= set(files)
    everything = "".join(files.values())
    for hidden in ("hunter2", "10.20.30.40", "not-even-read"):
        assert hidden not in everything
    name = socket.gethostname()
    assert name in ("localhost", "(none)") or f" {name}" not in everything
    kept = tmp_path / "kept.tgz"
    command("neuron_tools.gatherinfo", "--bundle", kept, "--keep-hosts", **secrets)
    text = "".join(members(kept).values())
    assert ("10.20.30.40" in text, "hunter2" in text) == (True, False)


@pytest.mark.parametrize("make", ["file", "link", "dangling"])
def test_a_bundle_goes_over_nothing_that_is_there(node, command, tmp_path, make):
    bundle, target = tmp_path / "info.tgz", tmp_path / "target"
    if make == "file":
        bundle.write_text("mine")
    else:
        bundle.symlink_to(target)
        if make == "link":
            target.write_text("mine")
    done = command("neuron_tools.gatherinfo", "--bundle", bundle)
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1)
    assert (bundle if make == "file" else target).exists() == (make != "dangling")
    if make != "dangling":
        assert (bundle if make == "file" else target).read_text() == "mine"


def test_a_place_that_can_not_be_written_is_a_line(node, command, tmp_path):
    done = command("neuron_tools.gatherinfo", "--bundle", tmp_path / "none/info.tgz")
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1


def test_a_copied_tree_goes_into_the_bundle_without_what_its_links_lead_to(node, command, tmp_path):
    tree = tmp_path / "tree"
    assert command("neuron_tools.sim", "sysfs", "--export", tree).returncode == 0
    (tmp_path / "private").write_text("not-yours")
    (tree / "neuron0/leak").symlink_to(tmp_path / "private")
    done = command("neuron_tools.gatherinfo", "--source", f"sysfs:{tree}", "--bundle", tmp_path / "info.tgz")
    assert done.returncode in (0, 1), done.stdout
    listing = members(tmp_path / "info.tgz")["sysfs.txt"]
    assert "neuron0/core_count: 4\n" in listing
    assert "neuron0/leak: (cannot be read)\n" in listing
    assert "not-yours" not in listing


def test_an_unknown_source_is_a_usage_error(command):
    assert command("neuron_tools.gatherinfo", "--source", "nonsense").returncode == 2


def test_nothing_of_the_surroundings_is_changed(node, command, tmp_path):
    before = {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in node.iterdir()}
    command("neuron_tools.gatherinfo", "--bundle", tmp_path / "info.tgz")
    assert {p: (p.stat().st_mtime_ns, p.stat().st_size) for p in node.iterdir()} == before
    assert os.listdir(tmp_path) != []


@pytest.mark.parametrize("address", ["nohost", ":", "host:", "host:port", "http://host:1/x"])
def test_an_address_that_is_none_is_wrong_usage(node, command, address):
    done = command("neuron_tools.gatherinfo", "--monitor", address)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "HOST:PORT" in done.stderr

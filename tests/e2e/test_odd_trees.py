"""The three viewers as programs, with invalid trees: they show the tree or print one line, never a traceback."""

import json
import random
import subprocess
import sys

import pytest
from odd_files import spoil
from worlds import BUSY, make_snapshot

from runtime_core.mirror.content import TreeContent
from runtime_core.mirror.export import export_tree

pytestmark = pytest.mark.e2e

CONTENTS = (b"", b"\n", b"-1\n", b"\xff\xfe\x00\x80", b"9" * 400, b"1 2 3", b"0x1f", b"18446744073709551616", b"nan",
            b"\x1b[2J\x1b[31m", "七".encode(), b"{" * 9000)  # fmt: skip
WAYS = ("write", "write", "write", "unlink", "directory", "fifo", "dangling", "endless", "forbid")
CONFIG = {
    "period": "0.1s",
    "neuron_runtimes": [{"tag_filter": ".*", "metrics": [
        {"type": name}
        for name in ("neuroncore_counters", "memory_used", "neuron_runtime_vcpu_usage", "execution_stats")
    ]}],
    "system_metrics": [{"type": name} for name in ("vcpu_usage", "memory_info", "neuron_hw_counters")],
}  # fmt: skip


@pytest.fixture(params=range(6))
def odd_tree(request, tmp_path):
    """A tree with damaged files, from 5 % to nearly all, including ``mirror.json``."""
    chance = random.Random(request.param)
    export_tree(TreeContent(make_snapshot("inf1.2xlarge", runtimes=BUSY[:1])), tmp_path / "tree")
    for path in sorted(p for p in (tmp_path / "tree").rglob("*") if p.is_file()):
        if chance.random() < (0.05, 0.1, 0.3, 0.6, 0.9, 0.95)[request.param]:
            spoil(path, chance.choice(WAYS), chance.choice(CONTENTS))
    return tmp_path / "tree"


def test_every_viewer_answers_or_says_in_a_line_why_not(odd_tree, tmp_path):
    (tmp_path / "monitor.json").write_text(json.dumps(CONFIG))
    commands = (
        ("neuron_ls",),
        ("neuron_ls", "-j"),
        ("neuron_ls", "-w", "-t", "-a"),
        ("neuron_top", "--once", "--interval", "0.1"),
        ("neuron_monitor", "--once", "-c", str(tmp_path / "monitor.json")),
        ("neuron_tools.gatherinfo", "--json"),
    )
    running = [
        subprocess.Popen(
            [sys.executable, "-m", *command, "--source", f"sysfs:{odd_tree}"],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for command in commands
    ]  # fmt: skip
    for command, process in zip(commands, running):
        output, errors = process.communicate(timeout=60)
        assert "Traceback" not in errors, command
        assert "\x1b" not in output, command
        assert process.returncode in (0, 1, 2), command
        if process.returncode and command[0] != "neuron_tools.gatherinfo":
            assert len(errors.splitlines()) == 1, (command, errors)
        elif command[0] == "neuron_monitor" or "-j" in command or "--json" in command:
            json.loads(output)

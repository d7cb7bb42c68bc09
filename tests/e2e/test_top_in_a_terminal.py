"""neuron-top in a real terminal, on a real busy node."""

import os
import re
import shutil
import subprocess
import sys
import uuid

import pytest

from runtime_core.telemetry import open_source

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


@pytest.fixture
def terminal(tmp_path):
    """A tmux server of its own, 100 by 30."""
    socket = tmp_path / f"tmux-{uuid.uuid4().hex[:8]}"

    def tmux(*arguments):
        return subprocess.run(["tmux", "-S", socket, *arguments], capture_output=True, text=True, check=True).stdout

    def start(module):
        environment = [f"-e{k}={os.environ[k]}" for k in ("NEURON_SIM_ROOT", "NEURON_SOURCE")]
        # What the screen remembers must not come from, or go to, whoever runs the tests.
        environment.append(f"-eXDG_CONFIG_HOME={tmp_path}")
        tmux(
            "new-session", "-d", "-x", "100", "-y", "30", *environment, f"{sys.executable} -m {module}; echo ended; cat"
        )

    yield start, lambda *keys: tmux("send-keys", *keys), lambda: tmux("capture-pane", "-p")
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


def test_it_shows_the_node_answers_keys_and_leaves_the_terminal_as_it_was(node, spawn, wait, squeezenet_neff, terminal):
    spawn("neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0-1", "--no-numerics", "--duration", "0",
          "--rate", "1000", "--tag", "web")  # fmt: skip
    wait(lambda: any(r.executions.completed for r in open_source().snapshot().runtimes))
    start, press, screen = terminal
    start("neuron_top")
    busy = re.compile(r"ND0\s+NC0 .*?([1-9]\d?\.\d\d)%")
    wait(lambda: busy.search(screen()), what="a busy core on the screen")
    assert "inf1.6xlarge" in screen()
    press("f")
    wait(lambda: re.search(r"ND0\s+NC0 .*GFLOPS", screen()), what="FLOPS on the screen")
    press("2")
    wait(lambda: ">web<" in screen(), what="the tab of the application")
    press("q")
    wait(lambda: "ended" in screen(), what="the end of neuron-top")
    assert "NeuronCore v1" not in screen()

"""neuron-top in a real terminal, on a real busy node."""

import os
import re
import shutil
import subprocess
import sys
import uuid

import psutil
import pytest

from runtime_core.telemetry import open_source

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]


@pytest.fixture
def terminal(tmp_path):
    """A separate tmux server with 100 by 30 characters."""
    socket = tmp_path / f"tmux-{uuid.uuid4().hex[:8]}"

    def tmux(*arguments):
        return subprocess.run(["tmux", "-S", socket, *arguments], capture_output=True, text=True, check=True).stdout

    def start(module, size=(100, 30), **settings):
        environment = [f"-e{k}={os.environ[k]}" for k in ("NEURON_SIM_ROOT", "NEURON_SOURCE")]
        # Do not read or write the settings of the user who runs the tests.
        environment += [f"-eXDG_CONFIG_HOME={tmp_path}", *(f"-e{k}={v}" for k, v in settings.items())]
        tmux(
            "new-session", "-d", "-x", str(size[0]), "-y", str(size[1]), *environment,
            # These variables would override the size of the terminal.
            f"env -u COLUMNS -u LINES {sys.executable} -m {module}; echo ended; cat",
        )  # fmt: skip

    yield start, lambda *keys: tmux("send-keys", *keys), lambda *how: tmux("capture-pane", "-p", *how)
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
    wait(lambda: "NeuronCore v1 FLOPS" in screen(), what="FLOPS on the screen")
    press("2")
    wait(lambda: ">web<" in screen(), what="the tab of the application")
    press("q")
    wait(lambda: "ended" in screen(), what="the end of neuron-top")
    assert "NeuronCore v1" not in screen()


def test_a_node_that_goes_and_comes_back_is_told_and_shown_again(root, wait, command, terminal):
    start, press, screen = terminal
    start("neuron_top")
    wait(lambda: "neuron-sim up" in screen(), what="how to set a node up")
    assert command("neuron_tools.sim", "up", "--instance-type", "inf1.xlarge").returncode == 0
    wait(lambda: "inf1.xlarge" in screen() and "ND0" in screen(), what="the node")
    assert command("neuron_tools.sim", "down").returncode == 0
    wait(lambda: "neuron-sim up" in screen() and "ND0" not in screen(), what="that it is gone")
    assert command("neuron_tools.sim", "up", "--instance-type", "inf1.2xlarge").returncode == 0
    wait(lambda: "inf1.2xlarge" in screen() and "ND0" in screen(), what="the new node")
    press("e")
    wait(lambda: "the node is gone" in screen(), what="the event")
    press("q")
    wait(lambda: "ended" in screen(), what="the end of neuron-top")


def test_a_terminal_without_utf8_and_colours_gets_plain_characters(node, wait, terminal):
    start, press, screen = terminal
    start("neuron_top", LC_ALL="C", NO_COLOR="1")
    for key, words in (("o", "Memory Usage Details"), ("c", "share of time busy"), ("h", "Executions"),
                       ("p", "DEVICE"), ("m", "Host Memory"), ("t", "a line"), ("e", "watching")):  # fmt: skip
        press(key)
        wait(lambda words=words: words in screen(), what=words)
        assert screen().isascii()
        # Colours are 30-37, 40-47, 90-97 and 38/48 with parameters; bold, dim and reverse are not colours.
        codes = {c for found in re.findall(r"\x1b\[([\d;]*)m", screen("-e")) for c in found.split(";") if c}
        assert codes <= {"0", "1", "2", "3", "4", "7", "22", "23", "24", "27", "39", "49"}, codes
    press("q")
    wait(lambda: "ended" in screen(), what="the end of neuron-top")


def test_a_signal_to_end_gives_the_terminal_back(node, wait, terminal, tmp_path):
    start, press, screen = terminal
    start("neuron_top")
    wait(lambda: "ND0" in screen(), what="the node")
    press("c")
    wait(lambda: "share of time busy" in screen(), what="the cores")
    (top,) = [p for p in psutil.process_iter(["cmdline", "environ"])
              if (p.info["cmdline"] or [])[1:3] == ["-m", "neuron_top"]
              and (p.info["environ"] or {}).get("XDG_CONFIG_HOME") == str(tmp_path)]  # fmt: skip
    top.terminate()
    wait(lambda: "ended" in screen() and "share of time busy" not in screen(), what="the end of neuron-top")
    assert '"view": "cores"' in (tmp_path / "neuron-top" / "settings.json").read_text()


def test_a_terminal_that_is_too_small_says_so(node, wait, terminal):
    start, press, screen = terminal
    start("neuron_top", (40, 10))
    wait(lambda: "too small: 40x" in screen(), what="that it is too small")
    press("q")
    wait(lambda: "ended" in screen(), what="the end of neuron-top")

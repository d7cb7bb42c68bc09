"""Shells complete the commands' options, with the setup that users would use."""

import os
import shlex
import shutil
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("tmux") is None, reason="tmux is not installed"),
]

SHELLS = {
    "bash": ("bash --noprofile --norc -i", "source <({command} --show-completion)"),
    "zsh": (
        "zsh -f -i",
        "autoload -Uz compinit; compinit -u -D; source <({command} --show-completion; :)",
    ),
    "fish": ("fish --no-config -i", "{command} --show-completion | source"),
}
TYPED = {
    "neuron-ls": ("--topo", "--topology"),
    "neuron-monitor-prometheus.py": ("--po", "--port"),
    "neuron-sim": ("stat", "status"),
}


@pytest.fixture
def shell(tmp_path):
    """A shell without user settings, in a separate tmux server."""
    socket = tmp_path / f"tmux-{uuid.uuid4().hex[:8]}"

    def tmux(*arguments):
        return subprocess.run(["tmux", "-S", socket, *arguments], capture_output=True, text=True, check=True).stdout

    def start(program):
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        clean = f"env -i HOME={shlex.quote(str(tmp_path))} PATH={shlex.quote(path)} TERM=screen LANG=C.UTF-8 {program}"
        tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "30", clean)

    yield start, lambda *keys: tmux("send-keys", *keys), lambda: tmux("capture-pane", "-p")
    subprocess.run(["tmux", "-S", socket, "kill-server"], capture_output=True, check=False)


@pytest.mark.parametrize("name", SHELLS)
@pytest.mark.parametrize("command", TYPED)
def test_a_tab_completes(shell, wait, name, command):
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    start, press, screen = shell
    program, setup = SHELLS[name]
    start(program)
    press(f"{setup.format(command=command)}; echo re''ady", "Enter")
    wait(lambda: "\nready" in screen(), what=f"{name} with its completion")
    typed, completed = TYPED[command]
    press("-l", f"{command} {typed}")
    press("Tab")
    wait(lambda: f"{command} {completed}" in screen(), what=f"{command} {completed} on the line")

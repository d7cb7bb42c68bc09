"""neuron-top exits if its terminal disappears without a signal; it does not continue to read."""

import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios

import pytest


@pytest.mark.e2e
@pytest.mark.parametrize("own_session", [False, True])
def test_it_ends_when_nobody_holds_the_other_end(node, tmp_path, own_session):
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    environment = {**os.environ, "TERM": "xterm-256color", "XDG_CONFIG_HOME": str(tmp_path)}
    process = subprocess.Popen(
        [sys.executable, "-m", "neuron_top"], env=environment, stdin=its, stdout=its, stderr=its,
        start_new_session=own_session,
    )  # fmt: skip
    os.close(its)
    try:
        seen = b""
        while b"NeuronCore v1" not in seen:
            seen += os.read(ours, 1 << 16)
        os.close(ours)
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()

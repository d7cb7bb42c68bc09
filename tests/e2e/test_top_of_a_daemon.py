"""neuron-top with a running neuron-rtd, and with a missing one."""

import re
import shutil
import tempfile
from pathlib import Path

import pytest
from screens import drive, text
from worlds import tiny_neff

from neuron_top.rtd import RtdSource, watched_addresses
from runtime_core.telemetry import open_source

pytest.importorskip("grpc")
pytestmark = pytest.mark.e2e


@pytest.fixture
def address():
    """A short folder, because pytest's paths are too long for sockets."""
    folder = Path(tempfile.mkdtemp(prefix="top-rtd-"))
    yield f"unix:{folder}/rtd.sock"
    shutil.rmtree(folder)


def test_a_daemon_s_networks_are_shown_with_its_address_and_a_silent_one_is_told(
    node, spawn, wait, command, address, tmp_path
):
    neff = tmp_path / "tiny.neff"
    neff.write_bytes(tiny_neff())
    spawn("neuron_tools.rtd", "-g", address, "-i", "first", "-x")
    wait(lambda: any(r.address for r in open_source().snapshot().runtimes), what="the daemon")
    wait(lambda: Path(address.removeprefix("unix:")).exists(), what="its socket")
    environment = {"NEURON_RTD_ADDRESS": address}
    for arguments in (("create-ncg", "-n", "2"), ("load", neff, "--ncg-id", "1"), ("start", "10001")):
        done = command("neuron_tools.neuron_cli", *arguments, **environment)
        assert done.returncode == 0, done.stderr
    silent = "unix:/nowhere/rtd.sock"
    once = command("neuron_top", "--once", "--interval", "0.2", address, silent)
    assert re.search(rf"1>all<\s+2 first\s+3 {silent}", once.stdout), once.stdout + once.stderr
    assert "10001 tiny" in once.stdout

    async def check(app, pilot):
        await pilot.press("m")
        assert address in text(app)
        assert "10001 tiny  running" in text(app)
        await pilot.press("p")
        assert f"{silent} unreadable" in text(app)
        assert f"cannot reach {silent}: No such file or directory" in text(app)
        assert f"{address}  " in text(app)

    drive(check, (220, 30), RtdSource(open_source(), watched_addresses([address, silent])))

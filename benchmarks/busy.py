"""A busy inf1.24xlarge: 64 processes, each of which owns a core and counts executions."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime_core.driver.node import set_up

OWNERS = 64


@contextmanager
def busy_node() -> Iterator[list[int]]:
    """A temporary node for the block, in ``$NEURON_SIM_ROOT``; yields the owners' pids."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as folder:
        os.environ["NEURON_SIM_ROOT"] = str(Path(folder) / "node")
        set_up(type_name="inf1.24xlarge")
        command = [sys.executable, "-m", "benchmarks.owner"]
        owners = [
            subprocess.Popen([*command, str(core)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for core in range(OWNERS)
        ]
        try:
            for owner in owners:
                if owner.stdout is None or owner.stdout.readline() != b"up\n":
                    raise SystemExit("an owner process did not start")
            yield [owner.pid for owner in owners]
        finally:
            for owner in owners:
                owner.kill()
                owner.wait()

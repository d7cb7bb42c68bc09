"""A short soak; ``python -m benchmarks rtd_soak`` runs the long one."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytest.importorskip("grpc")
pytestmark = pytest.mark.e2e

SOAK = """
import json, sys
from pathlib import Path
from benchmarks.rtd_soak import soak
print(json.dumps(soak(6.0, 1, Path(sys.argv[1]))._asdict()))
"""


def test_daemon_and_clients_killed_at_random_moments_leave_nothing():
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        # It forks, which must not happen in a process with gRPC threads.
        done = subprocess.run(
            [sys.executable, "-c", SOAK, folder],
            capture_output=True,
            text=True,
            timeout=100,
            cwd=Path(__file__).parents[2],
            env=os.environ,
        )
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout.splitlines()[-1])
    assert outcome["right"] > 0 and outcome["clients_killed"] > 0
    left = ("wrong", "refused", "groups", "networks", "device_bytes", "host_bytes", "cores_held")
    assert {name: outcome[name] for name in left} == dict.fromkeys(left, 0)

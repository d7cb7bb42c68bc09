"""The documentation site builds, and its pictures are those of the snapshot tests."""

import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
SNAPSHOTS = REPOSITORY / "tests/neuron_top/__snapshots__/test_snapshots"


def test_the_site_builds_without_a_warning(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", tmp_path / "site"],
        cwd=REPOSITORY, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "site/reference/metrics/index.html").is_file()


def test_the_picture_of_neuron_top_is_the_snapshot():
    snapshot = SNAPSHOTS / "test_view[overview-120x40].svg"
    assert (REPOSITORY / "docs/images/neuron-top.svg").read_bytes() == snapshot.read_bytes(), "run make docs"

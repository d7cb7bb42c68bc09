"""A datastore that is truncated or removed under a running application causes a clear status, not a bus error."""

import os
import subprocess
import sys

import pytest
from small_models import small_neff

from runtime_core.driver import layout
from runtime_core.driver.node import take_down

APPLICATION = """
import sys
import numpy as np
from runtime_core import nrt
from runtime_core.status import NrtError
neff = open(sys.argv[1], "rb").read()
runtime = nrt.Runtime()
model = runtime.load(neff)
tensors = [runtime.tensor_allocate(nrt.TensorPlacement.DEVICE, 64) for _ in range(2)]
runtime.infer(model, {"x": np.ones((1, 64), np.float32)})
print("ready", flush=True)
sys.stdin.readline()
calls = {
    "infer": lambda: runtime.infer(model, {"x": np.ones((1, 64), np.float32)}),
    "load": lambda: runtime.load(neff),
    "allocate": lambda: runtime.tensor_allocate(nrt.TensorPlacement.DEVICE, 64),
    "free": lambda: runtime.tensor_free(tensors.pop()),
}
for _ in range(2):
    for name in sys.argv[2].split(","):
        try:
            calls[name]()
            print(name, "no error")
        except NrtError as error:
            print(name, error.status.name, error)
runtime.close()
print("closed")
"""


_ALL = "infer,load,allocate,free"


@pytest.mark.parametrize(
    ("left", "first"),
    [
        (0, _ALL),
        (0, "load,free,allocate,infer"),
        (0, "free,infer"),
        (0, "allocate,infer"),
        (4096, _ALL),
        (layout.PAGES_OFFSET, _ALL),
        (layout.FILE_BYTES - 1, _ALL),
    ],
)
def test_a_truncated_datastore_fails_calls_and_ends_no_process(node, tmp_path, left, first):
    path = tmp_path / "small.neff"
    path.write_bytes(small_neff())
    process = subprocess.Popen(
        [sys.executable, "-c", APPLICATION, path, first],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    os.truncate(node / "datastore", left)
    out, err = process.communicate("\n", timeout=60)
    assert process.returncode == 0, err
    *lines, closed = out.splitlines()
    assert closed == "closed"
    assert len(lines) == 2 * len(first.split(","))
    wrong = [line for line in lines if "CLOSED" not in line or "datastore was truncated" not in line]
    assert not wrong
    assert os.path.getsize(node / "datastore") == left


BUSY = """
import sys
import numpy as np
from runtime_core import nrt
from runtime_core.status import NrtError
runtime = nrt.Runtime()
model = runtime.load(open(sys.argv[1], "rb").read())
count = 0
try:
    while True:
        runtime.infer(model, {"x": np.ones((1, 64), np.float32)})
        count += 1
        if count == 10:
            print("ready", flush=True)
except NrtError as error:
    print(error.status.name, error)
runtime.close()
"""


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda node: os.truncate(node / "datastore", 0), "datastore was truncated"),
        (lambda node: take_down(node, force=True), "node was taken down"),
    ],
    ids=["truncated", "taken down"],
)
def test_a_busy_application_survives_and_ends(node, tmp_path, damage, said):
    path = tmp_path / "small.neff"
    path.write_bytes(small_neff())
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    damage(node)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "CLOSED" in out
    assert said in out

"""The driver's log lines for hardware errors match the published rules of the node problem detector."""

import re
from contextlib import closing

import numpy as np
import pytest
from small_models import small_neff

from runtime_core.driver import kernel_log
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import slots
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import ErrorClass, FaultKind
from runtime_core.driver.node import take_down
from runtime_core.nrt import NrtError, Runtime

LINE = re.compile(
    r"neuron: NEURON_HW_ERR=(\w+) instance-id=i-[0-9a-f]+ hostname=\S+ nd-id=(\d+) nc-id=([0-3]) "
    r"serial-num=[0-9a-f]{16} action=TERMINATE_INSTANCE time=\S+Z"
)


def run_under(root, spec, core=5):
    with closing(Datastore(root, writable=True)) as store:
        slots.inject(store, spec, 0)
    environment = {"NEURON_RT_VISIBLE_CORES": str(core), "NEURON_RT_LOG_LEVEL": "QUIET"}
    with Runtime(environment=environment) as runtime:
        model = runtime.load(small_neff())
        with pytest.raises(NrtError):
            runtime.infer(model, {"x": np.ones((1, 64), np.float32)})
    path = root / "kernel.log"
    return path.read_text().splitlines() if path.exists() else []


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.MEM_ECC_UNCORRECTED, "HBM_UNCORRECTABLE_ERROR"),
        (FaultKind.SRAM_ECC_UNCORRECTED, "SRAM_UNCORRECTABLE_ERROR"),
    ],
)
def test_an_uncorrectable_error_is_one_line_that_the_rules_find(root, node, kind, error):
    (line,) = run_under(root, FaultSpec(kind, devices=(1,), times=1))
    found = LINE.fullmatch(line)
    assert found.groups() == (error, "1", "1")
    assert re.fullmatch(rf".* NEURON_HW_ERR={error} .*", line)


def test_errors_of_software_are_not_the_drivers(root, node):
    assert run_under(root, FaultSpec(FaultKind.EXECUTION_ERROR, cores=(5,), error=ErrorClass.MODEL)) == []


def test_the_log_is_bounded_private_and_goes_with_the_node(root, node, monkeypatch):
    monkeypatch.setattr(kernel_log, "_MAX_BYTES", 1000)
    with closing(Datastore(root)) as store:
        for _ in range(20):
            kernel_log.log_hardware_error(store, FaultKind.LINK_DOWN, 2, 9, 1.5)
    sizes = [(root / name).stat().st_size for name in ("kernel.log", "kernel.log.1") if (root / name).exists()]
    assert sizes and max(sizes) < 1500
    assert (root / "kernel.log.1").stat().st_mode & 0o777 == 0o600
    assert "time=1970-01-01T00:00:01.500000Z" in (root / "kernel.log.1").read_text()
    take_down(root)
    assert not root.exists() or not list(root.glob("kernel*"))


def test_a_log_that_cannot_be_written_harms_nobody(root, node):
    (root / "kernel.log").symlink_to("/dev/null")
    assert run_under(root, FaultSpec(FaultKind.MEM_ECC_UNCORRECTED, devices=(1,), times=1)) == []

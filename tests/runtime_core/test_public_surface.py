"""The public imports, which load heavy modules only on use."""

import importlib
import re
import subprocess
import sys

import pytest

SURFACE = (
    "runtime_core.nrt",
    "runtime_core.telemetry",
    "runtime_core.virtual",
    "runtime_core.faults",
    "runtime_core.compiler",
    "neuron_tools.torch",
)


@pytest.mark.parametrize("name", SURFACE)
def test_each_public_name_is_there_and_in_the_table_of_contents(name):
    module = importlib.import_module(name)
    assert module.__all__ == sorted(module.__all__, key=lambda n: (not n.isupper(), n[0].islower(), n))
    for public in module.__all__:
        assert getattr(module, public) is not None
        assert re.search(rf"\b{public}\b", module.__doc__), f"{name}.{public} is not in the module's docstring"


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("runtime_core.compiler", ("numpy", "onnx")),
        ("runtime_core.virtual", ("numpy", "msgspec")),
        ("runtime_core.faults", ("numpy", "msgspec")),
        ("runtime_core.telemetry", ("numpy", "msgspec", "psutil")),
        ("neuron_tools.torch", ("torch", "onnx")),
    ],
)
def test_importing_a_front_door_loads_nothing_heavy(module, heavy):
    code = f"import sys, {module}; print(*[m for m in {heavy!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_a_fault_is_injected_and_cleared_through_the_front_door(node):
    from runtime_core import faults

    with faults.open_node() as store:
        fault = faults.inject(store, faults.FaultSpec(faults.FaultKind.CORE_HANG, cores=(3,)), 0)
        assert [f.fault_id for f in faults.list_faults(store)] == [fault.fault_id]
        assert faults.clear(store, fault.fault_id) == 1
        assert not faults.list_faults(store)

"""Checked-in trees, and the expected results of reading them.

A tree is a text of lines ``path: value``. ``busy-simulated-xlarge`` was exported from a busy node; the others represent
other versions of the driver, and damaged trees. ``UPDATE_GOLDEN=1`` rewrites the expected results.
"""

import os
from pathlib import Path

import pytest

from neuron_ls.listing import View, render
from neuron_monitor.groups import execution_stats, hw_counters, memory_used, neuroncore_counters
from neuron_top.model.overview import make_view
from runtime_core.telemetry import rates
from runtime_core.telemetry.sysfs.source import SysfsSource

TREES = Path(__file__).parent / "trees"


def unpack(name, root):
    for line in (TREES / f"{name}.txt").read_text().splitlines():
        path, _, value = line.partition(": ")
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(f"{value}\n")


def known(record):
    """The figures of a record that are available and not 0."""
    return " ".join(f"{name}={value}" for name, value in record._asdict().items() if value)


def described(snapshot):
    """The output of neuron-ls, then every figure of every core and process."""
    lines = [render(snapshot, View(wide=True, topology=True)), ""]
    for device in snapshot.devices:
        lines.append(f"neuron{device.index}: used {device.memory_used_bytes} {known(device.ecc)}".rstrip())
        for core, use in device.cores.items():
            plain = known(use._replace(memory=None, status=None))
            unknown = sum(count is None for count in use.status)
            figures = [plain, known(use.memory), known(use.status), f"({unknown} statuses N/A)" if unknown else ""]
            lines.append("  ".join([f"  nc{core}:", *filter(None, figures)]))
    for runtime in snapshot.runtimes:
        lines.append(f"{runtime.tag}: {runtime.executions} {runtime.errors} {runtime.host_memory}")
    return "\n".join(lines).replace(" \n", "\n") + "\n"


@pytest.mark.parametrize("name", sorted(path.stem for path in TREES.glob("*.txt")))
def test_a_tree_is_read_as_expected_and_every_viewer_shows_it(tmp_path, name):
    unpack(name, tmp_path)
    source = SysfsSource(tmp_path)
    before, after = source.snapshot(), source.snapshot()
    golden, text = TREES / f"{name}.golden", described(after)
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(text)
    assert text == golden.read_text()
    assert "\x1b" not in text
    change = rates(before, after)
    make_view(after, change, 0)
    hw_counters(change)
    for runtime in after.runtimes:
        rate = change.runtimes[runtime.key]
        neuroncore_counters(runtime, rate)
        execution_stats(runtime, rate)
        memory_used(runtime, rate)

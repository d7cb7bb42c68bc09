"""The stream of a node that executes a compiled network."""

import json

import pytest


@pytest.mark.e2e
def test_sums_hold_and_figures_are_those_of_the_application(
    node, spawn, every_group, squeezenet_neff, fits_schema, wait
):
    application = spawn(
        "neuron_tools.sim", "run", squeezenet_neff, "--visible-cores", "0-1", "--threads", "2", "--tag", "web",
        "--no-numerics", "--rate", "100", "--duration", "60",
    )  # fmt: skip
    monitor = spawn("neuron_monitor", "-c", every_group)

    def busy():
        report = json.loads(monitor.stdout.readline())
        fits_schema(report)
        entries = report["neuron_runtime_data"]
        return (
            entries if entries and entries[0]["report"]["execution_stats"]["execution_summary"]["completed"] else None
        )

    (entry,) = wait(busy)
    assert (entry["pid"], entry["neuron_runtime_tag"], entry["error"]) == (application.pid, "web", "")
    groups = entry["report"]
    assert groups["neuroncore_counters"]["neuroncores_in_use"].keys() == {"0", "1"}
    latency = groups["execution_stats"]["latency_stats"]
    assert 0 < latency["device_latency"]["p50"] <= latency["total_latency"]["p50"]
    memory = groups["memory_used"]
    used = memory["neuron_runtime_used_bytes"]
    cores = used["usage_breakdown"]["neuroncore_memory_usage"]
    assert used["host"] == sum(used["usage_breakdown"]["host"].values())
    assert used["neuron_device"] == sum(sum(core.values()) for core in cores.values()) > 0
    assert len(memory["loaded_models"]) == 2
    for core, usage in cores.items():
        parts = [
            part["memory_used_bytes"]
            for model in memory["loaded_models"]
            for part in model["subgraphs"].values()
            if part["neuroncore_index"] == int(core)
        ]
        for category in ("constants", "model_code", "runtime_memory"):
            assert usage[category] == sum(part["usage_breakdown"]["neuron_device"][category] for part in parts) > 0
        for part in parts:
            assert part["neuron_device"] == sum(part["usage_breakdown"]["neuron_device"].values())

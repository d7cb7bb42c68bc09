"""The tree of a simulated node has every file that the Neuron driver makes for a device."""

from driver_names import STATUSES
from worlds import BUSY, make_snapshot

from runtime_core.mirror.content import TreeContent, tree_files
from runtime_core.mirror.export import export_tree
from runtime_core.mirror.reader import TreeReader
from runtime_core.telemetry.sysfs.source import SysfsSource

STATUS = [
    *STATUSES,
    "hw_collectives_error",
    "hw_hbm_ue_error",
    "hw_nc_ue_error",
    "hw_dma_abort_error",
    "execute_sw_nq_overflow",
    "execute_sw_semaphore_error",
    "execute_sw_event_error",
    "execute_sw_psum_collision",
    "execute_sw_sequencer_fatal",
    "hw_repairable_hbm_ue_error",
]
DEVICE_MEMORY = [
    "collectives",
    "constants",
    "dma_rings",
    "driver_memory",
    "model_code",
    "model_shared_scratchpad",
    "nonshared_scratchpad",
    "notifications",
    "runtime_memory",
    "tensors",
    "uncategorized",
]
HOST_MEMORY = [
    "application_memory",
    "constants",
    "dma_buffers",
    "dma_rings",
    "driver_memory",
    "notifications",
    "tensors",
    "uncategorized",
]
OTHER = ["flop_count", "inference_count", "model_load_count", "reset_fail_count", "reset_req_count", "nc_time_in_use"]


def driver_files():
    """The files of a device and its first core (driver 2.24 on an architecture with all files)."""
    memory = ("total", "present", "peak")
    device = {"connected_devices", "core_count", "info/notify_delay", "info/serial_number", "stats/power/utilization"}
    device |= {f"info/architecture/{name}" for name in ("arch_type", "device_name", "instance_type")}
    device |= {f"stats/hardware/{kind}_ecc_uncorrected" for kind in ("mem", "sram")}
    device |= {"stats/hardware/mem_ecc_repairable_uncorrected"}
    device |= {f"stats/memory_usage/host_mem/{name}/{file}" for name in HOST_MEMORY for file in memory}
    core = {"info/architecture/arch_type"}
    core |= {f"stats/status/{name}/{file}" for name in STATUS for file in memory[:2]}
    core |= {f"stats/other_info/{name}/{file}" for name in OTHER for file in memory[:2]}
    core |= {f"stats/memory_usage/host_mem/{file}" for file in memory}
    core |= {f"stats/memory_usage/device_mem/{file}" for file in memory}
    core |= {f"stats/memory_usage/device_mem/{name}/{file}" for name in DEVICE_MEMORY for file in memory}
    return device | {f"neuron_core0/{path}" for path in core}


def test_every_file_of_the_driver_is_there_and_no_other(node):
    content = TreeReader().look()
    made = {path.removeprefix("neuron0/") for path, value in tree_files(content) if value is not None}
    assert {p for p in made if not p.startswith(("neuron1", "neuron2", "neuron3"))} == driver_files() | {
        path.replace("neuron_core0", f"neuron_core{number}")
        for path in driver_files()
        if path.startswith("neuron_core0")
        for number in (1, 2, 3)
    }


def test_memory_is_told_as_the_driver_tells_it(tmp_path):
    snapshot = make_snapshot(seconds=5, runtimes=BUSY)
    export_tree(TreeContent(snapshot), tmp_path / "tree")
    (runtime, *_) = snapshot.runtimes
    device, core = tmp_path / "tree/neuron0", min(runtime.cores)
    used = runtime.cores[core].memory
    below = device / f"neuron_core{core}/stats/memory_usage"
    assert (below / "device_mem/total").read_text() == f"{used.total_bytes}\n"
    assert (below / "device_mem/tensors/total").read_text() == f"{used.tensors}\n"
    assert (below / "host_mem/total").read_text() == f"{runtime.host_memory.total_bytes}\n"
    assert (device / "core_count").read_bytes() == b"4"
    # The driver's "present" is the last change; readers use the total if both exist.
    (below / "device_mem/total").write_text("77\n")
    (below / "device_mem/tensors/total").write_text("33\n")
    read = SysfsSource(tmp_path / "tree").snapshot().devices[0]
    assert read.cores[core].memory.tensors == 33
    others = [runtime.cores[c].memory.total_bytes for c in runtime.cores if c in read.core_ids and c != core]
    assert read.memory_used_bytes == 77 + sum(others)

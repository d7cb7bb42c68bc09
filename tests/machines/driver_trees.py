"""Write trees of the Neuron driver, as on real machines, into a directory."""

STATUS = (
    "success failure timeout exec_bad_input hw_error execute_completed_with_error execute_completed_with_num_error "
    "generic_error resource_error resource_nc_error execute_failed_to_queue invalid_error unsupported_neff_version "
    "oob_error hw_collectives_error hw_hbm_ue_error hw_nc_ue_error hw_dma_abort_error execute_sw_nq_overflow "
    "execute_sw_semaphore_error execute_sw_event_error execute_sw_psum_collision execute_sw_sequencer_fatal "
    "hw_repairable_hbm_ue_error"
)
DEVICE_MEMORY = (
    "model_code tensors constants model_shared_scratchpad runtime_memory driver_memory collectives "
    "nonshared_scratchpad notifications dma_rings uncategorized"
)
HOST_MEMORY = "dma_buffers tensors constants application_memory driver_memory notifications dma_rings uncategorized"
BUSY_FOR_NS = 5_000_000_000
FLOPS = 875_590_474_948


def _line(count):
    return lambda device: [n for n in (device + 1, device - 1) if 0 <= n < count]


def _ring(count):
    return lambda device: [(device - 1) % count, (device + 1) % count]


def _torus(device):
    row = device // 4 * 4
    return sorted({(device + 4) % 16, (device - 4) % 16, row + (device + 1) % 4, row + (device - 1) % 4})


def _alone(_):
    return []


MACHINES = {
    # devices, physical cores per device, architectures of core and device, family, device name, neighbours
    "inf1.2xlarge": (1, 4, "NCv1", "NDv1", "Inf1", "Inferentia", _alone),
    "inf1.6xlarge": (4, 4, "NCv1", "NDv1", "Inf1", "Inferentia", _line(4)),
    "inf2.xlarge": (1, 2, "NCv2", "NDv3", "Inf2", "Inferentia2", _alone),
    "inf2.48xlarge": (12, 2, "NCv2", "NDv3", "Inf2", "Inferentia2", _ring(12)),
    "trn1.2xlarge": (1, 2, "NCv2", "NDv2", "Trn1", "Trainium1", _alone),
    "trn1.32xlarge": (16, 2, "NCv2", "NDv2", "Trn1", "Trainium1", _torus),
    "trn2.48xlarge": (16, 8, "NCv3", "NDv3", "Trn2", "Trainium2", _torus),
}


def _put(path, value):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(value))


def _memory(folder, value):
    for name, shown in (("total", value), ("present", min(value, 4096)), ("peak", 2 * value)):
        _put(folder / name, f"{shown}\n")


def _counter(folder, value):
    _put(folder / "total", f"{value}\n")
    _put(folder / "present", "0\n")


def write_tree(machine, root, *, looks=1):
    """Write the tree; the first core of each device has executed the same work ``looks`` times.

    Equal cores share one directory beside the tree, because a Trn2 node would need 14,000 files.
    """
    devices, cores, core_arch, device_arch, family, name, neighbours = MACHINES[machine]
    busy, idle = root.parent / "busy-core", root.parent / "idle-core"
    _write_core(busy, core_arch, looks)
    if (root / "neuron0").exists():
        return
    _write_core(idle, core_arch, 0)
    for index in range(devices):
        device = root / f"neuron{index}"
        _put(device / "core_count", cores)
        _put(device / "connected_devices", ", ".join(map(str, neighbours(index))) + "\n")
        _put(device / "info/architecture/arch_type", f"{device_arch}\n")
        _put(device / "info/architecture/instance_type", f"{family}\n")
        _put(device / "info/architecture/device_name", f"{name}\n")
        _put(device / "info/notify_delay", "-1\n")
        _put(device / "stats/power/utilization", "POWER_STATUS_VALID,1757600000,0.86,25.00,18.86\n")
        if family != "Inf1":
            _put(device / "info/serial_number", f"00112233445566{index:02x}\n")
            _put(device / "stats/hardware/sram_ecc_uncorrected", "0\n")
            _put(device / "stats/hardware/mem_ecc_uncorrected", f"{int(index == 0)}\n")
            _put(device / "stats/hardware/mem_ecc_repairable_uncorrected", f"{3 * (index == 0)}\n")
        for category in HOST_MEMORY.split():
            _memory(device / "stats/memory_usage/host_mem" / category, 0)
        for number in range(cores):
            (device / f"neuron_core{number}").symlink_to(idle if number else busy)


def _write_core(core, architecture, looks):
    _put(core / "info/architecture/arch_type", f"{architecture}\n")
    for status in STATUS.split():
        value = {"success": 816, "hw_nc_ue_error": 2 if architecture != "NCv1" else 0}.get(status, 0)
        _counter(core / "stats/status" / status, value * looks)
    figures = {"model_load_count": 1, "inference_count": 816, "flop_count": FLOPS, "nc_time_in_use": BUSY_FOR_NS}
    for name in (*figures, "reset_req_count", "reset_fail_count"):
        _counter(core / "stats/other_info" / name, figures.get(name, 0) * looks)
    memory = core / "stats/memory_usage"
    _memory(memory / "host_mem", 4096)
    each = (1 << 28) if looks else 0
    _memory(memory / "device_mem", each * len(DEVICE_MEMORY.split()))
    for category in DEVICE_MEMORY.split():
        _memory(memory / "device_mem" / category, each)

"""Trees of the Neuron driver, of any size, valid or damaged."""

import subprocess
import sys

import pytest
from driver_names import STATUSES

MEMORY = ["constants", "model_code", "model_shared_scratchpad", "runtime_memory", "tensors"]
LINE_OF_FOUR = ("1", "2, 0", "3, 1", "2")


class Tree:
    """A driver's tree in ``root``."""

    def __init__(self, root):
        self.root = root

    def write(self, path, value):
        target = self.root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(value if isinstance(value, bytes) else f"{value}\n".encode())

    def remove(self, path):
        (self.root / path).unlink()

    def counter(self, device, core, name, total):
        """Set a counter like ``other_info/flop_count`` of a core."""
        self.write(f"neuron{device}/neuron_core{core}/stats/{name}/total", total)

    def device(self, index, connected="", cores=4):
        here = f"neuron{index}"
        self.write(f"{here}/connected_devices", connected)
        self.write(f"{here}/core_count", cores)
        self.write(f"{here}/info/architecture/arch_type", "NDv1")
        self.write(f"{here}/info/architecture/device_name", "Inferentia")
        for name in ("mem_ecc_uncorrected", "sram_ecc_uncorrected", "mem_ecc_repairable_uncorrected"):
            self.write(f"{here}/stats/hardware/{name}", 0)
        for name in ("application_memory", "constants", "dma_buffers", "tensors"):
            self.write(f"{here}/stats/memory_usage/host_mem/{name}/present", 1000)
        for core in range(cores):
            for name in STATUSES:
                self.counter(index, core, f"status/{name}", 0)
            for name in ("flop_count", "inference_count", "model_load_count", "nc_time_in_use"):
                self.counter(index, core, f"other_info/{name}", 0)
            memory = f"{here}/neuron_core{core}/stats/memory_usage/device_mem"
            self.write(f"{memory}/present", 0)
            for name in MEMORY:
                self.write(f"{memory}/{name}/present", 0)


@pytest.fixture
def tree(tmp_path):
    """The tree of an idle inf1.6xlarge, without the files around it."""
    made = Tree(tmp_path / "neuron_device")
    for index, connected in enumerate(LINE_OF_FOUR):
        made.device(index, connected)
    return made


@pytest.fixture
def whole_sys(tmp_path):
    """The same tree at its place on a node, with the PCI bus, the firmware's tables and the module."""
    top = tmp_path / "sys"
    made = Tree(top / "devices/virtual/neuron_device")
    for index, connected in enumerate(LINE_OF_FOUR):
        made.device(index, connected)
        pci = f"../../../bus/pci/devices/0000:00:{0x1C + index:02x}.0"
        made.write(f"{pci}/vendor", "0x1d0f")
        made.write(f"{pci}/device", "0x7064")
        made.write(f"{pci}/local_cpulist", "0-23")
        made.write(f"{pci}/numa_node", -1)
    made.write("../../../bus/pci/devices/0000:00:05.0/vendor", "0x1d0f")
    made.write("../../../bus/pci/devices/0000:00:05.0/device", "0xec20")
    made.write("../dmi/id/product_name", "inf1.6xlarge")
    made.write("../dmi/id/board_asset_tag", "i-0123456789abcdef0")
    made.write("../../../module/neuron/version", "2.3.11.0")
    return made


@pytest.fixture
def dev(tmp_path):
    """A replacement for /dev with four device files."""
    directory = tmp_path / "dev"
    directory.mkdir()
    for index in range(4):
        (directory / f"neuron{index}").touch()
    return directory


@pytest.fixture
def holder(dev):
    """Start a process that holds devices open: ``holder(0, 1, NEURON_PROCESS_TAG="web")``; returns it."""
    started = []

    def start(*devices, **environment):
        code = "import sys; held = [open(path) for path in sys.argv[1:]]; print('held', flush=True); sys.stdin.read()"
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", code, *(str(dev / f"neuron{device}") for device in devices)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        started.append(process)
        assert process.stdout.readline() == b"held\n"
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()

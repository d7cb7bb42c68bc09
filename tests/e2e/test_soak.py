"""Random faults, kills, stops and resets of sixteen applications, while all viewers watch.

``NEURON_SOAK_SECONDS`` and ``NEURON_SOAK_SEED`` set duration and seed; ``make soak`` runs for two minutes.
"""

import contextlib
import json
import os
import pty
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import msgspec
import psutil
import pytest

from neuron_tools.scenario.schema import ApplicationSpec, Arrivals, Closed, ModelSpec
from neuron_tools.scenario.worker import Job
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import slots as faults
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.faults.table import ErrorClass, FaultKind, Side
from runtime_core.driver.node import set_up
from runtime_core.driver.reset import reset_device
from runtime_core.nrt import Runtime
from runtime_core.telemetry import open_source

SECONDS = float(os.environ.get("NEURON_SOAK_SECONDS", "10"))
SEED = int(os.environ.get("NEURON_SOAK_SEED", "1"))
APPLICATIONS = 16

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(SECONDS + 180)]


def random_fault(rng):
    kind = rng.choice(list(FaultKind))
    spec = FaultSpec(kind, seconds=rng.uniform(0.3, 3))
    device, cores = (rng.randrange(16),), tuple(rng.sample(range(64), rng.randrange(1, 8)))
    if kind.value.startswith(("mem-", "sram-")):
        return spec._replace(devices=device, **rng.choice([{"times": rng.randrange(1, 50)}, {"rate_per_second": 1e4}]))
    match kind:
        case FaultKind.SLOW_CORE:
            return spec._replace(cores=cores, factor=rng.uniform(1, 50))
        case FaultKind.DRAM_BANDWIDTH:
            return spec._replace(devices=device, share=rng.uniform(0.01, 1))
        case FaultKind.LINK_DOWN:
            return spec._replace(devices=device, side=rng.choice(list(Side)))
        case FaultKind.LINK_SLOW:
            return spec._replace(devices=device, factor=rng.uniform(1, 1e5))
        case FaultKind.EXECUTION_ERROR:
            return spec._replace(cores=cores, error=rng.choice(list(ErrorClass)), ratio=rng.uniform(0.1, 1))
        case FaultKind.DEVICE_LOST | FaultKind.DRAM_FULL:
            return spec._replace(devices=device)
        case FaultKind.DRIVER_OLD | FaultKind.DRIVER_MISSING:
            return spec._replace(seconds=rng.uniform(0.1, 0.5))
    return spec._replace(cores=cores, ratio=rng.uniform(0.1, 1))


class Fleet:
    """Sixteen applications, each on one device or as a pipeline over two. Those that end are replaced."""

    def __init__(self, rng, folder):
        self._rng, self._folder = rng, folder
        self._number = 0
        self.slots = [None] * APPLICATIONS
        self.kills = 0

    def start(self, slot):
        self._number += 1
        pair = slot % 2 == 0 and slot % 4 == 0
        first = slot * 4
        application = ApplicationSpec(
            tag=f"app{slot}-{self._number}",
            cores=f"{first}-{first + 3}",
            models=["model"],
            arrivals=Arrivals(closed=Closed(think="40ms")) if pair else Arrivals(poisson=20),
            threads=2,
            timeout="300ms",
            tensors_mib=8.0,
        )
        model = ModelSpec(milliseconds=3, constants_mib=20, cores=2 if slot % 3 == 0 else 1)
        job = Job(application, {"model": model}, str(self._folder), f"{SEED}:{self._number}")
        process = subprocess.Popen(
            [sys.executable, "-m", "neuron_tools.scenario.worker"],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        )  # fmt: skip
        process.stdin.write(msgspec.json.encode(job))
        process.stdin.close()
        self.slots[slot] = process

    def mend(self):
        """Replace applications that ended, and check that their errors are sentences."""
        for slot, process in enumerate(self.slots):
            if process is None or process.poll() is not None:
                if process is not None:
                    told = process.stderr.read().decode()
                    process.stderr.close()
                    assert "Traceback" not in told, told
                self.start(slot)

    def kill(self):
        process = self._rng.choice(self.slots)
        process.send_signal(signal.SIGKILL)
        process.wait()
        self.kills += 1

    def hold(self):
        process = self._rng.choice(self.slots)
        process.send_signal(signal.SIGSTOP)
        time.sleep(0.4)
        process.send_signal(signal.SIGCONT)

    def end(self):
        for process in self.slots:
            process.terminate()
        for process in self.slots:
            process.wait(30)
            told = process.stderr.read().decode()
            process.stderr.close()
            assert "Traceback" not in told, told


class Witness(threading.Thread):
    """Take snapshots of the node at the rate of a viewer, and record decreasing counters."""

    def __init__(self):
        super().__init__()
        self._seen = {}
        self.stopped = threading.Event()
        self.problems = []
        self.looks = 0

    def run(self):
        source = open_source("sim")
        while not self.stopped.wait(0.1):
            try:
                snapshot = source.snapshot(host=True)
            except Exception as error:
                self.problems.append(repr(error))
                return
            self.looks += 1
            for runtime in snapshot.runtimes:
                if not runtime.error:
                    self._follow(("runtime", runtime.key), self._counters(runtime))
            for device in snapshot.devices:
                self._follow(("device", device.index), (*device.ecc, device.link_east_bytes, device.link_west_bytes))

    def _counters(self, runtime):
        cores = [(u.busy_ns, u.flops, u.inference_count, *u.status) for _, u in sorted(runtime.cores.items())]
        latency = runtime.total_latency
        return (*runtime.executions, *runtime.errors, latency.count, latency.sum_ns, *(n for c in cores for n in c))

    def _follow(self, key, now):
        before = self._seen.get(key)
        if before is not None and len(before) == len(now) and any(b > a for b, a in zip(before, now)):
            self.problems.append(f"{key} went back: {before} -> {now}")
        self._seen[key] = now


class Top:
    """neuron-top in a separate terminal."""

    def __init__(self):
        self._master, slave = pty.openpty()
        environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", "neuron_top", "--interval", "0.5"],
            stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True,
        )  # fmt: skip
        os.close(slave)
        self.seen = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        with contextlib.suppress(OSError):
            while data := os.read(self._master, 65536):
                self.seen += len(data)

    def press(self, key):
        os.write(self._master, key.encode())

    def quit(self):
        self.press("q")
        code = self._process.wait(30)
        os.close(self._master)
        return code

    def kill(self):
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()


class Lines(threading.Thread):
    """neuron-monitor's stream, with every line parsed as JSON."""

    def __init__(self, spawn, path):
        super().__init__()
        path.write_text('{"period": "500ms", "neuron_runtimes": [{"metrics": [{"type": "execution_stats"}, '
                        '{"type": "neuroncore_counters"}, {"type": "memory_used"}]}], '
                        '"system_metrics": [{"type": "neuron_hw_counters"}]}')  # fmt: skip
        self.process = spawn("neuron_monitor", "-c", path)
        self.count = 0
        self.problems = []

    def run(self):
        for line in self.process.stdout:
            try:
                json.loads(line)
                self.count += 1
            except ValueError:
                self.problems.append(line[:200])


def port_of(process):
    """The port on which a process listens; ``None`` before it listens."""
    connections = psutil.Process(process.pid).net_connections("tcp")
    return next((c.laddr.port for c in connections if c.status == psutil.CONN_LISTEN), None)


def scrape(port, counters):
    """Scrape, and check that the counters of existing series do not decrease."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=20) as answer:
        text = answer.read().decode()
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name.startswith(("execution_status_total", "execution_errors_total", "hardware_ecc_events_total")):
            before = counters.get(name, 0.0)
            assert float(value) >= before, f"{name} went back from {before} to {value}"
            counters[name] = float(value)


def test_nothing_breaks_that_was_not_broken_on_purpose(root, tmp_path, spawn, command, wait):
    set_up(root, type_name="inf1.24xlarge", seed=SEED)
    rng = random.Random(SEED)
    store = Datastore(root, writable=True)
    fleet, witness, top = Fleet(rng, tmp_path), Witness(), Top()
    lines = Lines(spawn, tmp_path / "monitor.json")
    exporter = spawn("neuron_monitor", "--prometheus", "--web.listen-address", "127.0.0.1:0")
    port = wait(lambda: port_of(exporter), what="neuron-monitor to listen")
    counters = {}
    try:
        fleet.mend()
        witness.start()
        lines.start()
        wait(lambda: len(open_source("sim").snapshot().runtimes) == APPLICATIONS, 120, "sixteen applications")
        ends, injected, resets, lists = time.monotonic() + SECONDS, 0, 0, 0
        while time.monotonic() < ends:
            choice = rng.random()
            if choice < 0.6:
                faults.inject(store, random_fault(rng), time.monotonic_ns())
                injected += 1
            elif choice < 0.68:
                faults.clear(store)
            elif choice < 0.8:
                fleet.kill()
            elif choice < 0.85:
                fleet.hold()
            elif choice < 0.88:
                reset_device(store, rng.randrange(16), force=True)
                resets += 1
            elif choice < 0.92:
                done = command("neuron_ls")
                assert done.returncode in (0, 1)
                assert "Traceback" not in done.stderr
                lists += 1
            elif choice < 0.96:
                scrape(port, counters)
            else:
                top.press(rng.choice("123456fxad[]?/"))
                top.press("\x1b")
            time.sleep(rng.uniform(0.02, 0.2))
            fleet.mend()
        faults.clear(store)
        assert (injected > SECONDS, fleet.kills > SECONDS / 10) == (True, True)
        scrape(port, counters)
        wait(lambda: top.seen > 10_000, what="a screen of neuron-top")
        assert exporter.poll() is None
        assert lines.process.poll() is None
        assert top.quit() == 0
        fleet.end()
        witness.stopped.set()
        witness.join()
        assert witness.problems == []
        assert lines.problems == []
        assert lines.count > SECONDS / 2
        assert witness.looks > SECONDS
        snapshot = open_source("sim").snapshot()
        assert snapshot.runtimes == ()
        assert [d.memory_used_bytes for d in snapshot.devices] == [0] * 16
        with Runtime(environment={}) as everything:
            assert everything.cores == tuple(range(64))
        print(f"\n{SECONDS:.0f} s, seed {SEED}: {injected} faults, {fleet.kills} kills, {resets} resets, "
              f"{lists} lists, {witness.looks} looks, {lines.count} lines of neuron-monitor")  # fmt: skip
    finally:
        witness.stopped.set()
        top.kill()
        for process in fleet.slots:
            if process is not None and process.poll() is None:
                process.kill()
                process.wait()
        store.close()

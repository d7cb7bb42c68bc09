"""C processes with eight threads, killed at random, leave no core, page or memory in use.

``NEURON_SOAK_SECONDS`` and ``NEURON_SOAK_SEED`` set duration and seed; ``make soak`` runs for two minutes.
"""

import contextlib
import os
import random
import signal
import subprocess
import time

import pytest

from runtime_core.telemetry import open_source

SECONDS = float(os.environ.get("NEURON_SOAK_SECONDS", "3"))
SEED = int(os.environ.get("NEURON_SOAK_SEED", "1"))
PROCESSES = 8 if SECONDS > 60 else 3
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGSEGV, signal.SIGABRT, signal.SIGINT)


@pytest.mark.timeout(SECONDS + 120)
def test_c_processes_under_kills_leave_nothing(compiled, node, neff_file, wait):
    program = compiled("soak.c", "-std=gnu11")
    rng = random.Random(SEED)
    running, kills, executions = {}, 0, 0

    def start(place):
        cores = f"{2 * place}-{2 * place + 1}"
        variables = {"NEURON_RT_VISIBLE_CORES": cores, "NEURON_RT_LOG_LEVEL": "ERROR", "NEURON_RT_EXEC_TIMEOUT": "60"}
        running[place] = subprocess.Popen(
            [program, neff_file], stdout=subprocess.PIPE, text=True, env={**os.environ, **variables}
        )

    try:
        for place in range(PROCESSES):
            start(place)
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            time.sleep(rng.uniform(0.05, 0.6))
            place = rng.randrange(PROCESSES)
            child = running[place]
            early = rng.random() < 0.2
            if not early and child.stdout.readline() != "ready\n":
                raise AssertionError(f"ended with {child.wait()}: {child.stdout.read()}")
            runtimes = {r.pid: r for r in open_source().snapshot().runtimes}
            if child.pid in runtimes and runtimes[child.pid].executions is not None:
                executions += runtimes[child.pid].executions.completed
            number = rng.choice(SIGNALS)
            child.send_signal(number)
            assert child.wait(30) == -number, child.stdout.read()
            kills += 1
            start(place)
        for place, child in running.items():
            assert child.stdout.readline() == "ready\n", f"process {place} ended with {child.poll()}"
        wait(lambda: len(open_source().snapshot().runtimes) == PROCESSES, what="every process on its cores")
    finally:
        for child in running.values():
            with contextlib.suppress(ProcessLookupError):
                child.kill()
            child.wait()
            child.stdout.close()
    snapshot = open_source().snapshot()
    assert snapshot.runtimes == ()
    assert all(device.memory_used_bytes == 0 for device in snapshot.devices)
    print(f"seed {SEED}: {kills} kills, {executions} executions by killed processes in {SECONDS:g} s")
    assert kills
    # Every core and page is free.
    for place in range(PROCESSES):
        start(place)
    try:
        for child in running.values():
            assert child.stdout.readline() == "ready\n"
    finally:
        for child in running.values():
            child.kill()
            child.wait()
            child.stdout.close()

"""A scenario's node under the real clock: a temporary simulated node, and one process per application."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import msgspec

from neuron_tools.scenario.schema import ApplicationSpec, Scenario
from neuron_tools.scenario.worker import Job
from neuron_tools.scenario.world import StartError, stand_still
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import slots as faults
from runtime_core.driver.faults.spec import FaultSpec
from runtime_core.driver.node import set_up
from runtime_core.driver.paths import ROOT_VARIABLE
from runtime_core.driver.reset import reset_device
from runtime_core.telemetry import Source, open_source

_GRACE_SECONDS = 10.0


class RealWorld:
    """See :class:`neuron_tools.scenario.world.World`."""

    def __init__(self, scenario: Scenario, folder: Path, seed: int) -> None:
        """Set up a temporary node; no application runs yet."""
        self._scenario = scenario
        self._folder = folder
        self._seed = seed
        self._processes: dict[str, list[subprocess.Popen[bytes]]] = {}
        self._temporary = Path(tempfile.mkdtemp(prefix="neuron-scenario-"))
        self._root = self._temporary / "node"
        set_up(self._root, type_name=scenario.instance, seed=seed)
        self._store = Datastore(self._root, writable=True)
        self.source: Source = open_source(f"sim:{self._root}")
        self._start_ns = time.monotonic_ns()

    def now_ns(self) -> int:
        """See the protocol."""
        return time.monotonic_ns() - self._start_ns

    def clock_ns(self) -> int:
        """See the protocol."""
        return time.monotonic_ns()

    def advance(self, until_ns: int) -> None:
        """See the protocol."""
        left_seconds = (until_ns - self.now_ns()) / 1e9
        if left_seconds > 0:
            time.sleep(left_seconds)

    def start(self, number: int, application: ApplicationSpec) -> None:
        """See the protocol."""
        process = subprocess.Popen(
            [sys.executable, "-m", "neuron_tools.scenario.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, ROOT_VARIABLE: str(self._root)},
        )
        self._processes.setdefault(application.tag, []).append(process)
        seed = f"{self._seed}:{number}:{application.tag}"
        job = Job(application, self._scenario.models, str(self._folder.absolute()), seed)
        assert process.stdin is not None  # noqa: S101 - asked for above
        assert process.stdout is not None  # noqa: S101
        assert process.stderr is not None  # noqa: S101
        process.stdin.write(msgspec.json.encode(job))
        process.stdin.close()
        if process.stdout.readline() != b"started\n":
            told = process.stderr.read().decode("utf-8", "replace").strip().splitlines()
            process.wait()
            raise StartError(told[-1] if told else f"exit status {process.returncode}")

    def stop(self, tag: str) -> None:
        """See the protocol."""
        processes = self._processes.pop(tag, [])
        for process in processes:
            process.terminate()
        for process in processes:
            try:
                process.wait(_GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
            _reap(process)

    def kill(self, tag: str) -> None:
        """See the protocol."""
        for process in self._processes.pop(tag, []):
            process.kill()
            _reap(process)

    def hold(self, tag: str) -> None:
        """See the protocol."""
        for process in self._processes.get(tag, []):
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            self._still(process.pid, still=True)

    def release(self, tag: str) -> None:
        """See the protocol."""
        for process in self._processes.get(tag, []):
            self._still(process.pid, still=False)
            process.send_signal(signal.SIGCONT)

    def _still(self, pid: int, *, still: bool) -> None:
        for index in range(self._store.header.backed_pages):
            if self._store.page(index).pid == pid and self._store.page_alive(index):
                stand_still(self._store, index, still=still)

    def inject(self, fault: FaultSpec) -> None:
        """See the protocol."""
        faults.inject(self._store, fault, time.monotonic_ns())

    def clear(self) -> None:
        """See the protocol."""
        faults.clear(self._store)

    def reset(self, device: int) -> None:
        """See the protocol."""
        reset_device(self._store, device, force=True)

    def close(self) -> None:
        """See the protocol."""
        for tag in list(self._processes):
            self.kill(tag)
        self.source.close()
        self._store.close()
        shutil.rmtree(self._temporary, ignore_errors=True)


def _reap(process: subprocess.Popen[bytes]) -> None:
    process.wait()
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()

"""``neuron-sim run --processes``: one application in several processes, which are started and stopped together."""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec

from neuron_console.running import command_name
from neuron_tools.sim.load import LoadPlan, process_environment
from neuron_tools.sim.load_results import LoadSummary, LostProcess, ProcessResult, format_lost, summarize
from neuron_tools.sim.run_progress import prepared, watch
from neuron_tools.sim.run_worker import Done, Message, Owning, Ready, Refused
from neuron_tools.sim.signals import stopped_by_signals
from runtime_core.decoding import prepare
from runtime_core.driver.faults.slots import FaultWatch
from runtime_core.driver.node import open_or_set_up
from runtime_core.errors import NeuronError, UsageError
from runtime_core.nrt.config import read_config
from runtime_core.nrt.start import usable_on
from runtime_core.ranges import format_ranges
from runtime_core.telemetry import open_source
from runtime_core.telemetry.snapshot import Runtime as RuntimeSnapshot

_END_SECONDS = 30.0
"""Time for running executions to end after a process is told to stop."""

_STOPPED = "stopped before the first execution"

prepare(Message)


class _Worker:
    """A process of the run, as seen by the process that started it."""

    def __init__(self, number: int, plan: LoadPlan, heard: queue.SimpleQueue[tuple[_Worker, Message | None]]) -> None:
        self.number = number
        self.cores: tuple[int, ...] = ()
        self.last: Message | None = None
        self.result: ProcessResult | None = None
        self.lost: LostProcess | None = None
        # A separate session, so that only the parent receives Ctrl-C and stops the others in order.
        self.process = subprocess.Popen(
            [sys.executable, "-m", "neuron_tools.sim.run_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._heard = heard
        threading.Thread(target=self._listen, daemon=True).start()
        self.send(plan._replace(models=()))

    @property
    def ended(self) -> bool:
        return self.result is not None or self.lost is not None

    def send(self, message: object) -> None:
        """Send a line. A process that has exited is noticed later, because it does not respond."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(OSError):
            self.process.stdin.write(msgspec.json.encode(message) + b"\n")
            self.process.stdin.flush()

    def end(self) -> None:
        """Tell the process to stop."""
        assert self.process.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(OSError):
            self.process.stdin.close()

    def _listen(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        for line in self.process.stdout:
            self._heard.put((self, msgspec.json.decode(line, type=Message)))
        self._heard.put((self, None))

    def hear(self, message: Message | None) -> None:
        """Return the messages of the process; ``None``: it has closed its output."""
        if isinstance(message, Owning):
            self.cores = message.cores
        elif isinstance(message, Done):
            self.result = message.result
        elif not self.ended and not isinstance(message, Ready):
            reason = f"failed: {message.what}" if message is not None else _reason(self.process.wait())
            self.lost = LostProcess(self.number, self.process.pid, self.cores, reason)
        self.last = message or self.last


def _reason(status: int) -> str:
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    return f"ended without a result, with exit status {status}"


class _Workers:
    """All processes of a run."""

    def __init__(self, plans: Sequence[LoadPlan]) -> None:
        self._heard: queue.SimpleQueue[tuple[_Worker, Message | None]] = queue.SimpleQueue()
        self._started = False
        self.all: list[_Worker] = []
        try:
            for number, plan in enumerate(plans, 1):
                self.all.append(_Worker(number, plan, self._heard))
        except BaseException:
            self.kill()
            raise

    def listen(self, seconds: float) -> None:
        """Process the messages of the next ``seconds``. A process that is lost in the run is reported at once."""
        with contextlib.suppress(queue.Empty):
            worker, message = self._heard.get(timeout=seconds)
            while True:
                known = worker.lost
                worker.hear(message)
                if self._started and worker.lost is not None and known is None:
                    print(f"{command_name()}: {format_lost(worker.lost)}", file=sys.stderr)
                worker, message = self._heard.get_nowait()

    def await_all(self, kind: type[Owning] | type[Ready], stopped: threading.Event) -> None:
        """Wait until each has sent a message of ``kind``.

        Raises:
            NeuronError: a process failed, or the run was stopped.
        """
        while not all(isinstance(worker.last, kind) for worker in self.all):
            self.listen(0.1)
            if stopped.is_set():
                raise NeuronError(_STOPPED)
            for worker in self.all:
                if worker.lost is not None:
                    where = f"process {worker.number} of {len(self.all)}"
                    if isinstance(worker.last, Refused):
                        raise NeuronError(worker.last.what, where=worker.last.where or where, mend=worker.last.mend)
                    raise NeuronError(worker.lost.reason, where=where)

    def start(self) -> None:
        """Let the processes execute."""
        self._started = True
        for worker in self.all:
            worker.send([])

    @property
    def running(self) -> bool:
        """Whether a process still runs, according to the messages so far."""
        self.listen(0.0)
        return not all(worker.ended for worker in self.all)

    def end(self) -> None:
        """Stop all running processes, and wait for their results. A process that does not stop in time is killed."""
        for worker in self.all:
            worker.end()
        deadline = time.monotonic() + _END_SECONDS
        while self.running and time.monotonic() < deadline:
            self.listen(0.1)
        self.kill()
        for worker in self.all:
            worker.process.wait()
        while self.running:
            self.listen(0.1)

    def kill(self) -> None:
        """Kill all running processes."""
        for worker in self.all:
            if worker.process.poll() is None and not worker.ended:
                worker.process.kill()

    def look(self) -> Iterator[RuntimeSnapshot]:
        """Return the counters of the processes, as viewers show them."""
        pids = {worker.process.pid for worker in self.all}
        with contextlib.closing(open_source(None)) as source:
            yield from (runtime for runtime in source.snapshot().runtimes if runtime.pid in pids)


def run_processes(plan: LoadPlan, *, quiet: bool) -> LoadSummary:
    """Run a plan in ``plan.processes`` processes until its end, SIGINT or SIGTERM. A second signal kills them.

    Raises:
        UsageError: there are more processes than cores.
        NeuronError: a process cannot own its cores or load the models; then no process executes.
    """
    plans = divided(plan)
    workers: _Workers | None = None
    with stopped_by_signals(lambda: workers.kill() if workers is not None else None) as stopped:
        workers = _Workers(plans)
        try:
            workers.await_all(Owning, stopped)
            with tempfile.TemporaryDirectory(prefix="neuron-sim-") as folder:
                paths = _neff_paths(plan, Path(folder), quiet=quiet)
                for worker in workers.all:
                    worker.send(paths)
                workers.await_all(Ready, stopped)
            workers.start()
            title = ", ".join(path.name for path in plan.models)
            running, look = (lambda: workers.running), workers.look
            watch(
                f"{title} in {plan.processes} processes", plan.seconds, stopped, running=running, look=look, quiet=quiet
            )
        finally:
            workers.end()
    results = [worker.result for worker in workers.all if worker.result is not None]
    lost = [worker.lost for worker in workers.all if worker.lost is not None]
    tag = plan.tag if plan.tag is not None else str(os.getpid())
    return summarize(results, tag=tag, pid=os.getpid(), numerics=plan.numerics, lost=lost)


def divided(plan: LoadPlan) -> list[LoadPlan]:
    """Return the plan of each process: the cores are divided as evenly as possible, and the rate in proportion.

    Raises:
        UsageError: there are more processes than cores.
        NrtError: INVALID, for an environment variable.
    """
    config, count = read_config(process_environment(plan)), plan.processes
    rate = None if plan.rate_per_second is None else plan.rate_per_second / count
    each = plan._replace(rate_per_second=rate, processes=1)
    if config.core_count is not None and config.visible_cores is None:
        sizes = [len(part) for part in _parts(range(config.core_count), count)]
        return [each._replace(visible_cores=None, num_cores=size) for size in sizes]
    cores = config.visible_cores
    if cores is None:
        store = open_or_set_up()
        try:
            cores = usable_on(store, config, FaultWatch(store).active(time.monotonic_ns()))
        finally:
            store.close()
    return [each._replace(visible_cores=format_ranges(part), num_cores=None) for part in _parts(cores, count)]


def _parts(cores: Sequence[int], count: int) -> list[Sequence[int]]:
    if count > len(cores):
        raise UsageError(
            f"more processes than NeuronCores ({len(cores)})",
            where=f"--processes {count}",
            mend="use at most one process per NeuronCore",
        )
    starts = [len(cores) * number // count for number in range(count + 1)]
    return [cores[first:last] for first, last in itertools.pairwise(starts)]


def _neff_paths(plan: LoadPlan, folder: Path, *, quiet: bool) -> list[str]:
    """Return the models as NEFF files; an ONNX file is compiled once for all processes."""
    paths = []
    for number, path in enumerate(plan.models):
        if path.suffix == ".onnx":
            made = folder / f"{number}.neff"
            made.write_bytes(prepared(path, quiet=quiet))
            path = made
        paths.append(str(path.absolute()))
    return paths

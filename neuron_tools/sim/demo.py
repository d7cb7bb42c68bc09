"""``neuron-sim demo``: two networks, three tagged applications on separate cores, and the tools that watch them."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import NamedTuple

from neuron_console import exit_codes
from neuron_console.extras import requires
from neuron_tools.sim.demo_summary import REMOVED, introduction, invitation, summary
from runtime_core.driver.node import set_up, take_down
from runtime_core.driver.paths import ROOT_VARIABLE
from runtime_core.errors import NodeError
from runtime_core.telemetry import open_source

_NETWORKS = ("light_resnet50", "light_squeezenet")
_REPORTS = 5
_START_SECONDS = 60.0
_READING_SECONDS = 20.0
"""Time before neuron-top replaces the introduction."""


class _Application(NamedTuple):
    tag: str
    network: str
    cores: str
    threads: int
    rate_per_second: float | None


_APPLICATIONS = (
    _Application("photo-tags", "light_resnet50", "0-1", 4, 600.0),
    _Application("thumbnails", "light_squeezenet", "4", 2, 800.0),
    _Application("nightly-batch", "light_resnet50", "8-11", 8, None),
)


def _line(plan: _Application) -> str:
    rate = "as fast as possible" if plan.rate_per_second is None else f"{plan.rate_per_second:g} requests per second"
    return f"{plan.tag:<13}  {plan.network} on NeuronCore{'s' if '-' in plan.cores else ''} {plan.cores}, {rate}"


class _Ended(Exception):
    """Stop the demo on a signal."""


def _networks() -> dict[str, Path]:
    with requires("compiler"):
        from onnx.backend.test import loader
    folder = Path(loader.DATA_DIR) / "light"
    return {name: folder / f"{name}.onnx" for name in _NETWORKS}


def _compile(target: Path) -> dict[str, Path]:
    """Compile the demo's networks, with a progress display."""
    from rich.console import Console
    from rich.progress import track

    from runtime_core.compiler import CompileOptions
    from runtime_core.compiler import compile as compile_model
    from runtime_core.neff.writer import save_neff

    made = {}
    console = Console(stderr=True)
    for name, source in track(_networks().items(), "compiling", console=console, transient=True):
        made[name] = target / f"{name}.neff"
        save_neff(compile_model(source, CompileOptions()), made[name])
    return made


@contextmanager
def _application(plan: _Application, neff: Path, environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run an application process for the length of the block."""
    command = [sys.executable, "-m", "neuron_tools.sim", "run", str(neff), "--visible-cores", plan.cores]
    command += ["--threads", str(plan.threads), "--tag", plan.tag, "--duration", "0", "--no-numerics"]
    if plan.rate_per_second is not None:
        command += ["--rate", str(plan.rate_per_second)]
    with log.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and our own arguments
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait_for_applications(root: Path) -> None:
    """Wait until every application has executed something."""
    source = open_source(f"sim:{root}")
    deadline = time.monotonic() + _START_SECONDS
    try:
        while time.monotonic() < deadline:
            runtimes = source.snapshot().runtimes
            if sum(bool(r.executions and r.executions.completed) for r in runtimes) == len(_APPLICATIONS):
                return
            time.sleep(0.05)
    finally:
        source.close()
    raise NodeError(f"the demo's applications did not start within {_START_SECONDS:g} s; see the logs in {root.parent}")


def _show(environment: dict[str, str], seconds: float) -> None:
    """neuron-top on a terminal; otherwise neuron-ls, and a summary of neuron-monitor's reports."""
    print(introduction([_line(plan) for plan in _APPLICATIONS]) + "\n", flush=True)
    if sys.stdout.isatty() and sys.stdin.isatty():
        print(invitation(environment[ROOT_VARIABLE]))
        print(f"\nneuron-top opens in {_READING_SECONDS:g} s, or now with Enter; q ends the demo.", flush=True)
        _wait_for_enter(_READING_SECONDS)
        subprocess.run([sys.executable, "-m", "neuron_top"], env=environment, check=False)
        return
    subprocess.run([sys.executable, "-m", "neuron_ls"], env=environment, check=False)
    period = max(0.2, min(1.0, seconds / _REPORTS))
    with tempfile.NamedTemporaryFile("w", suffix=".json") as configuration:
        configuration.write(_monitor_configuration(period))
        configuration.flush()
        monitor = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", "neuron_monitor", "-c", configuration.name], env=environment, stdout=subprocess.PIPE
        )
        try:
            lines = [monitor.stdout.readline().decode() for _ in range(_REPORTS)] if monitor.stdout else []
        finally:
            monitor.terminate()
            monitor.wait()
    if not all(lines):
        raise NodeError("neuron-monitor ended before its last report")
    print(summary(lines))


def _wait_for_enter(seconds: float) -> None:
    if select.select([sys.stdin], [], [], seconds)[0]:
        sys.stdin.readline()


def _monitor_configuration(period_seconds: float) -> str:
    import json

    runtime_groups = ("neuroncore_counters", "memory_used", "neuron_runtime_vcpu_usage", "execution_stats")
    system_groups = ("vcpu_usage", "memory_info", "neuron_hw_counters")
    return json.dumps(
        {
            "period": f"{round(period_seconds * 1000)}ms",
            "neuron_runtimes": [{"tag_filter": ".*", "metrics": [{"type": t} for t in runtime_groups]}],
            "system_metrics": [{"type": t} for t in system_groups],
        }
    )


def run_demo(seconds: float) -> int:
    """Run the demo on a temporary node, which is removed afterwards, also on Ctrl-C; returns the exit status."""

    def end(_number: int, _frame: FrameType | None) -> None:
        raise _Ended

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="neuron-demo-")))
            root = folder / "node"
            environment = {**os.environ, ROOT_VARIABLE: str(root), "NEURON_SOURCE": "sim"}
            for variable in ("NEURON_RT_VISIBLE_CORES", "NEURON_RT_NUM_CORES", "NEURON_PROCESS_TAG"):
                environment.pop(variable, None)
            set_up(root, type_name="inf1.6xlarge")
            stack.callback(take_down, root, force=True)
            neffs = _compile(folder)
            for plan in _APPLICATIONS:
                log = folder / f"{plan.tag}.log"
                stack.enter_context(_application(plan, neffs[plan.network], environment, log))
            _wait_for_applications(root)
            _show(environment, seconds)
        if sys.stdout.isatty() and sys.stdin.isatty():
            print(REMOVED)
    except _Ended:
        return exit_codes.INTERRUPTED
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return exit_codes.OK

"""The processor time of neuron-ls compared with other programs, and of one snapshot of a tree of sixteen devices."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import venv
from collections.abc import Callable
from pathlib import Path

from benchmarks.harness import Figure, before_program, microseconds_per_call, processes_seconds, report
from runtime_core.driver.node import set_up
from runtime_core.mirror.reader import NodeMirror
from runtime_core.telemetry.sysfs.source import SysfsSource

_BIN = Path(sys.executable).parent
_LOOKS = 40


def _peer(name: str) -> list[str] | None:
    """A program in a separate environment, because glances installs pydantic, which changes the cost of typer."""
    folder = Path(__file__).parent / "results" / "peers"
    program = folder / "bin" / name
    if not program.exists():
        venv.create(folder, with_pip=True)
        python = str(folder / "bin" / "python")
        installed = subprocess.run([python, "-m", "pip", "install", "--quiet", name], check=False)
        if installed.returncode:
            return None
    return [str(program), "--version"]


def _starts(folder: Path) -> list[Figure]:
    """Measure whole processes on idle nodes, ours and the peers' in turn."""
    commands: dict[str, tuple[list[str], dict[str, str] | None]] = {
        "peer: python -c 'import typer'": ([sys.executable, "-c", "import typer"], None),
        "peer: lscpu": (["lscpu"], None),
    }
    for name in ("nvitop", "glances"):
        command = _peer(name)
        if command is not None:
            commands[f"peer: {name} --version"] = command, None
    ours = {}
    for size in ("inf1.xlarge", "inf1.24xlarge"):
        set_up(folder / size, type_name=size)
        environment = {**os.environ, "NEURON_SIM_ROOT": str(folder / size), "NEURON_SOURCE": "sim"}
        for flags in ([], ["-j"], ["--source", "sim"]):
            name = " ".join(["neuron-ls", *flags, f"({size})"])
            ours[name] = [str(_BIN / "neuron-ls"), *flags], environment
        simulator, listing = before_program("neuron-sim"), before_program("neuron-ls")
        if simulator is not None and listing is not None:
            # Its nodes have another layout.
            older = {**environment, "NEURON_SIM_ROOT": str(folder / f"{size}-before")}
            subprocess.run([simulator, "up", "--instance-type", size], check=True, env=older, stdout=subprocess.DEVNULL)
            commands[f"before: neuron-ls ({size})"] = [listing], older
    times = dict(
        zip((*commands, *ours), processes_seconds([*commands.values(), *ours.values()], processor=True), strict=True)
    )
    typer = times["peer: python -c 'import typer'"]
    figures = []
    for name in ours:
        figures.append(Figure(name, times[name] * 1000, "ms"))
        # An option with a value needs the parser of typer.
        goal = None if "--source" in name else 1.25
        figures.append(Figure(f"{name} as a ratio to import typer", times[name] / typer, "x", goal))
    return figures + [Figure(name, times[name] * 1000, "ms") for name in commands]


def _system_share(call: Callable[[], object]) -> float:
    """The share of the processor time of calls that is spent in the kernel."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    for _ in range(_LOOKS):
        call()
    after = resource.getrusage(resource.RUSAGE_SELF)
    system, user = after.ru_stime - before.ru_stime, after.ru_utime - before.ru_utime
    return system / (system + user)


def _files_read(source: SysfsSource) -> list[str]:
    """The files that one snapshot opens, in order."""
    opened: list[str] = []
    listening = True

    def listen(event: str, arguments: tuple[object, ...]) -> None:
        if listening and event == "open" and isinstance(arguments[0], str):
            opened.append(arguments[0])

    # An audit hook cannot be removed, so it is disabled.
    sys.addaudithook(listen)
    source.snapshot()
    listening = False
    return opened


def _read_all(paths: list[str]) -> None:
    for path in paths:
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            continue
        os.read(fd, 4096)
        os.close(fd)


def _tree_looks(folder: Path) -> list[Figure]:
    """Measure a snapshot of the tree of an inf1.24xlarge, on a file system in memory, like sysfs."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="neuron-bench-", dir=memory if memory.is_dir() else folder) as place:
        tree = Path(place) / "tree"
        mirror = NodeMirror(tree, folder / "inf1.24xlarge")
        mirror.refresh()
        mirror.close()
        source = SysfsSource(tree)
        look = microseconds_per_call(source.snapshot, 5) / 1000
        share = _system_share(source.snapshot)
        paths = _files_read(source)
        bare = microseconds_per_call(lambda: _read_all(paths), 5) / 1000
        return [
            Figure("one look at the driver's tree of an inf1.24xlarge", look, "ms", 30.0, note=f"{len(paths)} files"),
            Figure("  share of it that is system calls", share, "", note="processor time, by getrusage"),
            Figure("peer: opening, reading and closing the same files", bare, "ms"),
            Figure("  ratio of the look to the peer", look / bare, "x"),
        ]


def main() -> None:
    """Measure neuron-ls on an idle xlarge and 24xlarge, and the reader of a 24xlarge's tree."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as place:
        figures = _starts(Path(place)) + _tree_looks(Path(place))
    report("ls", figures)

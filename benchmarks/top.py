"""The cost of neuron-top on a busy inf1.24xlarge with 64 processes, compared with nvitop, htop, btop and glances.

nvitop requires NVIDIA's library, which is replaced by a stub with sixteen GPUs and the same 64 processes
(``nvml_stub.c``).
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.busy import busy_node
from benchmarks.harness import Figure, report
from benchmarks.terminal import NotShownError, terminal

_STARTS = 7
_SETTLE_SECONDS = 3.0
_MEASURED_SECONDS = 30.0
_SECOND, _TENTH = 1.0, 0.1
_EXTRA = "pip install 'neuron-tools-sim[bench]'"
_INSTALL = {"nvitop": _EXTRA, "glances": _EXTRA, "htop": "apt-get install htop", "btop": "apt-get install btop"}


class Contender(NamedTuple):
    """A program. ``command`` receives the interval in seconds; ``shown``: a pattern in its first frame."""

    name: str
    command: Callable[[float], Sequence[str]]
    shown: bytes
    shortest_seconds: float = 0.0
    environment: tuple[tuple[str, str], ...] = ()


class Cost(NamedTuple):
    """The measurements of a program: seconds to its first frame, shares of a core, bytes."""

    first_frame_seconds: float
    first_frame_cpu_seconds: float
    share_at_second: float
    share_at_tenth: float
    rss_bytes: int
    rss_later_bytes: int


def _looks(seconds: float) -> int:
    return round((_SETTLE_SECONDS + _MEASURED_SECONDS) / seconds)


def _program(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))


def _btop_configuration(folder: Path, seconds: float) -> str:
    home = folder / f"btop-{seconds}"
    (home / "btop").mkdir(parents=True, exist_ok=True)
    (home / "btop" / "btop.conf").write_text(f"update_ms = {int(seconds * 1000)}\n")
    return str(home)


def _nvml_stub(compiler: str, folder: Path, pids: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """Build the stub, and return the environment in which nvitop finds it."""
    library = folder / "libnvidia-ml.so.1"
    source = Path(__file__).parent / "nvml_stub.c"
    subprocess.run([compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source)], check=True)
    return ("LD_LIBRARY_PATH", str(folder)), ("NVML_STUB_PIDS", ",".join(map(str, pids)))


def _contenders(folder: Path, pids: Sequence[int]) -> list[Contender]:
    found = [
        Contender("neuron-top", lambda s: [sys.executable, "-m", "neuron_top", f"--interval={s}"], rb"ND0 +NC0"),
    ]
    glances, nvitop, htop, btop = map(_program, ("glances", "nvitop", "htop", "btop"))
    compiler = shutil.which("cc")
    if nvitop is not None and compiler is not None:
        stub = _nvml_stub(compiler, folder, pids)
        # Its shortest interval is a quarter of a second. The row of the last GPU: number, fan.
        found.append(Contender("nvitop", lambda s: [nvitop, f"--interval={max(0.25, s)}"], rb"15 +45%", 0.25, stub))
    if glances is not None:
        found.append(Contender("glances", lambda s: [glances, "-t", str(s), "--disable-check-update"], rb"MEM|CPU"))
    if htop is not None:
        found.append(Contender("htop", lambda s: [htop, "-d", str(round(s * 10))], rb"PID"))
    if btop is not None:
        env = shutil.which("env") or "env"
        found.append(
            Contender(
                "btop",
                lambda s: [env, f"XDG_CONFIG_HOME={_btop_configuration(folder, s)}", btop, "--utf-force"],
                rb"cpu|Pid",
            )
        )
    for name in sorted(_INSTALL.keys() - {c.name for c in found}):
        mend = "install a C compiler, cc" if name == "nvitop" and nvitop is not None else _INSTALL[name]
        print(f"without {name}: {mend}", file=sys.stderr)
    return found


def _environment(folder: Path, extra: Sequence[tuple[str, str]]) -> dict[str, str]:
    # As installed programs run: from byte code, ours and the peers' alike.
    # Curses takes LINES and COLUMNS for the size of the terminal, whatever size that has.
    dropped = {"PYTHONDONTWRITEBYTECODE", "NO_COLOR", "LC_ALL", "LINES", "COLUMNS"}
    kept = {k: v for k, v in os.environ.items() if k not in dropped}
    terminal_kind = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "LANG": "C.UTF-8"}
    return {**kept, **terminal_kind, "NEURON_SOURCE": "sim", "XDG_CONFIG_HOME": str(folder), **dict(extra)}


def _cost(contender: Contender, folder: Path) -> Cost:
    environment = _environment(folder, contender.environment)
    shares, starts, cpu, rss = [], [], [], []
    for seconds in (_SECOND, _TENTH):
        with terminal(contender.command(seconds), environment) as running:
            running.seconds_until(contender.shown)
            running.cpu_share(_SETTLE_SECONDS)
            shares.append(running.cpu_share(_MEASURED_SECONDS))
            rss.append(running.rss_bytes())
    for _ in range(_STARTS):
        with terminal(contender.command(_SECOND), environment) as running:
            starts.append(running.seconds_until(contender.shown))
            cpu.append(running.cpu_seconds())
    return Cost(statistics.median(starts), statistics.median(cpu), shares[0], shares[1], rss[0], rss[1])


def _figures(contender: Contender, cost: Cost, ours: Cost) -> list[Figure]:
    name, own = contender.name, contender.name == "neuron-top"
    slower = f"at {contender.shortest_seconds:g} s, its shortest" if contender.shortest_seconds > _TENTH else ""
    figures = [
        Figure(f"{name}: CPU at 1 s", cost.share_at_second * 100, "% of a core", 3.0 if own else None),
        Figure(f"{name}: CPU at 100 ms", cost.share_at_tenth * 100, "% of a core", note=slower),
        Figure(f"{name}: first frame", cost.first_frame_seconds, "s", 0.6 if own else None,
               note=f"{cost.first_frame_cpu_seconds:.2f} s of CPU"),
        Figure(f"{name}: RSS", cost.rss_bytes / (1 << 20), "MiB", note=f"after {_looks(_SECOND)} looks"),
        Figure(f"{name}: RSS later", cost.rss_later_bytes / (1 << 20), "MiB",
               note=f"after {_looks(max(_TENTH, contender.shortest_seconds))} looks, of which ours keeps 300"),
    ]  # fmt: skip
    if name in {"glances", "nvitop", "htop"}:
        ratio = ours.share_at_second / cost.share_at_second if cost.share_at_second else float("inf")
        figures.append(Figure(f"neuron-top's CPU at 1 s / {name}'s", ratio, "", 1.0))
    return figures


def main() -> None:
    """Measure all programs in one run."""
    with tempfile.TemporaryDirectory(prefix="neuron-bench-") as name, busy_node() as pids:
        folder = Path(name)
        contenders = _contenders(folder, pids)
        costs = {}
        for contender in contenders:
            try:
                costs[contender] = _cost(contender, folder)
            except NotShownError as error:
                print(f"without {contender.name}: {error}", file=sys.stderr)
        if contenders[0] not in costs:
            raise SystemExit("neuron-top did not show a frame")
        ours = costs[contenders[0]]
        load = os.getloadavg()[0]
        print(f"load of the machine at the end, owners of the 64 cores included: {load:.1f} on {os.cpu_count()} CPUs")
        report("top", [figure for c, cost in costs.items() for figure in _figures(c, cost, ours)])


if __name__ == "__main__":
    main()

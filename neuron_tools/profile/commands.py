"""The commands of neuron-profile."""

from __future__ import annotations

import datetime
import gzip
import json
from pathlib import Path

from neuron_console.extras import requires
from neuron_console.text import printable
from neuron_console.units import rounded
from neuron_tools.files import write_output
from neuron_tools.profile.hottest import Hot, hottest, shares_by_bound
from runtime_core.engine.timing.timeline import Timeline, timeline_of
from runtime_core.errors import ModelFileError, NeuronError, UsageError
from runtime_core.instance import instance_type
from runtime_core.neff.reader import read_neff

_INSTANCE = "inf1.24xlarge"
"""Large enough for the longest pipeline; every size has the same chips and links."""


def load_timeline(path: Path, start_core: int = 0) -> Timeline:
    """Return the timeline of a model file (NEFF, or ONNX to compile) on cores from ``start_core`` on.

    Raises:
        ModelFileError: the file cannot be read or compiled.
        NrtError: the file is not a NEFF.
        UsageError: the model requires more cores.
    """
    from neuron_tools.sim.load import neff_bytes

    if not path.is_file():
        raise ModelFileError("model file not found", where=str(path))
    graph = read_neff(neff_bytes(path)).graph
    size = instance_type(_INSTANCE)
    if not 0 <= start_core <= size.core_count - graph.core_count:
        raise UsageError(
            (f"the model needs {graph.core_count} cores: expected 0 to {size.core_count - graph.core_count}"),
            where=f"--start-core {start_core}",
        )
    return timeline_of(graph, size, range(start_core, start_core + graph.core_count))


def capture(path: Path, output: Path | None, tensorboard: Path | None, start_core: int) -> str:
    """Write the timeline of one execution; return the names of the files.

    Raises:
        NeuronError: as for :func:`load_timeline`, or a file cannot be written.
    """
    timeline = load_timeline(path, start_core)
    written: list[Path] = []
    if output is None and tensorboard is None:
        output = Path(f"{path.stem}.trace.json")
    if output is not None:
        from runtime_core.engine.timing.chrome_trace import chrome_trace

        trace = chrome_trace(timeline)
        write_output(output, gzip.compress(trace, mtime=0) if output.suffix == ".gz" else trace)
        written.append(output)
    if tensorboard is not None:
        with requires("profile"):
            from neuron_tools.profile.xplane import profile_path, xspace
        # One directory per capture, because TensorBoard caches its results per directory.
        run = datetime.datetime.now(datetime.UTC).strftime("%Y_%m_%d_%H_%M_%S")
        target = profile_path(tensorboard, f"{path.stem}_{run}", "neuron-sim")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NeuronError(f"cannot create the directory: {error.strerror}", where=str(target.parent)) from None
        write_output(target, xspace(timeline))
        written.append(target)
    return "\n".join(
        [
            f"{printable(timeline.model)}: {timeline.total_ns / 1e6:.3f} ms, {len(timeline.spans)} spans",
            *map(str, written),
        ]
    )


def _name(row: Hot) -> str:
    return row.operator if row.opcode in ("", row.operator) else f"{row.operator} ({row.opcode})"


def view(path: Path, rows: int, start_core: int, *, as_json: bool) -> str:
    """Return the slowest operators of one execution and their bottlenecks, as text.

    Raises:
        NeuronError: as for :func:`load_timeline`.
    """
    timeline = load_timeline(path, start_core)
    hot, shares = hottest(timeline), shares_by_bound(timeline)
    if as_json:
        facts = {
            "model": timeline.model,
            "total_ns": timeline.total_ns,
            "bounds": {bound.value: round(share, 6) for bound, share in shares.items()},
            "operators": [row._asdict() for row in hot],
        }
        return json.dumps(rounded(facts))
    lines = [
        f"{printable(timeline.model)}: {timeline.total_ns / 1e6:.3f} ms per execution, bound by "
        + ", ".join(f"{bound.value} {share:.1%}" for bound, share in shares.items() if share >= 0.0005)
    ]
    shown = hot[:rows]
    width = max([len("OPERATOR"), *(len(_name(row)) for row in shown)])
    width = min(width, 60)
    lines.append(f"{'OPERATOR'.ljust(width)}  {'TIME':>11}  {'SHARE':>6}  {'BOUND':<7}  {'GFLOP':>9}  {'GFLOP/S':>9}")
    for row in shown:
        name = printable(_name(row))
        name = name if len(name) <= width else f"{name[: width - 1]}…"
        flops = "-" if row.flops is None else f"{row.flops / 1e9:9.4f}"
        rate = "-" if row.flops is None or not row.duration_ns else f"{row.flops / row.duration_ns:9.1f}"
        lines.append(
            f"{name.ljust(width)}  {row.duration_ns / 1e3:8.1f} µs  {row.share:6.1%}  {row.bound.value:<7}  "
            f"{flops:>9}  {rate:>9}"
        )
    if len(hot) > rows:
        rest = sum(row.share for row in hot[rows:])
        lines.append(f"{len(hot) - rows} more operators take {rest:.1%}")
    return "\n".join(lines)

"""Start a stream from the options of the command line."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from neuron_console.extras import requires
from neuron_monitor.output import RotatedFile, StandardOutput
from neuron_monitor.signals import handled
from neuron_monitor.stream import ConfigFile, JsonLines, Sink, stream
from runtime_core.telemetry import UsageError

if TYPE_CHECKING:
    from neuron_monitor.core_users import UserSource


class Outputs(NamedTuple):
    """Destinations of reports.

    Attributes:
        file: file for lines, rotated at ``max_bytes`` with ``keep`` full files; ``None``: standard output, or no lines
            if metrics are written.
        listen_address: address on which metrics are served, with the rules of ``web_config``.
        textfile: file for metrics.
        otlp: collector to which metrics are pushed.
        kubelet_socket: socket of the kubelet that lists the pods using the cores.
        slurm: read the Slurm jobs that use the cores.
    """

    file: Path | None
    max_bytes: int
    keep: int
    listen_address: str | None
    web_config: Path | None
    textfile: Path | None
    otlp: str | None
    kubelet_socket: Path | None = None
    slurm: bool = False


def start(config_file: ConfigFile, source_name: str | None, outputs: Outputs, *, once: bool, verbose: int) -> bool:
    """Run until a signal arrives or a reader leaves; see :func:`neuron_monitor.stream.stream`.

    Returns:
        Whether every output received its last report.

    Raises:
        UsageError: the outputs exclude each other.
        NeuronError: the node, the configuration or an output cannot be used.
        OSError: a file cannot be written.
    """
    if outputs.web_config is not None and outputs.listen_address is None:
        raise UsageError("--web.config.file requires --prometheus", mend="give both")
    if once and outputs.listen_address is not None:
        raise UsageError(
            "--once exits before metrics can be scraped from --prometheus", mend="omit --once, or use --textfile"
        )
    if (
        (outputs.kubelet_socket is not None or outputs.slurm)
        and outputs.listen_address is None
        and outputs.textfile is None
    ):
        raise UsageError("--kubernetes and --slurm require metrics", mend="add --prometheus or --textfile")
    sinks: list[Sink] = []
    with ExitStack() as stack:
        # Before anything listens, because a client that sees it listening may send a signal.
        signals = stack.enter_context(handled())
        if outputs.file is not None:
            sinks.append(JsonLines(RotatedFile(outputs.file, outputs.max_bytes, outputs.keep)))
        elif outputs.listen_address is None and outputs.textfile is None and outputs.otlp is None:
            sinks.append(JsonLines(StandardOutput(1)))
        users = _users(outputs)
        for user_source in users:
            stack.callback(user_source.close)
        if outputs.textfile is not None:
            from neuron_monitor.prometheus.sinks import TextFile

            sinks.append(TextFile(outputs.textfile, stays=once, users=users))
        if outputs.listen_address is not None:
            from neuron_monitor.prometheus.serve import serving
            from neuron_monitor.prometheus.sinks import PageSink

            tell = verbose > 0 or sys.stderr.isatty()
            page = stack.enter_context(serving(outputs.listen_address, outputs.web_config, tell=tell))
            sinks.append(PageSink(page, users))
        if outputs.otlp is not None:
            from neuron_monitor.otlp.sink import Otlp

            sinks.append(Otlp(outputs.otlp))
        for sink in sinks:
            stack.callback(sink.close)
        stream(config_file, source_name, sinks, signals, once=once, verbose=verbose)
    return not any(sink.failing for sink in sinks)


def _users(outputs: Outputs) -> list[UserSource]:
    users: list[UserSource] = []
    if outputs.kubelet_socket is not None:
        with requires("k8s"):
            from runtime_core.telemetry.kubelet.client import Kubelet
        from neuron_monitor.core_users import Pods

        users.append(Pods(Kubelet(outputs.kubelet_socket)))
    if outputs.slurm:
        from neuron_monitor.core_users import SlurmJobs

        users.append(SlurmJobs())
    return users

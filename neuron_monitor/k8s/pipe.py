"""Add the answer of the kubelet to each line of the stream."""

from __future__ import annotations

import msgspec

from neuron_monitor.k8s.users import users
from neuron_monitor.k8s.watch import Answer, Watch
from neuron_monitor.lines import each_report
from neuron_monitor.output import LineOutput
from neuron_monitor.reading import ReportReader
from neuron_monitor.report import HardwareInfo, K8sInfo, Report
from neuron_monitor.signals import Signals

COMMAND = "neuron-monitor-k8s-info.py"
_FIELD = "neuron_k8s_info"
_REPORT_FIELDS = frozenset(Report.__struct_fields__) - {_FIELD}
_FIRST_ANSWER_SECONDS = 1.0
"""Longest wait for the kubelet before the first line, in seconds; later lines do not wait."""


def _k8s_info(answer: Answer, hardware: HardwareInfo) -> K8sInfo:
    known = users(answer.holdings, hardware.neuron_device_count, hardware.neuroncore_per_device_count)
    return K8sInfo(answer.seconds, known.cores, known.devices, answer.error or "; ".join(known.problems))


class Annotator:
    """Adds ``neuron_k8s_info`` to lines; the added text is rebuilt only for a new answer or a change of the node."""

    def __init__(self) -> None:
        # Everything except the hardware passes through unchanged.
        self._reader = ReportReader(lambda _: None)
        self._fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._made_of: tuple[Answer, HardwareInfo] | None = None
        self._added = msgspec.Raw()

    def annotate(self, line: bytes, answer: Answer) -> bytes:
        """Return ``line`` with the field and a newline.

        Raises:
            msgspec.MsgspecError: the line is not a report.
        """
        fields = self._fields.decode(line)
        if fields.keys().isdisjoint(_REPORT_FIELDS):
            raise msgspec.ValidationError(f"a report has one of {', '.join(Report.__struct_fields__)}")
        of = answer, self._reader.read_hardware(bytes(fields.get("neuron_hardware_info", b"null")))
        if of != self._made_of:
            self._added = msgspec.Raw(msgspec.json.encode(_k8s_info(*of)))
            self._made_of = of
        fields.pop(_FIELD, None)
        fields[_FIELD] = self._added
        return msgspec.json.encode(fields) + b"\n"


def follow(fd: int, watch: Watch, output: LineOutput, signals: Signals) -> None:
    """Copy the stream, until it ends, a signal arrives or its reader leaves.

    Args:
        fd: file descriptor of the stream.
        watch: the latest answer of the kubelet.
        output: destination of the lines.
        signals: signals that request a stop.

    Raises:
        NeuronError: the stream ended without a single report.
    """
    annotator = Annotator()
    watch.latest(_FIRST_ANSWER_SECONDS)

    def take(line: bytes) -> bytes:
        return annotator.annotate(line, watch.latest())

    for line in each_report(fd, signals, take, COMMAND):
        if not output.write(line, signals):
            return

"""Each line of the stream, with what Kubernetes knows added."""

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
"""The first line waits so long for the kubelet; a later one never does."""


def _k8s_info(answer: Answer, hardware: HardwareInfo) -> K8sInfo:
    known = users(answer.holdings, hardware.neuron_device_count, hardware.neuroncore_per_device_count)
    return K8sInfo(answer.seconds, known.cores, known.devices, answer.error or "; ".join(known.problems))


class Annotator:
    """Adds ``neuron_k8s_info`` to lines; what is added changes only with an answer or with the node."""

    def __init__(self) -> None:
        # All but the hardware passes through untouched, whatever it is.
        self._reader = ReportReader(lambda _: None)
        self._fields = msgspec.json.Decoder(dict[str, msgspec.Raw])
        self._made_of: tuple[Answer, HardwareInfo] | None = None
        self._added = msgspec.Raw()

    def annotate(self, line: bytes, answer: Answer) -> bytes:
        """``line`` with the field, and a line's end.

        Raises:
            msgspec.MsgspecError: the line is no report.
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
    """Pass the stream on, until it ends, a signal comes or its reader leaves.

    Args:
        fd: the stream.
        watch: knows what the kubelet says.
        output: takes the lines.
        signals: to stop by.

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

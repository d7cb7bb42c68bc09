"""The reader used by all programs that read the stream."""

from __future__ import annotations

import enum
from collections.abc import Callable

import msgspec

from neuron_monitor.reading.lenient import build_hardware, build_report
from neuron_monitor.report import HardwareInfo, Report
from neuron_monitor.unavailable import forget_unavailable

_NAMED = 4


class Problem(enum.StrEnum):
    """Reason why a value of a line cannot be used."""

    MISSING = "missing"
    MISTYPED = "mistyped"


_WORDS = {
    Problem.MISSING: "the stream does not have these fields, and their metrics are omitted",
    Problem.MISTYPED: "these fields of the stream have another type than expected, and their metrics are omitted",
}


class ReportReader:
    """Decodes lines: our own in one step, those of other releases field by field.

    Attributes:
        problems: number of values that could not be used so far, by reason.
    """

    def __init__(self, warn: Callable[[str], None]) -> None:
        """Create a reader; ``warn`` is called with one sentence when each kind of problem first occurs."""
        self._warn = warn
        self._exact = msgspec.json.Decoder(Report)
        self._any = msgspec.json.Decoder(dict[str, object])
        self.problems = dict.fromkeys(Problem, 0)

    def read(self, line: bytes) -> Report:
        """Return the report in a line.

        Raises:
            msgspec.MsgspecError, UnicodeDecodeError, RecursionError: the line is not a report.
        """
        try:
            report = self._exact.decode(line)
        except msgspec.ValidationError:
            report = self._read_any(line)
        forget_unavailable(report)
        return report

    def _read_any(self, line: bytes) -> Report:
        fields = self._any.decode(line)
        if not fields.keys() & set(Report.__struct_fields__):
            raise msgspec.ValidationError(f"a report has one of {', '.join(Report.__struct_fields__)}")
        report, notes = build_report(fields)
        self._note(Problem.MISSING, notes.missing)
        self._note(Problem.MISTYPED, notes.mistyped)
        return report

    def read_hardware(self, value: bytes) -> HardwareInfo:
        """Return the hardware in the value of ``neuron_hardware_info``, which may have any type.

        Raises:
            msgspec.MsgspecError, RecursionError: the value is not JSON.
        """
        return build_hardware(msgspec.json.decode(value))

    def _note(self, problem: Problem, names: list[str]) -> None:
        if names and not self.problems[problem]:
            found = list(dict.fromkeys(names))
            more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
            self._warn(f"{_WORDS[problem]}: {', '.join(found[:_NAMED])}{more}")
        self.problems[problem] += len(names)

"""Problems that make a node unhealthy, derived from health verdicts and lines of the kernel's log.

Source of the published reasons and of the line: ``contracts/kubernetes.md``, "Node problem detector". For problems that
the original does not report (a lost device, a link that is down, a core that hangs outside collectives) the reason is
our own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from runtime_core.telemetry.health import Severity, Verdict, VerdictKind, phrase

HEALTHY_REASON = "NeuronHasNoError"
HEALTHY_MESSAGE = "Neuron has no error"
REASON_PREFIX = "NeuronHasError_"
PUBLISHED = (
    "SRAM_UNCORRECTABLE_ERROR",
    "NC_UNCORRECTABLE_ERROR",
    "HBM_UNCORRECTABLE_ERROR",
    "DMA_ERROR",
    "HANG_ON_COLLECTIVES",
)
_LINE = re.compile(r"\sNEURON_HW_ERR=(?P<error>[A-Z][A-Z_]{2,60})\s(?P<rest>[^\n]{0,2000})")
_DEVICE = re.compile(r"\bnd-id=(\d{1,4})\b")
_OWN_REASONS = {
    VerdictKind.CORE_HUNG: "CORE_HUNG",
    VerdictKind.DEVICE_LOST: "DEVICE_LOST",
    VerdictKind.LINK_DOWN: "LINK_DOWN",
    VerdictKind.DRIVER_MISSING: "DRIVER_MISSING",
}


class Problem(NamedTuple):
    """A problem that makes the node unhealthy.

    Attributes:
        error: part of the reason after ``NeuronHasError_``.
        device: affected device; ``None`` for the node.
        message: short description.
        lasting: the problem lasts until the device is reset; other problems end when they are no longer observed.
    """

    error: str
    device: int | None
    message: str
    lasting: bool

    @property
    def reason(self) -> str:
        """Reason in the node's condition."""
        return REASON_PREFIX + self.error


def problem_of_verdict(verdict: Verdict, now_ns: int) -> Problem | None:
    """Return the problem for a verdict, or ``None`` if the verdict does not make the node unhealthy."""
    if verdict.severity < Severity.CRITICAL:
        return None
    message, device = phrase(verdict, now_ns), verdict.where.device
    if verdict.kind is VerdictKind.ECC_UNCORRECTED:
        memory = "SRAM" if verdict.detail == "SRAM" else "HBM"
        return Problem(f"{memory}_UNCORRECTABLE_ERROR", device, message, lasting=True)
    if verdict.kind is VerdictKind.LINK_DOWN and verdict.where.link is not None:
        device = verdict.where.link[0]
    error = _OWN_REASONS.get(verdict.kind, verdict.kind.name)
    return Problem(error, device, message, lasting=False)


def problem_of_line(line: str) -> Problem | None:
    """Return the problem in a line of the kernel's log, or ``None`` for any other line.

    The published rules require text and a space before ``NEURON_HW_ERR=``.
    """
    found = _LINE.search(line)
    if found is None:
        return None
    device = _DEVICE.search(found["rest"])
    text = f"NEURON_HW_ERR={found['error']} {found['rest']}".strip()[:300]
    return Problem(found["error"], None if device is None else int(device[1]), text, lasting=True)

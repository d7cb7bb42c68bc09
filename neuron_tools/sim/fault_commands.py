"""The commands of ``neuron-sim fault``."""

from __future__ import annotations

import json
import time

from neuron_console.text import columns
from neuron_console.units import rounded
from runtime_core import faults
from runtime_core.driver.faults.table import CLASS_STATUS, FAULTS, FaultKind, Parameter, Scope
from runtime_core.errors import UsageError
from runtime_core.faults import Fault, FaultSpec
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.ranges import format_ranges, parse_ranges
from runtime_core.status import NrtStatus


def parse_targets(text: str | None, option: str) -> tuple[int, ...]:
    """Parse indices such as ``0``, ``0-3`` or ``1,4-5``; empty for ``None``.

    Raises:
        UsageError: the list is malformed.
    """
    if text is None:
        return ()
    try:
        return parse_ranges(text)
    except ValueError as error:
        raise UsageError(str(error), where=f"{option}={text!r}") from None


def inject(spec: FaultSpec, *, as_json: bool) -> str:
    """Inject ``spec`` into the node and report the fault."""
    with faults.open_node() as store:
        now_ns = time.monotonic_ns()
        facts = _facts(faults.inject(store, spec, now_ns), now_ns, store.size.device_count)
    return json.dumps(rounded(facts)) if as_json else f"fault {facts['id']}: {facts['kind']} on {facts['target']}"


def clear(fault_id: int | None) -> str:
    """Clear a fault (``None``: all) and report the number."""
    with faults.open_node() as store:
        count = faults.clear(store, fault_id)
    return f"{count} fault{'' if count == 1 else 's'} cleared"


def _target(fault: Fault, device_count: int) -> str:
    scope = FAULTS[fault.kind].scope
    if scope is Scope.NODE:
        return "node"
    if scope is Scope.CORE:
        return f"nc{format_ranges([c for c in range(device_count * CORES_PER_DEVICE) if fault.hits_core(c)])}"
    devices = f"nd{format_ranges([d for d in range(device_count) if fault.hits_device(d)])}"
    return f"{devices} {fault.side.value}" if scope is Scope.LINK else devices


def _state(fault: Fault, now_ns: int) -> str:
    if now_ns < fault.starts_ns:
        return f"in {(fault.starts_ns - now_ns) / 1e9:.1f} s"
    if not fault.ends_ns:
        return "active"
    return f"active, {(fault.ends_ns - now_ns) / 1e9:.1f} s left" if now_ns < fault.ends_ns else "ended"


def _facts(fault: Fault, now_ns: int, device_count: int) -> dict[str, object]:
    """Return the fields of a fault; ``None`` for parameters that its kind does not have."""
    takes = FAULTS[fault.kind].parameters
    return {
        "id": fault.fault_id,
        "kind": fault.kind.value,
        "target": _target(fault, device_count),
        "state": _state(fault, now_ns),
        "ratio": fault.ratio if Parameter.RATIO in takes else None,
        "amount": fault.amount or None,
        "error": fault.error.value if Parameter.ERROR in takes else None,
        "version": fault.version if Parameter.VERSION in takes else None,
        "remaining": fault.remaining,
        "hits": fault.hits,
    }


def describe_faults(*, as_json: bool) -> str:
    """The faults of the node."""
    with faults.open_node() as store:
        now_ns = time.monotonic_ns()
        listed = [_facts(f, now_ns, store.size.device_count) for f in faults.list_faults(store)]
    if as_json:
        return json.dumps(rounded(listed))
    if not listed:
        return "no fault"
    return "\n".join(
        columns(
            ("ID", "KIND", "TARGET", "STATE", "RATIO", "AMOUNT", "REMAINING", "HITS"),
            [
                tuple(
                    "-" if (value := fact[key]) is None else f"{value:g}" if isinstance(value, float) else str(value)
                    for key in ("id", "kind", "target", "state", "ratio", "amount", "remaining", "hits")
                )
                for fact in listed
            ],
        )
    )


def _status_text(kind: FaultKind) -> str:
    if kind is FaultKind.EXECUTION_ERROR:
        return ", ".join(f"{c.value}: {s.value} {s.name}" for c, s in CLASS_STATUS.items())
    status = FAULTS[kind].status
    return "the call succeeds" if status is NrtStatus.SUCCESS else f"{status.value} {status.name}"


def describe_kinds(*, as_json: bool) -> str:
    """Every row of the table of faults."""
    rows = [
        {
            "kind": kind.value,
            "summary": row.summary,
            "target": row.scope.value,
            "parameters": [p.value for p in row.parameters],
            "status": _status_text(kind),
            "counter": row.counter,
            "log": f"{row.call}: {row.message}",
        }
        for kind, row in FAULTS.items()
    ]
    if as_json:
        return json.dumps(rows, indent=2)
    blocks = []
    for row in rows:
        taken = ", ".join(row["parameters"]) or "none"
        blocks.append(
            f"{row['kind']}: {row['summary']}\n"
            f"  target      {row['target']}\n  parameters  {taken}\n  status      {row['status']}\n"
            f"  counter     {row['counter']}\n  log         {row['log']}"
        )
    return "\n".join(blocks)

"""All checks, in the order of the report."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from neuron_tools.gatherinfo import host_checks, install_checks, node_checks
from neuron_tools.gatherinfo.finding import Finding, Surroundings
from neuron_tools.gatherinfo.health import LOOK_SECONDS, check_health, watch
from runtime_core.errors import NodeError, UsageError
from runtime_core.telemetry import Verdict, open_source

CHECKS: tuple[Callable[[Surroundings], Iterator[Finding]], ...] = (
    node_checks.check_source,
    node_checks.check_driver,
    node_checks.check_permissions,
    node_checks.check_ownership,
    node_checks.check_devices,
    check_health,
    node_checks.check_room,
    node_checks.check_clock,
    host_checks.check_limits,
    host_checks.check_variables,
    host_checks.check_rtd,
    host_checks.check_monitor,
    host_checks.check_versions,
    install_checks.check_installation,
)

DEFAULT_MONITOR = "127.0.0.1:8000"
_ADDRESS = re.compile(r"[^\s/]+:[0-9]{1,5}")


def look_around(
    source_name: str | None, monitor: str | None, environment: Mapping[str, str], *, seconds: float = LOOK_SECONDS
) -> Surroundings:
    """Watch the node for ``seconds``, for all checks.

    Raises:
        UsageError: an unknown kind of source, or ``monitor`` is not an address.
    """
    if monitor is not None and not _ADDRESS.fullmatch(monitor):
        raise UsageError(f"expected HOST:PORT, for example {DEFAULT_MONITOR}", where=f"--monitor {monitor!r}")
    source = open_source(source_name)
    kind, _, place = source.name.partition(":")
    root = Path(place) if kind == "sim" else None
    snapshot, problem = None, None
    verdicts: tuple[Verdict, ...] = ()
    try:
        snapshot, verdicts = watch(source, seconds)
    except NodeError as error:
        problem = error
    finally:
        source.close()
    return Surroundings(
        source.name,
        snapshot,
        problem,
        root,
        environment,
        monitor or DEFAULT_MONITOR,
        monitor_named=monitor is not None,
        verdicts=verdicts,
    )


def run_checks(around: Surroundings) -> list[Finding]:
    """Run every check."""
    return [finding for check in CHECKS for finding in check(around)]

"""Checks of the environment: limits, variables, endpoints, installed packages."""

from __future__ import annotations

import http.client
import platform
import resource
import socket
import sys
from collections.abc import Iterator
from importlib import metadata
from typing import TYPE_CHECKING

from neuron_tools.gatherinfo.finding import Finding, Surroundings, failed, failed_by, passed, warned
from runtime_core.nrt import NrtError
from runtime_core.nrt.config import read_config

if TYPE_CHECKING:
    from packaging.requirements import Requirement

DISTRIBUTION = "neuron-tools-sim"
_RTD_VARIABLE = "NEURON_RTD_ADDRESS"
_OPEN_FILES_WARN = 1024
_PROCESSES_WARN = 512
_PATIENCE_SECONDS = 2.0
_METRICS_BYTES = 1 << 20


def check_limits(around: Surroundings) -> Iterator[Finding]:
    """Check that the limits on open files and threads are high enough."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    tasks = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    low = []
    if files != resource.RLIM_INFINITY and files < _OPEN_FILES_WARN:
        low.append(f"{files} open files (ulimit -n {_OPEN_FILES_WARN})")
    if tasks != resource.RLIM_INFINITY and tasks < _PROCESSES_WARN:
        low.append(f"{tasks} threads (ulimit -u {_PROCESSES_WARN})")
    if low:
        yield warned("limits", f"too low: {', '.join(low)}", "raise them with ulimit or in /etc/security/limits.conf")
        return
    shown = "no limit" if files == resource.RLIM_INFINITY else str(files)
    yield passed("limits", f"open files: {shown}")


def check_variables(around: Surroundings) -> Iterator[Finding]:
    """Check that the runtime would accept the environment's variables."""
    named = sorted(name for name in around.environment if name.startswith(("NEURON", "AWS_NEURON")))
    try:
        config = read_config(around.environment)
    except NrtError as error:
        yield failed_by("variables", error, "set it as the documentation describes, or unset it")
        return
    for warning in config.warnings:
        yield warned("variables", warning.what, warning.mend)
    if not config.warnings:
        yield passed("variables", ", ".join(named) if named else "none are set")


def _connect(address: str) -> str:
    """Connect to ``unix:/path`` or ``host:port``; return the error, or "" on success."""
    try:
        if address.startswith("unix:"):
            with socket.socket(socket.AF_UNIX) as end:
                end.settimeout(_PATIENCE_SECONDS)
                end.connect(address.removeprefix("unix:"))
            return ""
        host, _, port = address.rpartition(":")
        socket.create_connection((host.strip("[]"), int(port)), _PATIENCE_SECONDS).close()
        return ""
    except (OSError, ValueError, OverflowError) as error:
        return getattr(error, "strerror", None) or str(error) or "no answer"


def check_rtd(around: Surroundings) -> Iterator[Finding]:
    """Check that the neuron-rtd daemons in use respond."""
    listed = [runtime.address for runtime in around.snapshot.runtimes] if around.snapshot else []
    addresses = [address for address in (around.environment.get(_RTD_VARIABLE, ""), *listed) if address]
    if not addresses:
        yield passed("neuron-rtd", "none is in use")
    for address in dict.fromkeys(addresses):
        problem = _connect(address)
        if problem:
            mend = f"start it with 'neuron-rtd -g {address}', or correct {_RTD_VARIABLE}"
            yield failed("neuron-rtd", f"{address} does not respond: {problem}", mend)
        else:
            yield passed("neuron-rtd", f"{address} answers")
            yield from _check_access(address)


def _check_access(address: str) -> Iterator[Finding]:
    """Check whether other hosts can use a daemon without a certificate or a token."""
    try:
        import grpc

        from runtime_core.rtd.client import Client
        from runtime_core.rtd.config import is_local
        from runtime_core.rtd.credentials import Credentials
        from runtime_core.rtd.proto import common_pb2
        from runtime_core.rtd.status import RtdError
    except ImportError:
        return  # Without the extra, there is no client for the check.
    if address.startswith("unix:") or is_local(address):
        return
    try:
        with Client(address, Credentials()) as client:
            client.wait_until_ready(_PATIENCE_SECONDS)
            client.stubs["list_egs"](common_pb2.empty(), timeout=_PATIENCE_SECONDS)
    except (grpc.RpcError, RtdError):
        yield passed("neuron-rtd access", f"{address} refuses clients without credentials")
        return
    yield warned(
        "neuron-rtd access",
        f"other hosts can reach {address}, and it accepts every client",
        "set tls_cert_file, tls_key_file and token_file in its configuration, or listen on a Unix socket",
    )


def check_monitor(around: Surroundings) -> Iterator[Finding]:
    """Check that the metrics exporter returns the node's metrics."""
    host, _, port = around.monitor.rpartition(":")
    mend = "start it with 'neuron-monitor --prometheus', or give its address with --monitor HOST:PORT"
    connection = None
    try:
        connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=_PATIENCE_SECONDS)
        connection.request("GET", "/metrics")
        answer = connection.getresponse()
        text = answer.read(_METRICS_BYTES)
    except (OSError, ValueError, OverflowError, http.client.HTTPException) as error:
        why = getattr(error, "strerror", None) or str(error) or "no answer"
        if around.monitor_named:
            yield failed("exporter", f"{around.monitor} does not respond: {why}", mend)
        else:
            yield passed("exporter", f"none on {around.monitor}")
        return
    finally:
        if connection is not None:
            connection.close()
    if answer.status == http.HTTPStatus.OK and b"neuron" in text:
        yield passed("exporter", f"{around.monitor} returns metrics")
    elif around.monitor_named:
        yield failed("exporter", f"{around.monitor} returns status {answer.status} without metrics of the node", mend)
    else:
        yield passed("exporter", f"another program listens on {around.monitor}")


def requirements() -> list[Requirement]:
    """Return the requirements of the installed suite, including its extras."""
    from packaging.requirements import Requirement

    return [Requirement(line) for line in metadata.requires(DISTRIBUTION) or ()]


def _extra(requirement: Requirement) -> bool:
    """Return whether only an extra requires it."""
    return requirement.marker is not None and not requirement.marker.evaluate({"extra": ""})


def installed_version(name: str) -> str | None:
    """Return the version of an installed distribution."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def check_versions(around: Surroundings) -> Iterator[Finding]:
    """Check that the packages required by the suite are installed, in supported versions."""
    try:
        wanted = requirements()
    except metadata.PackageNotFoundError:
        yield warned("versions", f"{DISTRIBUTION} is not installed as a package", f"pip install {DISTRIBUTION}")
        return
    wrong = 0
    for requirement in wanted:
        version = installed_version(requirement.name)
        needed = not _extra(requirement)
        if version is None and needed:
            wrong += 1
            yield failed("versions", f"{requirement.name} is missing", f"pip install '{requirement}'")
        elif version is not None and not requirement.specifier.contains(version, prereleases=True):
            wrong += 1
            plain = f"{requirement.name}{requirement.specifier}"
            found = f"{requirement.name} {version} is installed, {requirement.specifier} is required"
            yield (failed if needed else warned)("versions", found, f"pip install '{plain}'")
    if not wrong:
        suite = installed_version(DISTRIBUTION)
        yield passed("versions", f"{DISTRIBUTION} {suite} on Python {platform.python_version()}, {sys.platform}")

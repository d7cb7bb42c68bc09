"""Users of NeuronCores other than processes: pods, as listed by the kubelet, and Slurm jobs, from cgroups."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Protocol

from neuron_monitor import report as out
from runtime_core.telemetry import Snapshot

if TYPE_CHECKING:
    from runtime_core.telemetry.kubelet.client import Kubelet

PERIOD_SECONDS = 15.0
"""Seconds between requests to the kubelet."""

_PROC = Path("/proc")
_MAX_CGROUP_BYTES = 16 << 10
# slurmd's cgroup plugins: v1 .../slurm/uid_1000/job_42/step_0, v2 .../slurmstepd.scope/job_42/step_0.
_SLURM_JOB = re.compile(rb"/(?:slurm|slurm_[^/\n]+|[^/\n]*slurmstepd\.scope)(?:/uid_\d+)?/job_(\d{1,12})(?:/|$)", re.M)


class CoreUsers(NamedTuple):
    """Pods and Slurm jobs by global NeuronCore index."""

    pods: Mapping[int, out.CoreUser]
    jobs: Mapping[int, str]


class UserSource(Protocol):
    """A source of the users of the cores."""

    def users(self, snapshot: Snapshot, hardware: out.HardwareInfo) -> CoreUsers:
        """Return the users that are known now, without waiting."""
        ...

    def close(self) -> None:
        """Close open files."""
        ...


def slurm_job(pid: int, proc: Path = _PROC) -> str | None:
    """Return the Slurm job of a process from the path of its cgroup, or ``None`` if there is none or it is unknown."""
    try:
        with open(proc / str(pid) / "cgroup", "rb") as file:
            found = _SLURM_JOB.search(file.read(_MAX_CGROUP_BYTES))
    except OSError:
        return None
    return None if found is None else found[1].decode()


class Pods:
    """Requests the pods from the kubelet periodically."""

    def __init__(self, kubelet: Kubelet, period_seconds: float = PERIOD_SECONDS) -> None:
        """Start the requests.

        Args:
            kubelet: a connection to the kubelet.
            period_seconds: time between requests.
        """
        from neuron_monitor.k8s.watch import Watch

        self._kubelet = kubelet
        self._watch = Watch(kubelet.holdings, period_seconds)
        self._of: tuple[object, int | None, int | None] | None = None
        self._pods: dict[int, out.CoreUser] = {}

    def users(self, snapshot: Snapshot, hardware: out.HardwareInfo) -> CoreUsers:
        """See :class:`UserSource`."""
        from neuron_monitor.k8s.users import users

        answer = self._watch.latest(1.0 if self._of is None else 0.0)
        of = (answer, hardware.neuron_device_count, hardware.neuroncore_per_device_count)
        if of != self._of:
            self._of = of
            known = users(answer.holdings, *of[1:])
            self._pods = {int(core): user for core, user in known.cores.items()}
        return CoreUsers(self._pods, {})

    def close(self) -> None:
        """See :class:`UserSource`."""
        self._watch.close(self._kubelet.close)


class SlurmJobs:
    """Reads the cgroups of the processes that own cores."""

    def users(self, snapshot: Snapshot, hardware: out.HardwareInfo) -> CoreUsers:
        """See :class:`UserSource`."""
        jobs = {}
        for runtime in snapshot.runtimes:
            job = slurm_job(runtime.pid)
            if job is not None:
                jobs.update(dict.fromkeys(runtime.cores, job))
        return CoreUsers({}, jobs)

    def close(self) -> None:
        """See :class:`UserSource`."""

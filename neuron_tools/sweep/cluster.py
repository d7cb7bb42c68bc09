"""Run jobs on a Dask cluster. If a worker is lost, Dask runs its jobs again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence

import msgspec

from neuron_console.extras import requires
from neuron_tools.sweep.job import Done, Job, execute
from runtime_core import __version__
from runtime_core.errors import NeuronError

_TIMEOUT_SECONDS = 10


def worker_version() -> str:
    """The version of the suite in this process."""
    return __version__


class DaskEngine:
    """See :class:`.job.Engine`."""

    def __init__(self, address: str) -> None:
        """``address``: address of the scheduler, ``tcp://HOST:PORT`` or ``tls://HOST:PORT``."""
        self._address = address

    def run(self, jobs: Sequence[Job]) -> Iterator[Done]:
        """See the protocol."""
        with requires("dask"):
            from distributed import Client, as_completed
            from distributed.scheduler import KilledWorker
        try:
            client = Client(self._address, timeout=_TIMEOUT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise NeuronError(
                f"no Dask scheduler responds: {error}", where=self._address, mend="start one with 'dask scheduler'"
            ) from None
        futures = {}
        try:
            self._check(client)
            # Unique names, so that Dask runs equal jobs of two sweeps twice.
            sweep = uuid.uuid4().hex
            for job in jobs:
                future = client.submit(execute, msgspec.json.encode(job), key=f"neuron-{sweep}-{job.number}")
                futures[future.key] = future, job
            for future in as_completed([future for future, _ in futures.values()], loop=client.loop):
                _, job = futures[future.key]
                try:
                    yield msgspec.json.decode(future.result(), type=Done)
                except KilledWorker as error:
                    yield Done(job.number, error=f"Dask's workers died with it: {error.last_worker.address}")
        finally:
            client.cancel([future for future, _ in futures.values()], force=True)
            client.close()

    def _check(self, client: Client) -> None:  # type: ignore[name-defined]  # noqa: F821
        try:
            versions = client.run(worker_version)
        except ImportError as error:
            raise NeuronError(
                f"a worker cannot import the suite: {error}", where=self._address,
                mend=f"install version {__version__} on all workers",
            ) from None  # fmt: skip
        if not versions:
            raise NeuronError("the Dask scheduler has no workers", where=self._address, mend="start 'dask worker'")
        for worker, version in versions.items():
            if version != __version__:
                raise NeuronError(
                    f"the worker has version {version} of the suite, not {__version__}", where=worker,
                    mend="install the same version on all workers",
                )  # fmt: skip

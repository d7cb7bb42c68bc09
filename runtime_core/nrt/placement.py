"""Choose the NeuronCores of a model from those that a runtime owns."""

from __future__ import annotations

from runtime_core.nrt.arguments import whole
from runtime_core.status import NrtError, NrtStatus


class Placement:
    """Chooses the cores for each load."""

    def __init__(self, cores: tuple[int, ...]) -> None:
        """Choose from ``cores`` (global indices)."""
        self._cores = cores
        self._next = 0

    def choose(self, needed: int, start_nc: int, nc_count: int, taken: set[int]) -> tuple[int, ...]:
        """Return the global indices of the cores for a model.

        Args:
            needed: cores that the model requires.
            start_nc: first core, an index into the owned cores; -1: the next free ones.
            nc_count: cores that the model may use; -1: as many as it requires.
            taken: global indices of the cores that hold a model.

        Raises:
            NrtError: INVALID for a start or a count out of range, LOAD_NOT_ENOUGH_NC.
        """
        start_nc, nc_count = whole(start_nc, "start_nc"), whole(nc_count, "nc_count")
        owned = len(self._cores)
        if start_nc < -1 or nc_count < -1 or nc_count == 0 or start_nc >= owned:
            raise NrtError(
                NrtStatus.INVALID, f"start core {start_nc}, count {nc_count}: the process owns cores 0 to {owned - 1}"
            )
        available = owned if start_nc < 0 else owned - start_nc
        wanted = needed if nc_count < 0 else nc_count
        if needed > wanted or wanted > available:
            raise NrtError(
                NrtStatus.LOAD_NOT_ENOUGH_NC,
                f"the model needs {needed} NeuronCore(s), {min(wanted, available)} of the {owned} owned can be used",
            )
        if start_nc < 0:
            start_nc = self._first_free(needed, taken)
            self._next = (start_nc + needed) % owned
        return self._cores[start_nc : start_nc + needed]

    def _first_free(self, needed: int, taken: set[int]) -> int:
        """The first run of cores without a model; if there is none, the cores after those of the last load."""
        for start in range(len(self._cores) - needed + 1):
            if taken.isdisjoint(self._cores[start : start + needed]):
                return start
        return self._next if self._next + needed <= len(self._cores) else 0

"""What the nodes of a group share: the states that were measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from neuron_tools.fleet.calibrate import Calibration, State, calibrate
from neuron_tools.fleet.schema import Fleet, GroupSpec


class Known(NamedTuple):
    """A state that was measured.

    Attributes:
        calibration: of the state.
        numbers: of each slot's series.
        every: all slots.
        moving: those whose value changes within the state.
        moving_lines: their lines.
        decimal_places: those of the moving ones that are not whole.
    """

    calibration: Calibration
    numbers: NDArray[np.int64]
    every: NDArray[np.int64]
    moving: NDArray[np.int64]
    moving_lines: tuple[int, ...]
    decimal_places: tuple[int, ...]


def _known(made: Calibration, numbers: NDArray[np.int64]) -> Known:
    moving = np.flatnonzero((made.slope != 0) | made.gauge)
    return Known(
        made, numbers, np.arange(len(numbers)), moving, tuple(made.slots[slot] for slot in moving),
        tuple(np.flatnonzero(made.decimal[moving]).tolist()),
    )  # fmt: skip


class GroupModel:
    """What the nodes of a group share: the states that were measured, and a number for each series."""

    def __init__(self, fleet: Fleet, group: GroupSpec, folder: Path, *, reduced: bool = False) -> None:
        """Nothing is measured before it is needed."""
        self.group = group
        self._measure: Callable[[State], Calibration] = lambda state: calibrate(
            fleet, group, folder, state, reduced=reduced
        )
        self._known: dict[State, Known] = {}
        self._numbers: dict[str, int] = {}

    def of(self, state: State) -> Known:
        """What is known of a state.

        Raises:
            UsageError: see :func:`.calibrate.calibrate`.
        """
        found = self._known.get(state)
        if found is None:
            made = self._measure(state)
            numbers = [self._numbers.setdefault(series, len(self._numbers)) for series in made.series]
            found = self._known[state] = _known(made, np.array(numbers, np.int64))
        return found

    @property
    def series_count(self) -> int:
        """How many counters all states together have."""
        return len(self._numbers)

    @property
    def state_count(self) -> int:
        """How many states were measured."""
        return len(self._known)

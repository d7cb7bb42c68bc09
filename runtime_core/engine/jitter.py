"""Spread of execution times: the host's scheduler delays host work, and chip neighbours disturb a node's DMA."""

from __future__ import annotations

import math
import random
from statistics import NormalDist

from runtime_core.engine.timing.parameters import PARAMETERS, TimingParameters
from runtime_core.instance import CORES_PER_DEVICE

_STEPS = 256
"""Values that each distribution takes: few enough that equal times can be counted together."""
_EXPONENTIAL = tuple(-math.log(1 - (step + 0.5) / _STEPS) for step in range(_STEPS))
_NORMAL = tuple(NormalDist().inv_cdf((step + 0.5) / _STEPS) for step in range(_STEPS))


class Jitter:
    """Random factors of host work and of device time, from a seed. Both have a mean of 1, so throughput stays."""

    def __init__(self, seed: str, parameters: TimingParameters = PARAMETERS) -> None:
        """Start the sequence that belongs to ``seed``."""
        self._random = random.Random(seed).random  # noqa: S311 - repeatable by design
        host, device = parameters.host_jitter_ratio, parameters.device_jitter_ratio
        self._host = tuple(1 + host * (value - 1) for value in _EXPONENTIAL)
        # A core alone has the DRAM channel to itself; each active neighbour adds an equal part of the spread.
        self._device = tuple(
            tuple(1 + device * neighbours / (CORES_PER_DEVICE - 1) * value for value in _NORMAL)
            for neighbours in range(CORES_PER_DEVICE)
        )

    def host_ns(self, work_ns: int) -> int:
        """The host work of one execution."""
        return int(work_ns * self._host[int(self._random() * _STEPS)])

    def device_ns(self, duration_ns: int, neighbours: int) -> int:
        """The time of one node on its core, with ``neighbours`` active cores on its chip."""
        return int(duration_ns * self._device[neighbours][int(self._random() * _STEPS)])

"""What injected faults do to loads and executions. Without an active fault the engine never comes here."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults import ecc
from runtime_core.driver.faults.slots import Fault, FaultWatch, strike
from runtime_core.driver.faults.table import CLASS_STATUS, FAULTS, Effect, FaultKind, Side
from runtime_core.driver.kernel_log import log_hardware_error
from runtime_core.engine.timing.model import dram_transfer_ns
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.status import NrtError, NrtStatus
from runtime_core.topology import device_of_core

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.generic]

_ECC = {
    FaultKind.MEM_ECC_CORRECTED: ecc.MEM_CORRECTED,
    FaultKind.MEM_ECC_UNCORRECTED: ecc.MEM_UNCORRECTED,
    FaultKind.SRAM_ECC_CORRECTED: ecc.SRAM_CORRECTED,
    FaultKind.SRAM_ECC_UNCORRECTED: ecc.SRAM_UNCORRECTED,
}


_OF_EXECUTIONS = Effect.EVENTS | Effect.REFUSAL | Effect.SLOWER | Effect.FAILURE | Effect.TRANSFER
"""Other faults affect the start of a runtime, or a load."""


class Blow(NamedTuple):
    """A fault that struck: the status of the call that met it (SUCCESS: it goes on), and what the log says."""

    status: NrtStatus
    message: str


def _has(fault: Fault, effect: Effect) -> bool:
    return bool(FAULTS[fault.kind].effect & effect)


def _place(fault: Fault, core: int) -> str:
    if FAULTS[fault.kind].scope.value == "core":
        return f"nc{core}"
    return f"Neuron Device {device_of_core(core)}"


def blow(fault: Fault, place: str) -> Blow:
    """The status and log line of ``fault`` at ``place``."""
    row = FAULTS[fault.kind]
    status = CLASS_STATUS[fault.error] if fault.kind is FaultKind.EXECUTION_ERROR else row.status
    return Blow(status, row.message.format(place=place, error=fault.error.value))


class Faults:
    """The faults of a node as one runtime meets them."""

    def __init__(self, store: Datastore, tag: str) -> None:
        """Follow the table of ``store``; what happens by chance follows from the node's seed and the runtime's tag."""
        self._store = store
        self._watch = FaultWatch(store)
        self._rng = random.Random(f"{store.header.seed}:{tag}")  # noqa: S311 - chance that can be repeated
        self._told: set[int] = set()
        self.active: Callable[[int], tuple[Fault, ...]] = self._watch.active
        self.table: Callable[[], tuple[Fault, ...]] = self._watch.table

    def may_meet(self, cores: Sequence[int], has_links: bool, now_ns: int) -> bool:
        """Whether the table holds a fault that executions on ``cores`` meet at ``now_ns`` or later.

        Args:
            cores: global.
            has_links: the executions use links, which can be those of any device between their cores.
            now_ns: on the node's clock.
        """
        return any(
            has_links if _has(fault, Effect.TRANSFER) else any(map(fault.hits_core, cores))
            for fault in self._watch.table()
            if _has(fault, _OF_EXECUTIONS) and not fault.is_over(now_ns)
        )

    def strikes(self, fault: Fault) -> bool:
        """Whether ``fault``, which could strike now, does."""
        if fault.ratio < 1.0 and self._rng.random() >= fault.ratio:
            return False
        return bool(strike(self._store, fault))

    def events(self, fault: Fault, busy_seconds: float) -> int:
        """ECC events met in so much work: all that are left of a burst (one, when it is fatal), or by the rate."""
        if fault.remaining is not None and not fault.amount:
            wanted = fault.remaining if FAULTS[fault.kind].status is NrtStatus.SUCCESS else 1
        else:
            wanted = _poisson(self._rng, fault.amount * busy_seconds)
        return strike(self._store, fault, wanted) if wanted else 0

    def count_ecc(self, fault: Fault, device: int, events: int) -> None:
        """Count what was met."""
        ecc.count_ecc(self._store, device, _ECC[fault.kind], events)

    def log_hardware_error(self, fault: Fault, device: int, cores: Sequence[int]) -> None:
        """Write the driver's line for a fault that an execution on ``cores`` met, where it has one."""
        core = next((core for core in cores if device_of_core(core) == device), device * CORES_PER_DEVICE)
        log_hardware_error(self._store, fault.kind, device, core, time.time())

    def first_time(self, fault: Fault) -> bool:
        """Whether this process has not told of the fault yet."""
        new = fault.fault_id not in self._told
        self._told.add(fault.fault_id)
        return new

    def on_execution(self, cores: Sequence[int], now_ns: int) -> Harm | None:
        """What happens to an execution on ``cores`` (global); ``None``: nothing, as where :attr:`table` is empty."""
        faults = self.active(now_ns)
        met = [f for f in faults if any(f.hits_core(core) for core in cores)]
        # A link is met on the way, also where it belongs to a device between those of the model.
        met += [f for f in faults if _has(f, Effect.TRANSFER) and f not in met]
        return Harm(self, met, cores) if met else None

    def dram_limits(self, cores: Sequence[int], now_ns: int) -> dict[int, int]:
        """Devices of ``cores`` that have no more than so many bytes of DRAM to give."""
        limits: dict[int, int] = {}
        for fault in self.active(now_ns):
            if fault.kind is FaultKind.DRAM_FULL:
                devices = {device_of_core(core) for core in cores if fault.hits_core(core)}
                if devices and self.strikes(fault):
                    limits |= {d: min(int(fault.amount), limits.get(d, int(fault.amount))) for d in devices}
        return limits

    def refuse_load(self, cores: Sequence[int], now_ns: int) -> None:
        """Fail a load on ``cores`` when a fault wants it.

        Raises:
            NrtError: FAILURE, or EXEC_UNIT_UNRECOVERABLE on a device that is lost.
        """
        for fault in self.active(now_ns):
            core = next((c for c in cores if fault.hits_core(c)), None)
            if _has(fault, Effect.LOAD) and core is not None and self.strikes(fault):
                raise NrtError(*blow(fault, _place(fault, core)))


class Harm:
    """What the active faults do to one execution."""

    def __init__(self, faults: Faults, met: Sequence[Fault], cores: Sequence[int]) -> None:
        """Decide by chance and count which of ``met`` strike."""
        self._faults = faults
        self._cores = cores
        self._busy_ns: dict[int, int] = {}
        self._warnings: list[str] = []
        self._blows: list[Blow] = []
        self._aborted = False
        self._links = [f for f in met if _has(f, Effect.TRANSFER)]
        self._ecc = [f for f in met if _has(f, Effect.EVENTS)]
        self._slowing: list[Fault] = []
        self._hung: tuple[Fault, int] | None = None
        self.refusal: Blow | None = None
        for fault in met:
            core = next((c for c in cores if fault.hits_core(c)), None)
            if core is None or _has(fault, Effect.TRANSFER | Effect.EVENTS):
                continue
            if _has(fault, Effect.REFUSAL):
                if self.refusal is None and faults.strikes(fault):
                    self.refusal = blow(fault, _place(fault, core))
            elif _has(fault, Effect.SLOWER | Effect.FAILURE) and self.refusal is None and faults.strikes(fault):
                if _has(fault, Effect.FAILURE):
                    self._blows.append(blow(fault, _place(fault, core)))
                else:
                    self._slowing.append(fault)

    def duration_ns(self, core: int, healthy_ns: int, dram_bytes: int, neighbours: int, timeout_ns: int) -> int:
        """Time of a node on its core.

        Args:
            core: global.
            healthy_ns: the time without faults.
            dram_bytes: what it reads from and writes to the chip's DRAM.
            neighbours: how many other cores share that now.
            timeout_ns: when the core is given up.
        """
        duration_ns = healthy_ns
        for fault in self._slowing:
            if not fault.hits_core(core):
                continue
            if fault.kind is FaultKind.CORE_HANG:
                self._hung = fault, core
                return timeout_ns + 1
            if fault.kind is FaultKind.DRAM_BANDWIDTH:
                duration_ns = max(duration_ns, dram_transfer_ns(dram_bytes, neighbours + 1, fault.amount))
                self._warn(fault, core)
        for fault in self._slowing:
            if fault.kind is FaultKind.SLOW_CORE and fault.hits_core(core):
                duration_ns = round(duration_ns * fault.amount)
                self._warn(fault, core)
        device = device_of_core(core)
        self._busy_ns[device] = self._busy_ns.get(device, 0) + min(duration_ns, timeout_ns)
        return duration_ns

    def _warn(self, fault: Fault, core: int) -> None:
        if self._faults.first_time(fault):
            self._warnings.append(blow(fault, _place(fault, core)).message)

    def transfer(self, path: Sequence[tuple[int, bool]], healthy_ns: int) -> tuple[int, int]:
        """What becomes of a transfer over links: its time, and how many links of the path carry it.

        A link that is down fails the execution: neither it nor a later link carries anything.

        Args:
            path: links as (sending device, eastward), in the order of the transfer.
            healthy_ns: the time without faults.
        """
        slowest = 1.0
        carried = 0
        for device, eastward in path:
            side = Side.EAST if eastward else Side.WEST
            for fault in self._links:
                if fault.side not in (side, Side.BOTH) or not fault.hits_device(device):
                    continue
                place = f"the {side.value.capitalize()} link of Neuron Device {device}"
                if not self._faults.strikes(fault):
                    continue
                if fault.kind is FaultKind.LINK_DOWN:
                    self._aborted = True
                    self._blows.append(blow(fault, place))
                    self._faults.log_hardware_error(fault, device, self._cores)
                else:
                    slowest = max(slowest, fault.amount)
                    if self._faults.first_time(fault):
                        self._warnings.append(blow(fault, place).message)
            carried += not self._aborted
        # Store and forward: each hop takes its share of the time.
        hops = max(1, len(path))
        return round(healthy_ns * (hops - 1 + slowest) / hops), carried

    def settle(self, timed_out: bool) -> tuple[Blow | None, tuple[str, ...]]:
        """After the work was placed: how the execution ends (``None``: as it would have), and warnings for the log."""
        for fault in self._ecc:
            for device, busy_ns in self._busy_ns.items():
                events = self._faults.events(fault, busy_ns / 1e9) if fault.hits_device(device) else 0
                if not events:
                    continue
                self._faults.count_ecc(fault, device, events)
                met = blow(fault, f"Neuron Device {device}")
                if met.status is NrtStatus.SUCCESS:
                    self._warnings.append(met.message if events == 1 else f"{met.message}, {events} times")
                else:
                    self._blows.append(met)
                    self._faults.log_hardware_error(fault, device, self._cores)
        worst = next((b for b in self._blows if b.status is not NrtStatus.EXEC_COMPLETED_WITH_NUM_ERR), None)
        if timed_out and self._hung is not None:
            fault, core = self._hung
            worst = blow(fault, _place(fault, core))
        elif worst is None and self._blows:
            worst = self._blows[0]
        return worst, tuple(self._warnings)


def spoil(outputs: Mapping[str, Array]) -> Mapping[str, Array]:
    """The results with a NaN in each that can hold one."""
    import numpy as np

    spoilt: dict[str, Array] = {}
    for name, array in outputs.items():
        spoilt[name] = array
        if array.dtype.kind in "fV" and array.size:
            spoilt[name] = array.copy()
            spoilt[name].reshape(-1)[0] = np.float32("nan")
    return spoilt


def _poisson(rng: random.Random, mean: float) -> int:
    """A Poisson variate: by counting for small means, by the normal curve for large ones."""
    if mean > 50:
        return max(0, round(rng.gauss(mean, math.sqrt(mean))))
    limit, product, count = math.exp(-mean), rng.random(), 0
    while product > limit:
        product *= rng.random()
        count += 1
    return count

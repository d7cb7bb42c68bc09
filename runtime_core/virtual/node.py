"""A node under a virtual clock: whole applications in one process, as fast as their events can be computed.

The runtimes, engine, placement and counters are the same as on any node; only the clock differs. The telemetry is the
same too: every viewer can show the node, during the run and after it. The host's figures are those of the simulated
vCPUs.
"""

from __future__ import annotations

import ctypes
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from runtime_core import __version__
from runtime_core.driver import layout
from runtime_core.driver.datastore import Datastore
from runtime_core.driver.faults.slots import FaultWatch
from runtime_core.driver.node import set_up
from runtime_core.driver.pages.buffered import BufferedPage
from runtime_core.engine.execution import LoadedModel
from runtime_core.engine.jitter import Jitter
from runtime_core.engine.shares import NodeShares
from runtime_core.errors import NodeError
from runtime_core.instance import MAX_CORES, MAX_DEVICES
from runtime_core.nrt.runtime import Runtime
from runtime_core.virtual.clients import closed_loop
from runtime_core.virtual.clock import Process, VirtualClock
from runtime_core.virtual.executions import Stop

BOOT_UNIX_NS = 1_577_836_800 * 10**9
"""Boot time of virtual nodes, 2020-01-01T00:00Z; it is fixed, so that equal runs report equal times."""
_FIRST_PID = 1001
_FAULT_GENERATION = layout.FileHeader.fault_generation.offset // 8
_RESETS = slice(
    (layout.DEVICES_OFFSET + layout.DeviceBlock.reset_count.offset) // 8,
    layout.DEVICES_OFFSET // 8 + ctypes.sizeof(layout.DeviceBlock) // 8 * MAX_DEVICES,
    ctypes.sizeof(layout.DeviceBlock) // 8,
)
_SLICE_NS = 10**9
"""Longest virtual time for which counters are kept in memory before they are published."""


class VirtualNode:
    """A node with its own clock. Not thread-safe.

    Attributes:
        root: directory of the node, for ``open_source(f"sim:{root}")`` and ``NEURON_SIM_ROOT``.
        clock: clock of the node, starting at 0; it also spawns processes.
        store: datastore of the node, open for writing.
    """

    def __init__(self, type_name: str | None = None, *, seed: int = 0, root: Path | None = None) -> None:
        """Set up a node.

        Args:
            type_name: the EC2 name of the size; default as for any node.
            seed: seed of the node's random choices.
            root: an empty or missing directory, which is kept; default: a temporary directory.

        Raises:
            UsageError: the size is unknown.
            NodeError: ``root`` already holds a node, or cannot be created.
        """
        self._temporary = Path(tempfile.mkdtemp(prefix="neuron-virtual-")) if root is None else None
        self.root = self._temporary / "node" if self._temporary else root or Path()
        self.clock = VirtualClock()
        self._pages: list[BufferedPage] = []
        self._runtimes: list[Runtime] = []
        self._busy_until_ns = [0] * MAX_CORES
        self._next_pid = _FIRST_PID
        self._changes: tuple[int, ...] = ()
        try:
            if root is not None and (root / "node.json").exists():
                raise NodeError(f"{root} already holds a node", mend="use an empty directory")
            set_up(self.root, type_name=type_name, seed=seed, boot_ns=BOOT_UNIX_NS)
            self.store = Datastore(self.root, writable=True)
        except BaseException:
            self._remove()
            raise
        self._header_words = memoryview(self.store.map)[: layout.TOTALS_OFFSET].cast("Q")
        self._faults = FaultWatch(self.store)
        self.clock.before_clients = self._watch
        self._shares = NodeShares(self.store.size)
        self.store.header.virtual_clock = 1
        self.publish()

    def __enter__(self) -> VirtualNode:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def runtime(
        self,
        *,
        cores: str | None = None,
        tag: str | None = None,
        command: str = "",
        environment: Mapping[str, str] | None = None,
        numerics: bool = False,
        jitter: bool | Jitter = False,
    ) -> Runtime:
        """Create the runtime of an application, like :class:`runtime_core.nrt.Runtime` in a separate process.

        Its ``infer`` runs the clock until the end of the execution; processes use ``engine.start`` and
        ``engine.finish``. Closing it drops executions in progress, as if the process had been killed.

        Args:
            cores: value of ``NEURON_RT_VISIBLE_CORES``; default: all cores.
            tag: its name in the tools; default: its process id.
            command: its command line in the tools.
            environment: other variables of the runtime.
            numerics: compute results.
            jitter: whether to spread execution times with the node's seed, or a given jitter.

        Raises:
            NrtError: as for :class:`runtime_core.nrt.Runtime`.
        """
        pid, self._next_pid = self._next_pid, self._next_pid + 1
        variables = dict(environment or {})
        variables.setdefault("NEURON_PROCESS_TAG", tag or str(pid))
        if cores is not None:
            variables["NEURON_RT_VISIBLE_CORES"] = cores

        def claim(store: Datastore, tag: str) -> BufferedPage:
            page = BufferedPage(
                store,
                tag=tag,
                command=command,
                version=__version__,
                start_ns=self.clock.now_ns(),
                pid=pid,
                busy_until_ns=self._busy_until_ns,
            )
            self._pages.append(page)
            return page

        made = Runtime(
            root=self.root,
            environment=variables,
            clock=self.clock,
            numerics=numerics,
            claim_page=claim,
            shares=self._shares,
            jitter=jitter,
        )
        self._runtimes.append(made)
        return made

    def spawn(self, process: Process, *models: LoadedModel) -> None:
        """Start a process; ``models``: the process only executes these."""
        self.clock.spawn(process, client=bool(models))

    def spawn_closed_loop(self, runtime: Runtime, model: LoadedModel, *, workers: int = 1, think_ns: int = 0) -> Stop:
        """Start ``workers`` clients that execute ``model`` back to back; returns an object that stops them."""
        stop = Stop()
        for _ in range(workers):
            self.spawn(closed_loop(runtime.engine, model, think_ns=think_ns, stop=stop), model)
        return stop

    def run(self, until_ns: int) -> None:
        """Run all events up to and including ``until_ns``, then publish the counters.

        During the run, readers in other processes see the counters as of the last whole second.
        """
        while self.clock.now_ns() < until_ns:
            self.clock.run(min(until_ns, self.clock.now_ns() + _SLICE_NS))
            self.publish()
        self.clock.run(until_ns)
        self.publish()

    def publish(self) -> None:
        """Publish the current counters to readers, for probes in ``clock.call_at`` and ``clock.call_every``."""
        self._pages = [page for page in self._pages if page.flush()]
        header = self.store.header
        header.core_busy_until_ns[:] = self._busy_until_ns
        header.virtual_now_ns = now_ns = self.clock.now_ns()
        header.virtual_vcpu_busy_ns = self._shares.host.busy_ns(now_ns)

    def _watch(self) -> None:
        """Make clients use the engine for each execution while a fault or a reset may affect them."""
        words = self._header_words
        now_ns = self.clock.now_ns()
        over = sum(fault.is_over(now_ns) for fault in self._faults.table())
        changes = (words[_FAULT_GENERATION], over, *words[_RESETS])
        if changes == self._changes:
            return
        self._changes = changes
        for runtime in self._runtimes:
            if runtime.alive:
                for model in runtime.models:
                    model.steady = runtime.engine.is_steady(model)

    def close(self) -> None:
        """Close the runtimes and the node; a temporary node is removed."""
        for runtime in self._runtimes:
            runtime.close()
        self.publish()
        self.store.close()
        self._remove()

    def _remove(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)

"""The neuron-rtd process: it owns the cores of its devices and serves until it is stopped."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import FrameType

from runtime_core import __version__
from runtime_core.driver import ownership
from runtime_core.driver.faults.slots import Fault, FaultWatch, device_present, seen_driver_version
from runtime_core.driver.node import open_or_set_up
from runtime_core.driver.pages.page import RuntimePage
from runtime_core.engine.clock import RealClock
from runtime_core.engine.executor import Engine
from runtime_core.nrt.config import MAX_TAG_CHARACTERS, format_cores
from runtime_core.nrt.start import DRIVER_UNKNOWN, command_line
from runtime_core.rtd.access import access_of
from runtime_core.rtd.config import DaemonConfig, check_address, choose_devices, is_local
from runtime_core.rtd.counter_service import CounterService
from runtime_core.rtd.log import Log
from runtime_core.rtd.manager import Manager
from runtime_core.rtd.network import Parameters
from runtime_core.rtd.server import Server
from runtime_core.rtd.service import NetworkService
from runtime_core.rtd.shm import SharedMemory
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr
from runtime_core.topology import topology

GRACE_SECONDS = 30.0
"""How long inferences may continue after SIGTERM."""
_END_SECONDS = 10.0
_PR_SET_TIMERSLACK = 29
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8


class Daemon:
    """A running neuron-rtd."""

    def __init__(self, config: DaemonConfig, *, root: Path | None = None) -> None:
        """Own the devices and listen.

        Args:
            config: file and command line.
            root: the node directory, default: the environment's node.

        Raises:
            UsageError: devices that the node lacks or that are not serially connected; a malformed address; see
                also :func:`.access.access_of`.
            RtdError: cores that another process owns, an address in use.
            NrtError: the node's process table is full.
            NodeError: the node cannot be used.
        """
        self.log = Log(config.level, console=config.console)
        self.address = check_address(config.file.server_port)
        self._access = access_of(config.file)
        self._stopped = False
        self._store = open_or_set_up(root)
        try:
            layout = topology(self._store.size)
            self.devices = choose_devices(layout, config, self._store.visible_devices)
            clock = RealClock()
            self._check_driver(FaultWatch(self._store).active(clock.now_ns()))
            cores = [core for device in self.devices for core in layout.devices[device].core_ids]
            self._cores = self._claim(cores)
            try:
                self._page = self._claim_page(config.file.name)
            except BaseException:
                ownership.release_cores(self._store.locks, self._cores)
                raise
        except BaseException:
            self._store.close()
            raise
        self._page.own_cores(self._cores)
        defaults = Parameters(round(config.file.timeout * 1e9), config.file.ninfer, config.file.io_dma_data_host)
        engine = Engine(self._page, clock, timeout_ns=defaults.timeout_ns)
        self.manager = Manager(engine, self._cores, self.log, SharedMemory(), config.file.model_cache_count)
        self._counters = CounterService(self.manager, self._page)
        try:
            self._server = Server(
                self.address, self.manager, NetworkService(self.manager, defaults), self._counters, self._access
            )
        except BaseException:
            self.manager.close()
            self._give_back()
            raise

    def _check_driver(self, faults: tuple[Fault, ...]) -> None:
        if not seen_driver_version(self._store.text("driver_version"), faults):
            raise RtdError(Nerr.FAIL, DRIVER_UNKNOWN)
        lost = next((device for device in self.devices if not device_present(device, faults)), None)
        if lost is not None:
            raise RtdError(Nerr.HW_ERROR, f"Neuron Device {lost} not found", mend="select other devices with -t")

    def _claim(self, cores: list[int]) -> tuple[int, ...]:
        claimed = ownership.claim_cores(self._store.locks, cores)
        if claimed is None:
            free = ownership.free_cores(self._store.locks, cores)
            taken = tuple(core for core in cores if core not in free)
            raise RtdError(
                Nerr.RESOURCE_NC,
                f"NeuronCore(s) {format_cores(tuple(sorted(taken)))} belong to another process",
                mend="stop it, or select other devices with -t (see neuron-ls)",
            )
        return tuple(claimed)

    def _claim_page(self, name: str) -> RuntimePage:
        tag = os.environ.get("NEURON_PROCESS_TAG") or name or str(os.getpid())
        return RuntimePage(
            self._store, tag=tag[:MAX_TAG_CHARACTERS], command=command_line(), version=__version__, address=self.address
        )

    def start(self) -> None:
        """Serve calls, and notify systemd."""
        self._server.start()
        devices = ", ".join(map(str, self.devices))
        self.log.info("NRTD", "main", f"neuron-rtd {__version__} serves Neuron Device(s) {devices} on {self.address}")
        reachable = not self.address.startswith("unix:") and not is_local(self.address)
        if reachable and not self._access.authenticates:
            self.log.warning(
                "NRTD",
                "main",
                f"other hosts reach {self.address}, and neuron-rtd does not authenticate clients: any of them can load "
                "and run models; set tls_cert_file and tls_key_file with tls_client_ca_file or token_file, or listen "
                "on a Unix socket or on loopback",
            )
        notify("READY=1", f"STATUS=serving Neuron Device(s) {devices} on {self.address}")

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Wait for running inferences, then release everything. A second call has no effect."""
        if self._stopped:
            return
        self._stopped = True
        notify("STOPPING=1")
        self.log.info("NRTD", "main", f"stopping: {self.manager.running} inference(s) run")
        deadline = time.monotonic() + grace_seconds
        ended = self._server.refuse(grace_seconds)
        while self.manager.running and time.monotonic() < deadline:
            time.sleep(0.005)
        if self.manager.running:
            # Only CPU nodes can still run: time on a core passes without work.
            self.log.warning("NRTD", "main", f"ending the CPU nodes of {self.manager.running} inference(s)")
            self._end_evaluations()
        self._server.end_streams()
        # The responses of the last inferences are still being sent.
        ended.wait(max(0.0, deadline - time.monotonic()))
        self._server.close()
        self.manager.close()
        self._give_back()
        self.log.info("NRTD", "main", "stopped")

    def _end_evaluations(self) -> None:
        from runtime_core.engine.numerics.watchdog import evaluations

        deadline = time.monotonic() + _END_SECONDS
        while self.manager.running and time.monotonic() < deadline:
            # Inferences that waited behind the ended ones start in their place.
            evaluations.stop_all()
            time.sleep(0.02)

    def _give_back(self) -> None:
        self._counters.close()
        self._page.release()
        ownership.release_cores(self._store.locks, self._cores)
        self._store.close()


def notify(*lines: str) -> None:
    """Notify systemd if ``$NOTIFY_SOCKET`` is set (sd_notify's protocol: a datagram to that socket)."""
    target = os.environ.get("NOTIFY_SOCKET")
    if not target:
        return
    # "@" stands for the NUL byte at the start of an abstract name.
    name = "\0" + target[1:] if target.startswith("@") else target
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.sendto("\n".join(lines).encode(), name)
    except OSError:
        return  # systemd no longer listens; continue to serve.


def wake_on_time() -> None:
    """Request a timer slack of a microsecond: the default of 50 us is as long as a small network takes."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)


def keep_freed_memory() -> None:
    """Reuse memory for tensors of some megabytes, because new pages take as long as the copy itself.

    Two arenas limit the memory that threads keep. Free memory above 64 MiB is returned to the system.
    """
    library = ctypes.CDLL(None)
    # Not every C library has mallopt.
    if hasattr(library, "mallopt"):
        for option, value in ((_M_MMAP_THRESHOLD, 32 * 2**20), (_M_TRIM_THRESHOLD, 64 * 2**20), (_M_ARENA_MAX, 2)):
            library.mallopt(option, value)


def serve(config: DaemonConfig) -> None:
    """Run a daemon until SIGTERM or SIGINT.

    Raises:
        NeuronError: it cannot start; see :class:`Daemon`.
    """
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()

    wake_on_time()
    keep_freed_memory()
    previous = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        daemon = Daemon(config)
        daemon.start()
        stopped.wait()
        daemon.stop()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)

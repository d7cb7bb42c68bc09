"""The network manager: groups, networks and sessions of one daemon."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

from runtime_core.engine.executor import Engine
from runtime_core.errors import NeuronError
from runtime_core.neff.model import Neff
from runtime_core.rtd.groups import Group, Groups, place
from runtime_core.rtd.loading import Load, NeffCache
from runtime_core.rtd.log import Level, Log
from runtime_core.rtd.network import Inference, Network
from runtime_core.rtd.posted import PostedInferences
from runtime_core.rtd.samples import Event, Samples
from runtime_core.rtd.sessions import Sessions
from runtime_core.rtd.shm import SharedMemory
from runtime_core.rtd.status import RtdError, as_rtd_error
from runtime_core.rtd.work import CoreWork
from runtime_core.status import Nerr, NrtError, NrtStatus


class Manager:
    """Owns the state of a daemon. Thread-safe.

    A group's lock is held while its networks change. The manager's own lock is acquired briefly within it, never the
    other way round. Therefore loads and unloads do not block inferences or the loads of other groups.
    """

    def __init__(
        self, engine: Engine, cores: Sequence[int], log: Log, shared_memory: SharedMemory, cache_count: int
    ) -> None:
        """Manage ``cores`` (global indices, in the order of the links between their devices)."""
        self.cores = tuple(cores)
        self.log = log
        self.shm = shared_memory
        self.sessions = Sessions()
        self.samples = Samples()
        self.posted = PostedInferences()
        self.retired_work: dict[int, CoreWork] = {}
        self._engine = engine
        self.cache = NeffCache(cache_count)
        self._groups: Groups[Network] = Groups(self.cores)
        self._networks: dict[int, Network] = {}
        self._leaving: set[Network] = set()
        self._lock = threading.RLock()
        self._closing = False

    # Groups

    @property
    def groups(self) -> list[Group[Network]]:
        """All groups, oldest first."""
        with self._lock:
            return self._groups.all()

    def group(self, group_id: int) -> Group[Network]:
        """A group by its handle.

        Raises:
            RtdError: INVALID_HANDLE.
        """
        return self._groups.get(group_id)

    def create_group(self, count: int, session_id: int, *, implicit: bool = False) -> Group[Network]:
        """Create a group of ``count`` neighbouring cores; 0: of the largest free run.

        Raises:
            RtdError: RESOURCE_NC, INVALID for a session that is not open.
        """
        with self._lock:
            self._check_open(session_id)
            group = self._groups.create(count, session_id, implicit=implicit)
        self.log.info(
            "NMGR", "create_eg", f"NCG {group.group_id}: {len(group.cores)} NeuronCore(s) from vnc {group.first_vnc}"
        )
        return group

    def destroy_group(self, group_id: int) -> None:
        """Release the cores of an empty group.

        Raises:
            RtdError: INVALID_HANDLE, FAILED_STATE when it holds a network.
        """
        group = self.group(group_id)
        with group.lock:
            if group.networks:
                raise RtdError(
                    Nerr.FAILED_STATE,
                    f"NCG {group_id} holds {len(group.networks)} network(s)",
                    mend="unload them first",
                )
            self._forget_group(group)

    def _forget_group(self, group: Group[Network]) -> None:
        group.destroyed = True
        with self._lock:
            self._groups.remove(group)
        self.log.info("NMGR", "destroy_eg", f"NCG {group.group_id} destroyed")

    # Networks

    @property
    def networks(self) -> list[Network]:
        """All loaded networks, oldest first."""
        with self._lock:
            return list(self._networks.values())

    def network(self, handle: int) -> Network:
        """A network by its handle.

        Raises:
            RtdError: INVALID_HANDLE.
        """
        found = self._networks.get(handle)
        if found is None:
            raise RtdError(Nerr.INVALID_HANDLE, f"network {handle} is not loaded", mend="load it first")
        return found

    def load(self, load: Load) -> Network:
        """Load a network into its group, in standby; without a group, create one for it and start the network.

        Raises:
            RtdError: INVALID_HANDLE, RESOURCE_NC, INVALID.
            NrtError: the NEFF is refused, or there is not enough memory for it.
        """
        started_ns = time.monotonic_ns()
        self._check_open(load.session_id)
        try:
            neff = self.cache.unpack(load.content)
        except NrtError as error:
            self._engine.count_load_failure(error.status, self.cores[:1])
            raise
        if load.group_id:
            network = self._load_into(self.group(load.group_id), neff, load)
        else:
            try:
                group = self.create_group(neff.graph.core_count, load.session_id, implicit=True)
            except RtdError:
                self._engine.count_load_failure(NrtStatus.LOAD_NOT_ENOUGH_NC, self.cores[:1])
                raise
            try:
                network = self._load_into(group, neff, load)
            except BaseException:
                self._forget_group(group)
                raise
        self.samples.add(Event.LOAD, time.monotonic_ns() - started_ns)
        self.samples.loaded(neff)
        where = f"NCG {network.group.group_id}" + (" (shared NC)" if network.shared else "")
        self.log.info("NMGR", "load", f"loaded {neff.graph.name!r} as {network.handle} into {where}")
        return network

    def _load_into(self, group: Group[Network], neff: Neff, load: Load) -> Network:
        with group.lock:
            if group.destroyed:
                raise RtdError(
                    Nerr.INVALID_HANDLE, f"NeuronCore Group {group.group_id} not found", mend="create it first"
                )
            if group.implicit and group.networks:
                raise RtdError(
                    Nerr.INVALID, f"NCG {group.group_id} is reserved for its network", mend="create a group first"
                )
            try:
                cores, shared = place(neff.graph, group.cores)
            except RtdError:
                self._engine.count_load_failure(NrtStatus.LOAD_NOT_ENOUGH_NC, group.cores)
                raise
            model = self._engine.load(neff, cores, running=False, timeout_ns=load.parameters.timeout_ns)
            try:
                network = Network(self._engine, model, group, load.parameters, load.session_id, shared=shared)
            except NrtError:
                self._engine.unload(model)
                raise
            group.networks[network.handle] = network
            try:
                with self._lock:
                    # If the session ended while the NEFF was being sent, nothing would free the network.
                    self._check_open(load.session_id)
                    self._networks[network.handle] = network
            except RtdError:
                del group.networks[network.handle]
                network.unload()
                raise
            if group.implicit:
                self._start(network)
        return network

    def unload(self, handle: int) -> None:
        """Unload a network after its running inferences; an implicit group is destroyed with it.

        Raises:
            RtdError: INVALID_HANDLE.
        """
        with self._lock:
            network = self.network(handle)
            del self._networks[handle]
        self._unload(network)

    def _unload(self, network: Network) -> None:
        started_ns = time.monotonic_ns()
        group = network.group
        with group.lock:
            was_started = network.started
            with self._lock:
                self._leaving.add(network)
            try:
                network.unload()
            finally:
                with self._lock:
                    self._leaving.discard(network)
            if was_started:
                self.samples.add(Event.STOP, time.monotonic_ns() - started_ns)
            self.posted.drop(network)
            group.networks.pop(network.handle, None)
            with self._lock:
                for core, work in network.work.items():
                    self.retired_work[core] = self.retired_work.get(core, CoreWork()).plus(work, network.executed)
            if group.implicit:
                self._forget_group(group)
        self.samples.add(Event.UNLOAD, time.monotonic_ns() - started_ns)
        self.log.info("NMGR", "unload", f"unloaded {network.model.graph.name!r}, {network.handle}")

    def unload_all(self) -> None:
        """Unload every network; explicit groups stay."""
        with self._lock:
            networks = list(self._networks.values())
            self._networks.clear()
        for network in networks:
            self._unload(network)

    def start(self, handle: int) -> None:
        """Start a network; the running network of its group is stopped first.

        Raises:
            RtdError: INVALID_HANDLE.
        """
        network = self.network(handle)
        with network.group.lock:
            self._check_loaded(network)
            running = network.group.started
            if running is network:
                return
            if running is not None:
                self._stop(running)
            self._start(network)

    def _check_loaded(self, network: Network) -> None:
        """Check that it was not unloaded while the caller waited for the group's lock."""
        if network.handle not in network.group.networks:
            raise RtdError(Nerr.INVALID_HANDLE, f"network {network.handle} is not loaded", mend="load it first")

    def _start(self, network: Network) -> None:
        started_ns = time.monotonic_ns()
        network.start()
        self.samples.add(Event.START, time.monotonic_ns() - started_ns)
        self.log.info("NMGR", "start", f"started {network.handle}")

    def stop(self, handle: int) -> None:
        """Put a network in standby, after its running inferences.

        Raises:
            RtdError: INVALID_HANDLE.
        """
        network = self.network(handle)
        with network.group.lock:
            self._check_loaded(network)
            if network.started:
                self._stop(network)

    def _stop(self, network: Network) -> None:
        started_ns = time.monotonic_ns()
        network.stop()
        self.samples.add(Event.STOP, time.monotonic_ns() - started_ns)
        self.log.info("NMGR", "stop", f"stopped {network.handle}")

    # Sessions

    def _check_open(self, session_id: int) -> None:
        if self._closing:
            raise RtdError(Nerr.FAILED_STATE, "neuron-rtd is stopping", mend="try again when it is back")
        self.sessions.check(session_id)

    def end_session(self, session_id: int) -> None:
        """Free everything that was created under a session."""
        with self._lock:
            if not self.sessions.end(session_id):
                return
            groups = [g for g in self._groups.all() if g.session_id == session_id]
            networks = [
                n for n in self._networks.values() if n.session_id == session_id or n.group.session_id == session_id
            ]
            for network in networks:
                del self._networks[network.handle]
        for network in networks:
            self._unload(network)
        for group in groups:
            self._clear_group(group)
        self.shm.end_session(session_id)
        if groups or networks:
            freed = f"{len(groups)} NCG(s) and {len(networks)} network(s) freed"
            self.log.info("NMGR", "session_monitor", f"session {session_id} ended: {freed}")

    def _clear_group(self, group: Group[Network]) -> None:
        """Destroy a group and the networks in it."""
        with group.lock:
            if group.destroyed:
                return
            group.destroyed = True
            for network in list(group.networks.values()):
                with self._lock:
                    self._networks.pop(network.handle, None)
                self._unload(network)
            self._forget_group(group)

    def close(self) -> None:
        """Free everything and refuse later calls."""
        with self._lock:
            self._closing = True
        self.unload_all()
        for group in self.groups:
            self._clear_group(group)
        self.shm.close()

    def error(self, place: str, error: NeuronError) -> RtdError:
        """Log an expected failure of a call and convert it to an error with a NERR code."""
        failed = as_rtd_error(error)
        # A client that finds the queue full retries, possibly very often.
        level = Level.DEBUG if failed.code is Nerr.QUEUE_FULL else Level.ERROR
        self.log.write(level, "NMGR", place, f"{failed} (status {failed.code.value})")
        return failed

    def tell(self, place: str, done: Inference) -> None:
        """Log the warnings of an inference."""
        if done.error is not None:
            self.error(place, done.error)
        for warning in done.warnings:
            self.log.warning("NMGR", place, warning)

    @property
    def running(self) -> int:
        """Inferences that run now."""
        with self._lock:
            # A network that is being unloaded waits for its last inference, which counts too.
            networks = {*self._networks.values(), *self._leaving}
        return sum(network.running for network in networks)

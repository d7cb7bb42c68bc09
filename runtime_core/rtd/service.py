"""The calls of ``nmgr_v1``: converts between messages and the network manager."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from runtime_core import __version__
from runtime_core.instance import CORES_PER_DEVICE
from runtime_core.rtd import inference, loading
from runtime_core.rtd.caller import Caller
from runtime_core.rtd.manager import Manager
from runtime_core.rtd.network import Parameters
from runtime_core.rtd.posted import Posted
from runtime_core.rtd.proto import common_pb2, inspection_pb2, nmgr_pb2
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr
from runtime_core.topology import device_of_core

_Io: TypeAlias = nmgr_pb2.infer_io


def ok() -> common_pb2.status:
    """The status of a successful call."""
    return common_pb2.status(code=Nerr.OK.value)


def runtime_version() -> common_pb2.version:
    """The suite's version in wire format."""
    major, minor = (*__version__.split("."), "0")[:2]
    return common_pb2.version(full_version=__version__, major_num=int(major), minor_num=int(minor))


class NetworkService:
    """One method per call; a failure is raised as an error, which becomes the status."""

    def __init__(self, manager: Manager, defaults: Parameters) -> None:
        """Serve ``manager``; ``defaults`` apply to parameters that a load does not set."""
        self._manager = manager
        self._defaults = defaults

    def load(self, requests: Iterator[nmgr_pb2.load_request]) -> nmgr_pb2.load_response:
        """Load a network from a stream."""
        network = self._manager.load(loading.read_load(requests, self._defaults))
        return nmgr_pb2.load_response(status=ok(), h_nn=common_pb2.h_nn(id=network.handle))

    def unload(self, request: nmgr_pb2.unload_request) -> nmgr_pb2.unload_response:
        """Unload a network."""
        self._manager.unload(request.h_nn.id)
        return nmgr_pb2.unload_response(status=ok())

    def unload_all(self, _request: common_pb2.empty) -> common_pb2.status:
        """Unload every network; explicit groups stay."""
        self._manager.unload_all()
        return ok()

    def start(self, request: nmgr_pb2.start_request) -> nmgr_pb2.start_response:
        """Start a network; the group's running network is stopped."""
        self._manager.start(request.h_nn.id)
        return nmgr_pb2.start_response(status=ok())

    def stop(self, request: nmgr_pb2.stop_request) -> nmgr_pb2.stop_response:
        """Put a network in standby."""
        self._manager.stop(request.h_nn.id)
        return nmgr_pb2.stop_response(status=ok())

    def infer(self, request: nmgr_pb2.infer_request) -> nmgr_pb2.infer_response:
        """Run an inference and wait for it."""
        network = self._manager.network(request.h_nn.id)
        shm = self._manager.shm
        inputs, paths = inference.prepare(network, request, shm)
        network.take_slot()
        try:
            done = network.run(inputs)
            inference.store_ofmaps(done.outputs, paths, shm)
        finally:
            network.free_slot()
        self._manager.tell("infer", done)
        return inference.response(done, paths)

    def infer_post(self, request: nmgr_pb2.infer_request, caller: Caller) -> nmgr_pb2.infer_post_response:
        """Start an inference; its cookie is valid until its results are returned."""
        network = self._manager.network(request.h_nn.id)
        inputs, paths = inference.prepare(network, request, self._manager.shm)
        network.take_slot()
        cookie = self._manager.posted.add(Posted(network, network.post(inputs), paths, caller.identity))
        return nmgr_pb2.infer_post_response(status=ok(), cookie=cookie)

    def infer_wait(self, request: nmgr_pb2.infer_wait_request, caller: Caller) -> nmgr_pb2.infer_response:
        """Wait for a posted inference and return its results, unless the client disconnected."""
        posted = self._manager.posted.get(request.cookie, caller.identity)
        paths = self._paths(posted, request)
        posted.future.exception()  # Only wait here; its result contains a failure, if any.
        if not caller.is_active():
            raise RtdError(
                Nerr.INFER_CANCELLED,
                f"the client stopped waiting for posted inference {request.cookie}: its result is kept",
            )
        return self._hand_over(request.cookie, paths)

    def infer_poll(self, request: nmgr_pb2.infer_wait_request, caller: Caller) -> nmgr_pb2.infer_response:
        """Return the results of a posted inference if it has ended."""
        posted = self._manager.posted.get(request.cookie, caller.identity)
        paths = self._paths(posted, request)
        if not posted.future.done():
            return nmgr_pb2.infer_response(status=common_pb2.status(code=Nerr.INFER_PENDING.value))
        return self._hand_over(request.cookie, paths)

    def _paths(self, posted: Posted, request: nmgr_pb2.infer_wait_request) -> dict[str, str]:
        """Targets of the outputs, from the wait or else from the post."""
        signature = posted.network.signature
        return {**posted.shm_ofmaps, **inference.read_shm_ofmaps(signature, request.shm_ofmap, self._manager.shm)}

    def _hand_over(self, cookie: int, paths: dict[str, str]) -> nmgr_pb2.infer_response:
        done = self._manager.posted.hand_over(cookie)
        inference.store_ofmaps(done.outputs, paths, self._manager.shm)
        self._manager.tell("infer_wait", done)
        return inference.response(done, paths)

    def infer_check_completion(
        self, request: nmgr_pb2.infer_check_completion_request, caller: Caller
    ) -> nmgr_pb2.infer_check_completion_response:
        """The cookies whose inferences have ended."""
        return nmgr_pb2.infer_check_completion_response(
            status=ok(), cookie=self._manager.posted.completed(request.cookie, caller.identity)
        )

    def create_eg(self, request: nmgr_pb2.create_eg_request) -> nmgr_pb2.create_eg_response:
        """Create a NeuronCore Group."""
        group = self._manager.create_group(request.nc_count, request.session_id)
        return nmgr_pb2.create_eg_response(
            status=ok(), h_eg=common_pb2.h_eg(id=group.group_id), nc_count=len(group.cores)
        )

    def destroy_eg(self, request: nmgr_pb2.destroy_eg_request) -> nmgr_pb2.destroy_eg_response:
        """Release the cores of an empty group."""
        self._manager.destroy_group(request.h_eg.id)
        return nmgr_pb2.destroy_eg_response(status=ok())

    def list_egs(self, _request: common_pb2.empty) -> nmgr_pb2.out_list_egs:
        """All groups and their cores."""
        cores = self._manager.cores
        answer = nmgr_pb2.out_list_egs(
            status=ok(), nc_count=len(cores), mla_count=len({device_of_core(core) for core in cores})
        )
        for group in self._manager.groups:
            answer.eg_info.add(
                eg=common_pb2.h_eg(id=group.group_id),
                vnc_start_index=group.first_vnc,
                nc_count=len(group.cores),
                mla_start_index=device_of_core(group.cores[0]),
                nc_start_index=group.cores[0] % CORES_PER_DEVICE,
            )
        return answer

    def shm_map(self, request: nmgr_pb2.shm_map_request) -> nmgr_pb2.shm_map_response:
        """Map a client's shared memory."""
        self._manager.sessions.check(request.session_id)
        match request.WhichOneof("data"):
            case "path":
                self._manager.shm.map(request.path, request.mmap_prot, request.session_id)
            case "path_hugetlb":
                huge = request.path_hugetlb
                self._manager.shm.map(huge.path, request.mmap_prot, request.session_id, huge.size)
            case _:
                raise RtdError(Nerr.INVALID, "shm_map requires a shared memory object", mend="set path or path_hugetlb")
        return nmgr_pb2.shm_map_response(status=ok())

    def shm_unmap(self, request: nmgr_pb2.shm_unmap_request) -> nmgr_pb2.shm_unmap_response:
        """Unmap a client's shared memory."""
        self._manager.shm.unmap(request.path, request.mmap_prot)
        return nmgr_pb2.shm_unmap_response(status=ok())

    def random_seed(self, request: nmgr_pb2.random_seed_request) -> nmgr_pb2.random_seed_response:
        """Seed the random number generators of a group's cores."""
        self._manager.group(request.h_eg.id).random_seed = request.seed
        return nmgr_pb2.random_seed_response(status=ok())

    def get_version(self, _request: nmgr_pb2.get_version_request) -> nmgr_pb2.get_version_response:
        """The runtime's version."""
        return nmgr_pb2.get_version_response(runtime_version=runtime_version())

    def list_models(self, _request: common_pb2.empty) -> inspection_pb2.list_models_response:
        """All networks, for neuron-cli."""
        answer = inspection_pb2.list_models_response(status=ok())
        for network in self._manager.networks:
            group, graph = network.group, network.model.graph
            answer.models.add(
                h_nn=common_pb2.h_nn(id=network.handle),
                h_eg=common_pb2.h_eg(id=group.group_id),
                uuid=network.model.neff.uuid,
                name=graph.name,
                started=network.started,
                device_start_index=device_of_core(network.model.cores[0]),
                nc_start_index=network.model.cores[0] % CORES_PER_DEVICE,
                nc_count=len(network.model.distinct_cores),
                shared_nc=network.shared,
                ninfer=network.parameters.ninfer,
                inputs=[
                    inspection_pb2.tensor_info(name=t.name, dtype=t.dtype.value, shape=t.shape) for t in graph.inputs
                ],
                outputs=[
                    inspection_pb2.tensor_info(name=t.name, dtype=t.dtype.value, shape=t.shape) for t in graph.outputs
                ],
            )
        return answer

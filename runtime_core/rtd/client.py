"""A client of neuron-rtd that uses the same calls as frameworks.

Example::

    from runtime_core.rtd.client import Client

    with Client("unix:/run/neuron.sock") as client, client.session() as session:
        group = client.create_group(4, session=session)
        network = client.load(open("resnet50.neff", "rb").read(), group=group, session=session)
        client.start(network)
        outputs = client.infer(network, {"data": array.tobytes()})

Tensors are bytes, as on the wire; :class:`Shared` names a tensor in shared memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple, TypeAlias

import grpc

from runtime_core.rtd.connection import Connection, ConnectionLostError, check, chosen_address
from runtime_core.rtd.proto import common_pb2, inspection_pb2, nmgr_counters_pb2, nmgr_pb2
from runtime_core.rtd.shm import PROT_READ, PROT_WRITE
from runtime_core.rtd.status import RtdError
from runtime_core.status import Nerr

__all__ = [
    "CHUNK_BYTES",
    "Client",
    "ConnectionLostError",
    "InferenceError",
    "Shared",
    "Tensor",
    "chosen_address",
    "infer_request",
]

CHUNK_BYTES = 1024**2


class Shared(NamedTuple):
    """A tensor in shared memory, identified by the object's name (``/name``)."""

    path: str


Tensor: TypeAlias = bytes | Shared


class InferenceError(RtdError):
    """A failed inference; ``outputs`` holds the results that are available."""

    def __init__(self, code: Nerr, what: str, outputs: Mapping[str, Tensor]) -> None:
        super().__init__(code, what)
        self.outputs = outputs


def _ios(tensors: Mapping[str, Tensor]) -> list[nmgr_pb2.infer_io]:
    return [
        nmgr_pb2.infer_io(name=name, buf_shm=nmgr_pb2.shared_mem_buf(path=tensor.path))
        if isinstance(tensor, Shared)
        else nmgr_pb2.infer_io(name=name, buf=tensor)
        for name, tensor in tensors.items()
    ]


def _outputs(answer: nmgr_pb2.infer_response) -> dict[str, Tensor]:
    outputs: dict[str, Tensor] = {
        io.name: Shared(io.buf_shm.path) if io.WhichOneof("data") == "buf_shm" else io.buf for io in answer.ofmap
    }
    try:
        check(answer.status)
    except RtdError as error:
        raise InferenceError(error.code, error.what, outputs) from None
    return outputs


class Client(Connection):
    """The calls of a daemon, one method each; threads may share it."""

    # Groups

    def create_group(self, nc_count: int = 0, *, session: int = 0) -> int:
        """Create a NeuronCore Group; 0 cores: the largest free run. Returns its handle.

        Raises:
            RtdError: RESOURCE_NC.
        """
        request = nmgr_pb2.create_eg_request(nc_count=nc_count, session_id=session)
        answer = self.call("create_eg", request, nmgr_pb2.create_eg_response)
        check(answer.status)
        return answer.h_eg.id

    def destroy_group(self, group: int) -> None:
        """Release the cores of an empty group."""
        request = nmgr_pb2.destroy_eg_request(h_eg=common_pb2.h_eg(id=group))
        check(self.call("destroy_eg", request, nmgr_pb2.destroy_eg_response).status)

    def groups(self) -> list[nmgr_pb2.eg_info]:
        """All groups."""
        answer = self.call("list_egs", common_pb2.empty(), nmgr_pb2.out_list_egs)
        check(answer.status)
        return list(answer.eg_info)

    # Networks

    def load(
        self,
        neff: bytes | Path,
        *,
        group: int = 0,
        session: int = 0,
        ninfer: int | None = None,
        timeout_seconds: int | None = None,
    ) -> int:
        """Load a network. Returns its handle.

        Args:
            neff: the file's bytes, or a path that the daemon reads itself.
            group: a group; 0: a group of its own, started immediately.
            session: the session that owns it; 0: none.
            ninfer: slots of its queue, default: the daemon's.
            timeout_seconds: of an inference on a core, default: the daemon's.

        Raises:
            RtdError: with the status that the daemon returned.
        """
        params = nmgr_pb2.model_params()
        if ninfer is not None:
            params.ninfer.data = ninfer
        if timeout_seconds is not None:
            params.timeout.data = timeout_seconds

        def messages() -> Iterator[nmgr_pb2.load_request]:
            if group:
                yield nmgr_pb2.load_request(h_eg=common_pb2.h_eg(id=group))
            yield nmgr_pb2.load_request(model_params=params)
            if session:
                yield nmgr_pb2.load_request(session_id=session)
            if isinstance(neff, Path):
                yield nmgr_pb2.load_request(neff_file=str(neff))
                return
            yield nmgr_pb2.load_request(neff_size=len(neff))
            view = memoryview(neff)
            for start in range(0, len(neff), CHUNK_BYTES):
                chunk = nmgr_pb2.file_chunk(chunk=bytes(view[start : start + CHUNK_BYTES]))
                yield nmgr_pb2.load_request(neff_chunk=chunk)

        answer = self.call("load", messages(), nmgr_pb2.load_response)
        check(answer.status)
        return answer.h_nn.id

    def start(self, network: int) -> None:
        """Start a network; the group's running network is stopped."""
        request = nmgr_pb2.start_request(h_nn=common_pb2.h_nn(id=network))
        check(self.call("start", request, nmgr_pb2.start_response).status)

    def stop(self, network: int) -> None:
        """Put a network in standby."""
        request = nmgr_pb2.stop_request(h_nn=common_pb2.h_nn(id=network))
        check(self.call("stop", request, nmgr_pb2.stop_response).status)

    def unload(self, network: int) -> None:
        """Unload a network."""
        request = nmgr_pb2.unload_request(h_nn=common_pb2.h_nn(id=network))
        check(self.call("unload", request, nmgr_pb2.unload_response).status)

    def unload_all(self) -> None:
        """Unload every network."""
        check(self.call("unload_all", common_pb2.empty(), common_pb2.status))

    def models(self) -> list[inspection_pb2.model_info]:
        """All networks that the daemon holds."""
        answer = self.call("list_models", common_pb2.empty(), inspection_pb2.list_models_response)
        check(answer.status)
        return list(answer.models)

    # Inferences

    def infer(
        self, network: int, inputs: Mapping[str, Tensor], shm_outputs: Mapping[str, Shared] | None = None
    ) -> dict[str, Tensor]:
        """Run an inference and wait for it; returns the outputs by name.

        Raises:
            InferenceError: it failed; holds the results that are available.
        """
        return _outputs(self.call("infer", infer_request(network, inputs, shm_outputs), nmgr_pb2.infer_response))

    def post(self, network: int, inputs: Mapping[str, Tensor], shm_outputs: Mapping[str, Shared] | None = None) -> int:
        """Start an inference. Returns its cookie.

        Raises:
            RtdError: QUEUE_FULL, or as for :meth:`infer`.
        """
        request = infer_request(network, inputs, shm_outputs)
        answer = self.call("infer_post", request, nmgr_pb2.infer_post_response)
        check(answer.status)
        return answer.cookie

    def wait(self, cookie: int) -> dict[str, Tensor]:
        """Wait for a posted inference; returns its outputs."""
        request = nmgr_pb2.infer_wait_request(cookie=cookie)
        return _outputs(self.call("infer_wait", request, nmgr_pb2.infer_response))

    def poll(self, cookie: int) -> dict[str, Tensor] | None:
        """The outputs of a posted inference, ``None`` while it runs."""
        request = nmgr_pb2.infer_wait_request(cookie=cookie)
        answer = self.call("infer_poll", request, nmgr_pb2.infer_response)
        return None if answer.status.code == Nerr.INFER_PENDING.value else _outputs(answer)

    def completed(self, cookies: Iterable[int]) -> list[int]:
        """Return the ``cookies`` whose inferences have ended."""
        request = nmgr_pb2.infer_check_completion_request(cookie=list(cookies))
        answer = self.call("infer_check_completion", request, nmgr_pb2.infer_check_completion_response)
        check(answer.status)
        return list(answer.cookie)

    def infer_stream(
        self, requests: Iterable[nmgr_pb2.infer_request]
    ) -> Iterator[tuple[common_pb2.status, dict[str, Tensor]]]:
        """Run inferences one after another on one stream; yields status and outputs in the order of the requests.

        Raises:
            RtdError: the stream broke.
        """
        stream = self.stubs["infer_stream"](iter(requests))
        if not isinstance(stream, Iterator):
            raise TypeError("infer_stream is not a stream")
        try:
            for answer in stream:
                outputs: dict[str, Tensor] = {
                    io.name: Shared(io.buf_shm.path) if io.WhichOneof("data") == "buf_shm" else io.buf
                    for io in answer.ofmap
                }
                yield answer.status, outputs
        except grpc.RpcError as error:
            raise self.unreachable(error) from None

    # Shared memory

    def shm_map(self, path: str, *, read: bool = False, write: bool = False, session: int = 0) -> None:
        """Map a shared memory object in the daemon, to read it (IFMAPs), write it (OFMAPs), or both."""
        request = nmgr_pb2.shm_map_request(
            path=path, mmap_prot=PROT_READ * read | PROT_WRITE * write, session_id=session
        )
        check(self.call("shm_map", request, nmgr_pb2.shm_map_response).status)

    def shm_unmap(self, path: str, *, read: bool = False, write: bool = False) -> None:
        """Unmap a shared memory object."""
        request = nmgr_pb2.shm_unmap_request(path=path, mmap_prot=PROT_READ * read | PROT_WRITE * write)
        check(self.call("shm_unmap", request, nmgr_pb2.shm_unmap_response).status)

    # Counters

    def counters(self) -> nmgr_counters_pb2.read_all_counters_response:
        """All counters of the daemon."""
        request = nmgr_counters_pb2.read_all_counters_request()
        answer = self.call("read_all_counters", request, nmgr_counters_pb2.read_all_counters_response)
        check(answer.status)
        return answer


def infer_request(
    network: int, inputs: Mapping[str, Tensor], shm_outputs: Mapping[str, Shared] | None = None
) -> nmgr_pb2.infer_request:
    """The message of an inference."""
    return nmgr_pb2.infer_request(
        h_nn=common_pb2.h_nn(id=network), ifmap=_ios(inputs), shm_ofmap=_ios(shm_outputs or {})
    )

"""Streaming calls: sessions and inference streams."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import grpc

from runtime_core.errors import NeuronError
from runtime_core.rtd import inference
from runtime_core.rtd.caller import host_of
from runtime_core.rtd.manager import Manager
from runtime_core.rtd.network import Inference, Network
from runtime_core.rtd.proto import nmgr_pb2
from runtime_core.rtd.service import runtime_version
from runtime_core.rtd.status import RtdError


def monitor_session(
    manager: Manager, requests: Iterator[nmgr_pb2.session_monitor_request], context: grpc.ServicerContext
) -> Iterator[nmgr_pb2.session_monitor_response]:
    """A session that ends with its stream: the response to every message is its id."""
    try:
        session_id = manager.sessions.begin(host_of(context))
    except RtdError as error:
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(manager.error("session_monitor", error)))

    def ended() -> None:
        # gRPC calls this on the thread that serves all calls, and freeing waits for running inferences.
        threading.Thread(target=manager.end_session, args=(session_id,), name="session-end").start()

    if not context.add_callback(ended):
        manager.end_session(session_id)
        return
    for _ in requests:
        yield nmgr_pb2.session_monitor_response(session_id=session_id, runtime_version=runtime_version())
    manager.end_session(session_id)


class _Item:
    """A request of an inference stream: running, or refused."""

    def __init__(
        self, network: Network | None, future: Future[Inference] | None, paths: dict[str, str], error: RtdError | None
    ) -> None:
        self.network = network
        self.future = future
        self.paths = paths
        self.error = error


class InferenceStream:
    """Reads as many requests in advance as the networks' queues allow, and responds in the order of the requests."""

    def __init__(self, manager: Manager, requests: Iterator[nmgr_pb2.infer_request]) -> None:
        """Serve ``requests``."""
        self._manager = manager
        self._requests = requests
        self._items: deque[_Item] = deque()
        self._outstanding: dict[Network, int] = {}
        self._changed = threading.Condition()
        self._read_all = False
        self._closed = False
        self._broken: RtdError | None = None

    def responses(self) -> Iterator[nmgr_pb2.infer_response]:
        """The responses; closing the iterator drops running requests."""
        threading.Thread(target=self._read, name="infer-stream").start()
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._items or self._read_all)
                    if not self._items:
                        if self._broken is not None:
                            raise self._broken
                        return
                    item = self._items.popleft()
                yield self._answer(item)
        finally:
            self.close()

    def close(self) -> None:
        """Stop reading; slots are freed as their inferences end."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            left = list(self._items)
            self._items.clear()
        for item in left:
            if item.future is not None and item.network is not None:
                item.future.add_done_callback(_slot_freer(item.network))

    def _read(self) -> None:
        try:
            for request in self._requests:
                item = self._begin(request)
                with self._changed:
                    if not self._closed:
                        self._items.append(item)
                        self._changed.notify_all()
                        continue
                if item.future is not None and item.network is not None:
                    item.future.add_done_callback(_slot_freer(item.network))
                return
        except grpc.RpcError:
            pass  # The client disconnected.
        except RtdError as error:
            with self._changed:
                self._broken = error
        finally:
            with self._changed:
                self._read_all = True
                self._changed.notify_all()

    def _begin(self, request: nmgr_pb2.infer_request) -> _Item:
        try:
            network = self._manager.network(request.h_nn.id)
            inputs, paths = inference.prepare(network, request, self._manager.shm)
            with self._changed:
                # A stream waits for its own inferences; only other clients can fill the queue.
                self._changed.wait_for(
                    lambda: self._closed or self._outstanding.get(network, 0) < network.parameters.ninfer
                )
                self._outstanding[network] = self._outstanding.get(network, 0) + 1
            try:
                network.take_slot()
            except RtdError:
                self._done(network)
                raise
            return _Item(network, network.post(inputs), paths, None)
        except NeuronError as error:
            return _Item(None, None, {}, self._manager.error("infer_stream", error))

    def _done(self, network: Network) -> None:
        with self._changed:
            self._outstanding[network] -= 1
            self._changed.notify_all()

    def _answer(self, item: _Item) -> nmgr_pb2.infer_response:
        if item.network is None or item.future is None:
            error = item.error
            return nmgr_pb2.infer_response() if error is None else _failed(error)
        try:
            done = item.future.result()
            inference.store_ofmaps(done.outputs, item.paths, self._manager.shm)
        except RtdError as error:
            return _failed(self._manager.error("infer_stream", error))
        finally:
            item.network.free_slot()
            self._done(item.network)
        self._manager.tell("infer_stream", done)
        return inference.response(done, item.paths)


def _slot_freer(network: Network) -> Callable[[Future[Inference]], None]:
    def free(_future: Future[Inference]) -> None:
        network.free_slot()

    return free


def _failed(error: RtdError) -> nmgr_pb2.infer_response:
    answer = nmgr_pb2.infer_response()
    answer.status.code = error.code.value
    answer.status.details = str(error).encode()
    return answer

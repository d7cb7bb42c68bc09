"""The kubelet's pod-resources service on its unix socket; gRPC is loaded with this module."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc

from runtime_core.errors import NeuronError
from runtime_core.telemetry.kubelet.holdings import DEFAULT_SOCKET, Holding
from runtime_core.telemetry.kubelet.podresources_pb2 import ListPodResourcesRequest, ListPodResourcesResponse

TIMEOUT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""What Kubernetes's own client of the service takes (``podresources.DefaultPodResourcesMaxSize``)."""


class KubeletError(NeuronError):
    """The kubelet did not answer."""


def _decoded(answer: bytes) -> ListPodResourcesResponse:
    return ListPodResourcesResponse.FromString(answer)


def _encoded(request: ListPodResourcesRequest) -> bytes:
    return request.SerializeToString()


class Kubelet:
    """A connection, made when first needed and again whenever it broke."""

    def __init__(self, socket: Path = DEFAULT_SOCKET, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Say where it is.

        Args:
            socket: the kubelet's.
            timeout_seconds: for an answer.
        """
        self._socket = socket
        self._timeout_seconds = timeout_seconds
        options = [
            ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
            ("grpc.enable_http_proxy", 0),
            # A kubelet that restarts is back within seconds; the default waits up to two minutes.
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._channel = grpc.insecure_channel(f"unix:{socket.absolute()}", options)
        self._list = self._channel.unary_unary("/v1.PodResourcesLister/List", _encoded, _decoded)

    def holdings(self) -> tuple[Holding, ...]:
        """What each container was given.

        Raises:
            KubeletError: there was no answer, or none that can be read.
        """
        try:
            answer: ListPodResourcesResponse = self._list(ListPodResourcesRequest(), timeout=self._timeout_seconds)
        except grpc.RpcError as error:
            reason = error.code().name.lower() if isinstance(error, grpc.Call) else "failed"
            detail = error.details() if isinstance(error, grpc.Call) else str(error)
            raise KubeletError(f"the kubelet at {self._socket} gave no answer: {reason}: {detail}") from None
        except ValueError:
            raise KubeletError(f"the connection to the kubelet at {self._socket} is closed") from None
        return tuple(_holdings(answer))

    def close(self) -> None:
        """Let go of the connection; a question that is open gets no answer."""
        self._channel.close()


def _holdings(answer: ListPodResourcesResponse) -> Iterator[Holding]:
    for pod in answer.pod_resources:
        for container in pod.containers:
            for given in container.devices:
                yield Holding(pod.name, pod.namespace, container.name, given.resource_name, tuple(given.device_ids))

"""Client of the kubelet's pod-resources service on its unix socket; importing this module imports gRPC."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import grpc

from runtime_core.errors import NeuronError
from runtime_core.telemetry.kubelet.holdings import DEFAULT_SOCKET, Holding
from runtime_core.telemetry.kubelet.podresources_pb2 import ListPodResourcesRequest, ListPodResourcesResponse

TIMEOUT_SECONDS = 5.0
_MAX_ANSWER_BYTES = 16 * 1024 * 1024
"""Limit used by Kubernetes's own client of the service (``podresources.DefaultPodResourcesMaxSize``)."""


class KubeletError(NeuronError):
    """The kubelet did not answer, or its answer is invalid."""


def _decoded(answer: bytes) -> ListPodResourcesResponse:
    return ListPodResourcesResponse.FromString(answer)


def _encoded(request: ListPodResourcesRequest) -> bytes:
    return request.SerializeToString()


class Kubelet:
    """A connection to the kubelet, opened on first use and reopened after it breaks."""

    def __init__(self, socket: Path = DEFAULT_SOCKET, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Create a client; no connection is opened yet.

        Args:
            socket: path of the kubelet's socket.
            timeout_seconds: longest wait for an answer.
        """
        self._socket = socket
        self._timeout_seconds = timeout_seconds
        options = [
            ("grpc.max_receive_message_length", _MAX_ANSWER_BYTES),
            ("grpc.enable_http_proxy", 0),
            # gRPC's default waits up to two minutes to reconnect, but a restarted kubelet is back within seconds.
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._channel = grpc.insecure_channel(f"unix:{socket.absolute()}", options)
        self._list = self._channel.unary_unary("/v1.PodResourcesLister/List", _encoded, _decoded)

    def holdings(self) -> tuple[Holding, ...]:
        """Return the resources allocated to each container.

        Raises:
            KubeletError: the kubelet did not answer, or its answer cannot be decoded.
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
        """Close the connection; a pending call gets no answer."""
        self._channel.close()


def _holdings(answer: ListPodResourcesResponse) -> Iterator[Holding]:
    for pod in answer.pod_resources:
        for container in pod.containers:
            for given in container.devices:
                yield Holding(pod.name, pod.namespace, container.name, given.resource_name, tuple(given.device_ids))

"""The services as data: each call's path and message types, from the compiled proto files."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.descriptor import ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

from runtime_core.rtd.proto import inspection_pb2, nmgr_service_pb2

MAX_MESSAGE_BYTES = 512 * 1024**2
"""The largest request or response, tensors included."""
CHANNEL_OPTIONS = (
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
)


class Call(NamedTuple):
    """One call of a service.

    Attributes:
        path: ``/package.service/name``.
        request, response: message classes.
        client_streams, server_streams: whether that side sends a stream of messages.
    """

    name: str
    path: str
    request: type[Message]
    response: type[Message]
    client_streams: bool
    server_streams: bool


def calls(service: ServiceDescriptor) -> dict[str, Call]:
    """The calls of a service by name."""
    return {
        method.name: Call(
            method.name,
            f"/{service.full_name}/{method.name}",
            GetMessageClass(method.input_type),
            GetMessageClass(method.output_type),
            method.client_streaming,
            method.server_streaming,
        )
        for method in service.methods
    }


NETWORK_MANAGER: ServiceDescriptor = nmgr_service_pb2.DESCRIPTOR.services_by_name["nmgr_v1"]
SESSION_MANAGER: ServiceDescriptor = nmgr_service_pb2.DESCRIPTOR.services_by_name["nmgr_session_manager"]
STREAM: ServiceDescriptor = nmgr_service_pb2.DESCRIPTOR.services_by_name["nmgr_stream"]
INSPECTION: ServiceDescriptor = inspection_pb2.DESCRIPTOR.services_by_name["inspection"]
SERVICES = (NETWORK_MANAGER, SESSION_MANAGER, STREAM, INSPECTION)

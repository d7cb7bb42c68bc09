"""The address of a collector, and the protocol to use."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import urlsplit

from runtime_core.telemetry import UsageError

_GRPC_PORT = 4317
_PATH = "/v1/metrics"
_PROTOCOL_VARIABLES = ("OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")


class Protocol(enum.StrEnum):
    """Protocols of OTLP, with the names of the SDK's environment variables."""

    GRPC = "grpc"
    HTTP = "http/protobuf"


class Endpoint(NamedTuple):
    """A collector. ``url`` is in the form that the exporter of the protocol expects; ``insecure``: without TLS."""

    protocol: Protocol
    url: str
    insecure: bool


def parse_endpoint(text: str, environment: Mapping[str, str]) -> Endpoint:
    """Parse an endpoint given on the command line.

    ``grpc://HOST:PORT`` and ``grpcs://HOST:PORT`` use gRPC. For ``http://HOST:PORT`` and ``https://HOST:PORT``,
    ``OTEL_EXPORTER_OTLP_PROTOCOL`` selects the protocol. Without that variable, port 4317 means gRPC and any other port
    HTTP, with the path ``/v1/metrics`` if the URL has none.

    Raises:
        UsageError: the text is not an endpoint.
    """
    wrong = UsageError(f"{text!r} is not an OTLP endpoint", mend="use grpc://HOST:4317 or http://HOST:4318")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise wrong from None
    secure = parts.scheme in ("https", "grpcs")
    if parts.scheme not in ("http", "https", "grpc", "grpcs") or not parts.hostname:
        raise wrong
    if parts.scheme.startswith("grpc"):
        return Endpoint(Protocol.GRPC, f"http{'s' if secure else ''}://{parts.netloc}", not secure)
    named = next((environment[name] for name in _PROTOCOL_VARIABLES if environment.get(name)), "")
    if named and named not in tuple(Protocol):
        raise UsageError(f"OTEL_EXPORTER_OTLP_PROTOCOL is {named!r}", mend=f"use {' or '.join(Protocol)}")
    if named == Protocol.GRPC or (not named and port == _GRPC_PORT):
        return Endpoint(Protocol.GRPC, f"{parts.scheme}://{parts.netloc}", not secure)
    path = parts.path if parts.path not in ("", "/") else _PATH
    return Endpoint(Protocol.HTTP, f"{parts.scheme}://{parts.netloc}{path}", not secure)

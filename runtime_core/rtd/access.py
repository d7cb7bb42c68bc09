"""Access to neuron-rtd over TCP: TLS, certificates of clients, tokens."""

from __future__ import annotations

import hmac
import os
import ssl
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, TypeVar, cast

import grpc

from runtime_core.errors import UsageError
from runtime_core.files import read_regular
from runtime_core.rtd.config import FileConfig, is_local
from runtime_core.rtd.tokens import read_tokens

_MAX_PEM_BYTES = 1 << 20
_Asked = TypeVar("_Asked")
_Answered = TypeVar("_Answered")
_OPEN_CALL = "/grpc.health.v1.Health/Check"
"""Calls that a probe may make without a token. They only show that the daemon is serving."""


class Access(NamedTuple):
    """The requirements of a daemon for its clients.

    Attributes:
        credentials: credentials of the server; ``None``: no TLS.
        gate: refuses calls without a token; ``None``: no token is required.
        authenticates: whether a client must identify itself with a certificate or a token.
    """

    credentials: grpc.ServerCredentials | None = None
    gate: TokenGate | None = None
    authenticates: bool = False


def access_of(config: FileConfig) -> Access:
    """Return the requirements of a configuration.

    Raises:
        UsageError: settings that exclude or require each other, or a file that cannot be used.
    """
    files = (config.tls_cert_file, config.tls_key_file, config.tls_client_ca_file)
    if config.server_port.startswith("unix:"):
        if any(files) or config.token_file:
            raise UsageError(
                "TLS and tokens require a TCP address: the mode of a Unix socket decides who may connect",
                where=f"server_port {config.server_port!r}",
                mend="remove the tls_* settings and token_file, or set server_port to HOST:PORT",
            )
        return Access()
    if bool(config.tls_cert_file) != bool(config.tls_key_file) or (config.tls_client_ca_file and not files[0]):
        raise UsageError("TLS requires both tls_cert_file and tls_key_file", mend="set both, or none of tls_*")
    if config.token_file and not config.tls_cert_file and not is_local(config.server_port):
        raise UsageError(
            "a token would cross the network in plain text",
            where=f"server_port {config.server_port!r}",
            mend="set tls_cert_file and tls_key_file, or listen on loopback",
        )
    gate = TokenGate(read_tokens(Path(config.token_file))) if config.token_file else None
    credentials = None
    if files[0]:
        credentials = _Certificates(Path(files[0]), Path(files[1]), Path(files[2]) if files[2] else None).credentials()
    return Access(credentials, gate, gate is not None or bool(files[2]))


class _Certificates:
    """The server's certificate and key. A renewed pair is used from the next connection on."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None) -> None:
        self._certificate, self._key, self._client_ca = certificate, key, client_ca
        self._stamp: tuple[tuple[int, int, int], ...] = ()

    def credentials(self) -> grpc.ServerCredentials:
        first = self._read()
        # None keeps the current pair, but the type stubs do not allow it.
        renewed = cast(Callable[[], grpc.ServerCertificateConfiguration], self._renewed)
        return grpc.dynamic_ssl_server_credentials(
            first, renewed, require_client_authentication=self._client_ca is not None
        )

    def _files(self) -> tuple[Path, ...]:
        return self._certificate, self._key, *(() if self._client_ca is None else (self._client_ca,))

    def _renewed(self) -> grpc.ServerCertificateConfiguration | None:
        try:
            if self._stamps() == self._stamp:
                return None
            return self._read()
        except (OSError, UsageError):
            # Only one file is renewed: the current pair is kept, and the next connection checks again.
            return None

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        found = [os.stat(path) for path in self._files()]
        return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in found)

    def _read(self) -> grpc.ServerCertificateConfiguration:
        contents = []
        for path in self._files():
            try:
                contents.append(read_regular(path, _MAX_PEM_BYTES))
            except (OSError, ValueError) as error:
                raise UsageError(
                    f"cannot read the file: {getattr(error, 'strerror', None) or error}", where=str(path)
                ) from None
        stamp = self._stamps()
        # gRPC would report an invalid pair only at the first connection, and to the client.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        try:
            context.load_cert_chain(self._certificate, self._key, password=b"")
        except OSError as error:
            raise UsageError(
                f"not a certificate with its key in PEM: {getattr(error, 'reason', None) or error}",
                where=f"{self._certificate} and {self._key}",
            ) from None
        if self._client_ca is not None:
            try:
                context.load_verify_locations(self._client_ca)
            except OSError as error:
                raise UsageError(
                    f"no certificates in PEM: {getattr(error, 'reason', None) or error}", where=str(self._client_ca)
                ) from None
        self._stamp = stamp
        return grpc.ssl_server_certificate_configuration(
            [(contents[1], contents[0])], contents[2] if len(contents) > 2 else None
        )


def _refuse(_requests: Iterator[_Asked], context: grpc.ServicerContext) -> NoReturn:
    # Every kind of call is bound as a stream, so that the token is checked before a message is received.
    context.abort(grpc.StatusCode.UNAUTHENTICATED, "a valid token is required: 'authorization: Bearer TOKEN'")


class TokenGate(grpc.ServerInterceptor):
    """Refuses calls without one of the tokens, before their messages are read."""

    def __init__(self, tokens: Sequence[bytes]) -> None:
        """Accept ``tokens``."""
        self._tokens = tuple(tokens)

    def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], grpc.RpcMethodHandler[_Asked, _Answered] | None],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[_Asked, _Answered] | None:
        """The handler of a call, or one that refuses it."""
        if handler_call_details.method == _OPEN_CALL or self.accepts(handler_call_details.invocation_metadata):
            return continuation(handler_call_details)
        return grpc.stream_unary_rpc_method_handler(_refuse)

    def accepts(self, metadata: Sequence[tuple[str, str | bytes]]) -> bool:
        """Whether the metadata of a call has a valid token. The check takes the same time for every wrong token."""
        values = [value for key, value in metadata if key == "authorization"]
        if len(values) != 1:
            return False
        value = values[0] if isinstance(values[0], bytes) else values[0].encode("utf-8", "replace")
        scheme, _, given = value.partition(b" ")
        matching = [hmac.compare_digest(token, given) for token in self._tokens]
        return scheme.lower() == b"bearer" and any(matching)

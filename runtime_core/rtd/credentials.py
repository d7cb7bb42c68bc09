"""The credentials of a client of neuron-rtd, and the channel that it opens."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple, Self

import grpc

from runtime_core.errors import UsageError
from runtime_core.files import read_regular
from runtime_core.rtd.config import is_local
from runtime_core.rtd.tokens import read_tokens
from runtime_core.rtd.wire import CHANNEL_OPTIONS

CA_VARIABLE = "NEURON_RTD_CA_FILE"
CERT_VARIABLE = "NEURON_RTD_CERT_FILE"
KEY_VARIABLE = "NEURON_RTD_KEY_FILE"
TOKEN_VARIABLE = "NEURON_RTD_TOKEN_FILE"  # noqa: S105 - the name of a variable
_MAX_PEM_BYTES = 1 << 20

Metadata = tuple[tuple[str, str], ...]


class Credentials(NamedTuple):
    """Files for connections over TCP; a Unix socket needs none.

    Attributes:
        ca_file: certificates of the authorities that sign daemons' certificates; ``None``: no TLS.
        cert_file, key_file: this client's certificate, where the daemon requires one.
        token_file: its first token is sent with every call.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    token_file: Path | None = None

    @classmethod
    def from_environment(cls) -> Self:
        """The files that ``$NEURON_RTD_CA_FILE``, ``_CERT_FILE``, ``_KEY_FILE`` and ``_TOKEN_FILE`` name."""
        names = (os.environ.get(name) for name in (CA_VARIABLE, CERT_VARIABLE, KEY_VARIABLE, TOKEN_VARIABLE))
        return cls(*(Path(name) if name else None for name in names))

    def _pem(self, path: Path | None) -> bytes | None:
        if path is None:
            return None
        try:
            return read_regular(path, _MAX_PEM_BYTES)
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise UsageError(f"cannot read the file: {reason}", where=str(path)) from None

    def channel(self, address: str) -> tuple[grpc.Channel, Metadata]:
        """Return a channel, and the metadata to send with every call.

        Raises:
            UsageError: a file cannot be used, or the token would cross the network in plain text.
        """
        if address.startswith("unix:"):
            return grpc.insecure_channel(address, options=CHANNEL_OPTIONS), ()
        if (self.cert_file is None) != (self.key_file is None) or (self.cert_file and not self.ca_file):
            raise UsageError(
                f"a client's certificate requires {CA_VARIABLE}, {CERT_VARIABLE} and {KEY_VARIABLE}",
                mend="set all three",
            )
        metadata: Metadata = ()
        if self.token_file is not None:
            if self.ca_file is None and not is_local(address):
                raise UsageError(
                    "the token would cross the network in plain text", where=address, mend=f"set {CA_VARIABLE} for TLS"
                )
            metadata = (("authorization", f"Bearer {read_tokens(self.token_file)[0].decode('ascii')}"),)
        if self.ca_file is None:
            return grpc.insecure_channel(address, options=CHANNEL_OPTIONS), metadata
        shown = grpc.ssl_channel_credentials(
            self._pem(self.ca_file), self._pem(self.key_file), self._pem(self.cert_file)
        )
        return grpc.secure_channel(address, shown, options=CHANNEL_OPTIONS), metadata

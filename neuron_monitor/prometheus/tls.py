"""Create a TLS context from a web configuration."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from pathlib import Path

from neuron_monitor.prometheus.webconfig import ClientAuth, TlsConfig, TlsVersion, WebConfigError
from runtime_core.telemetry import open_regular

_VERSIONS = {TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRED: ssl.CERT_REQUIRED,
}
_CIPHERS = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256": "ECDHE-RSA-AES128-GCM-SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384": "ECDHE-RSA-AES256-GCM-SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-RSA-CHACHA20-POLY1305",
}
"""Go's name of each secure TLS 1.2 suite -> OpenSSL's name. The suites of TLS 1.3 cannot be selected."""


def tls_files(config: TlsConfig, folder: Path) -> tuple[Path, ...]:
    """Return the files that a context reads."""
    return tuple(folder / name for name in (config.cert_file, config.key_file, config.client_ca_file) if name)


def tls_context(config: TlsConfig, folder: Path) -> ssl.SSLContext:
    """Return a context for servers.

    Args:
        config: the settings.
        folder: directory to which file names are relative.

    Raises:
        WebConfigError: a file is missing or invalid, or a cipher suite is unknown.
    """
    unknown = [name for name in config.cipher_suites if name not in _CIPHERS]
    if unknown:
        raise WebConfigError(f"cipher suite {unknown[0]!r} is not supported, only {', '.join(_CIPHERS)}")
    for path in tls_files(config, folder):
        # OpenSSL would block on a FIFO.
        try:
            os.close(open_regular(path))
        except OSError as error:
            raise WebConfigError(f"cannot be read: {error.strerror}", where=str(path)) from None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version, context.maximum_version = _VERSIONS[config.min_version], _VERSIONS[config.max_version]
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.verify_mode = _VERIFY[config.client_auth_type]
    cert, key = folder / config.cert_file, folder / config.key_file
    try:
        # Without a password, OpenSSL would prompt for one on the terminal.
        context.load_cert_chain(cert, key, password=b"")
    except OSError as error:
        raise WebConfigError(
            f"not a certificate with its key in PEM: {_reason(error)}", where=f"{cert} and {key}"
        ) from None
    if config.client_ca_file:
        try:
            context.load_verify_locations(folder / config.client_ca_file)
        except OSError as error:
            raise WebConfigError(
                f"no certificates in PEM: {_reason(error)}", where=str(folder / config.client_ca_file)
            ) from None
    if config.cipher_suites:
        context.set_ciphers(":".join(_CIPHERS[name] for name in config.cipher_suites))
    return context


def _reason(error: OSError) -> str:
    return (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")


def names_of_peer(connection: ssl.SSLObject) -> Iterable[str]:
    """Return the subject alternative names of the client's verified certificate."""
    certificate = connection.getpeercert() or {}
    for entry in certificate.get("subjectAltName", ()):
        if isinstance(entry, tuple) and len(entry) == 2:
            yield str(entry[1])

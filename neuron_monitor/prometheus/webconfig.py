"""The configuration file for TLS and users, in the format of Prometheus' exporter-toolkit (``--web.config.file``).

Source: https://prometheus.io/docs/prometheus/latest/configuration/https/. Settings that Python's ssl does not support
are refused with an error that names them, and never ignored.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import msgspec

from neuron_console.extras import requires
from runtime_core.telemetry import NeuronError, read_regular

_MAX_BYTES = 1 << 20
_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
"""The headers that the toolkit allows in the file."""

BcryptHash = Annotated[str, msgspec.Meta(pattern=r"^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$")]


class WebConfigError(NeuronError):
    """A web configuration cannot be used; the error names the file, the location and the expected value."""


class ClientAuth(enum.StrEnum):
    """Requirements for a client's certificate."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


_STRENGTH = {ClientAuth.NONE: 0, ClientAuth.IF_GIVEN: 1, ClientAuth.REQUIRED: 2}


class TlsVersion(enum.StrEnum):
    """Supported versions of TLS."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tls_server_config``; file names are relative to the directory of the configuration."""

    cert_file: str
    key_file: str
    client_auth_type: ClientAuth = ClientAuth.NONE
    client_ca_file: str = ""
    client_allowed_sans: tuple[str, ...] = ()
    min_version: TlsVersion = TlsVersion.TLS12
    max_version: TlsVersion = TlsVersion.TLS13
    cipher_suites: tuple[str, ...] = ()
    prefer_server_cipher_suites: bool = True


class HttpConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``http_server_config``; ``http2`` is accepted without effect: clients fall back to HTTP/1.1."""

    http2: bool = True
    headers: dict[str, str] = {}


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    tls_server_config: TlsConfig | None = None
    http_server_config: HttpConfig = HttpConfig()
    basic_auth_users: dict[str, BcryptHash] = {}


def parse_web_config(content: bytes, name: str) -> WebConfig:
    """Parse a configuration.

    Args:
        content: YAML; empty: no TLS and no users.
        name: name of the file for messages.

    Raises:
        WebConfigError: the configuration is invalid.
        MissingExtraError: PyYAML is not installed.
    """
    with requires("web"):
        import yaml
    try:
        found = msgspec.convert(yaml.safe_load(content) or {}, WebConfig)
        _check(found)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = "" if mark is None else f" at line {mark.line + 1}, column {mark.column + 1}"
        problem = getattr(error, "problem", None) or "it cannot be decoded"
        raise WebConfigError(f"expected YAML{place}: {problem}", where=name) from None
    except (ValueError, RecursionError, TypeError) as error:
        text = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        if "matching regex" in text:
            text = "expected a bcrypt hash, as `htpasswd -nBC 10 USER` makes it - at `$.basic_auth_users`"
        raise WebConfigError(text, where=name) from None
    return found


def _check(config: WebConfig) -> None:
    tls = config.tls_server_config
    if tls is not None:
        for setting in ("cert_file", "key_file", "client_ca_file"):
            if not getattr(tls, setting).isprintable():
                raise ValueError(f"{setting} must be one printable line - at `$.tls_server_config`")
        if (tls.client_auth_type is ClientAuth.NONE) != (not tls.client_ca_file):
            raise ValueError(
                "client_ca_file and a client_auth_type that verifies require each other - at `$.tls_server_config`"
            )
        if tls.client_allowed_sans and tls.client_auth_type is not ClientAuth.REQUIRED:
            raise ValueError(
                f"client_allowed_sans requires client_auth_type {ClientAuth.REQUIRED} - at `$.tls_server_config`"
            )
        if tls.min_version > tls.max_version:
            raise ValueError("min_version is above max_version - at `$.tls_server_config`")
    for header, value in config.http_server_config.headers.items():
        if header not in _HEADERS:
            raise ValueError(f"{header!r} cannot be set: use {', '.join(_HEADERS)} - at `$.http_server_config.headers`")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"{header} must be one printable line - at `$.http_server_config.headers`")


def read_web_config(path: Path) -> bytes:
    """Read the content of a configuration file.

    Raises:
        WebConfigError: the file cannot be read.
    """
    try:
        return read_regular(path, _MAX_BYTES)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise WebConfigError(f"cannot be read: {reason}", where=str(path)) from None


def load_web_config(path: Path) -> WebConfig:
    """Read and parse a configuration file.

    Raises:
        WebConfigError: the file cannot be read, or is invalid.
    """
    return parse_web_config(read_web_config(path), str(path))


def lowered(before: WebConfig, after: WebConfig) -> list[str]:
    """Return the settings with less protection in ``after`` than in ``before``; empty if there are none.

    Removing one of several users or allowed names does not count, because it admits fewer clients.
    """
    lost = []
    old, new = before.tls_server_config, after.tls_server_config
    if old is not None:
        if new is None:
            lost.append("tls_server_config is gone")
        else:
            weaker = (
                ("client_auth_type", _STRENGTH[new.client_auth_type] < _STRENGTH[old.client_auth_type]),
                ("client_allowed_sans", bool(old.client_allowed_sans) and not new.client_allowed_sans),
                ("min_version", new.min_version < old.min_version),
                ("cipher_suites", bool(old.cipher_suites) and not new.cipher_suites),
            )
            lost += [f"{name} allows more" for name, is_weaker in weaker if is_weaker]
    if before.basic_auth_users and not after.basic_auth_users:
        lost.append("basic_auth_users is empty")
    headers = before.http_server_config.headers.keys() - after.http_server_config.headers.keys()
    if headers:
        lost.append(f"http_server_config.headers lacks {min(headers)}")
    return lost

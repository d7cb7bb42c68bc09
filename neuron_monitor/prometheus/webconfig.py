"""TLS and users as a file, in the format of Prometheus' exporter-toolkit (``--web.config.file``).

Source: https://prometheus.io/docs/prometheus/latest/configuration/https/. What Python's ssl can't do is refused
by name, never silently left out.
"""

from __future__ import annotations

import enum
from pathlib import Path
from typing import Annotated

import msgspec

from neuron_console.extras import requires
from runtime_core.telemetry import NeuronError

_HEADERS = (
    "Content-Security-Policy",
    "Strict-Transport-Security",
    "X-Content-Type-Options",
    "X-Frame-Options",
    "X-XSS-Protection",
)
"""The headers that the toolkit lets a file set."""

BcryptHash = Annotated[str, msgspec.Meta(pattern=r"^\$2[aby]\$(0[4-9]|[12][0-9]|3[01])\$[./A-Za-z0-9]{53}$")]


class WebConfigError(NeuronError):
    """A web configuration that can't be used; names the file, the place and what was expected."""


class ClientAuth(enum.StrEnum):
    """What is asked of a client's certificate."""

    NONE = "NoClientCert"
    IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRED = "RequireAndVerifyClientCert"


class TlsVersion(enum.StrEnum):
    """Versions of TLS that may be asked for; older ones are not offered."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


class TlsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """``tls_server_config``; file names are relative to the configuration's folder."""

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
    """``http_server_config``; ``http2`` is accepted, and HTTP/1.1 spoken: clients agree on it by themselves."""

    http2: bool = True
    headers: dict[str, str] = {}


class WebConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The file."""

    tls_server_config: TlsConfig | None = None
    http_server_config: HttpConfig = HttpConfig()
    basic_auth_users: dict[str, BcryptHash] = {}


def parse_web_config(content: bytes, name: str) -> WebConfig:
    """Read a configuration.

    Args:
        content: YAML; empty: plain text for everybody.
        name: what to call it in messages.

    Raises:
        WebConfigError: naming the file, the place and what was expected.
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
        problem = getattr(error, "problem", None) or "it can't be decoded"
        raise WebConfigError(f"{name}: expected YAML{place}: {problem}") from None
    except (ValueError, RecursionError, TypeError) as error:
        text = "it is nested too deeply" if isinstance(error, RecursionError) else " ".join(str(error).split())
        if "matching regex" in text:
            text = "expected a bcrypt hash, as `htpasswd -nBC 10 USER` makes it - at `$.basic_auth_users`"
        raise WebConfigError(f"{name}: {text}") from None
    return found


def _check(config: WebConfig) -> None:
    tls = config.tls_server_config
    if tls is not None:
        if (tls.client_auth_type is ClientAuth.NONE) != (not tls.client_ca_file):
            raise ValueError(
                "client_ca_file and a client_auth_type that verifies need each other - at `$.tls_server_config`"
            )
        if tls.client_allowed_sans and tls.client_auth_type is not ClientAuth.REQUIRED:
            raise ValueError(
                f"client_allowed_sans needs client_auth_type {ClientAuth.REQUIRED} - at `$.tls_server_config`"
            )
        if tls.min_version > tls.max_version:
            raise ValueError("min_version is above max_version - at `$.tls_server_config`")
    for header, value in config.http_server_config.headers.items():
        if header not in _HEADERS:
            raise ValueError(f"{header!r} can't be set, only {', '.join(_HEADERS)} - at `$.http_server_config.headers`")
        if not value.isascii() or not value.isprintable():
            raise ValueError(f"{header} must be one printable line - at `$.http_server_config.headers`")


def load_web_config(path: Path) -> WebConfig:
    """Read a configuration file.

    Raises:
        WebConfigError: it can't be read, or is wrong.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise WebConfigError(f"{path}: can't be read: {error.strerror}") from None
    return parse_web_config(content, str(path))

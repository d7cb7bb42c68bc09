"""Nodes from a service discovery as Prometheus reads it, over HTTP or from a file."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta

from neuron_console.text import printable
from neuron_top.remote.client import Client
from neuron_top.remote.endpoint import Endpoint, parse_endpoint
from runtime_core.telemetry import NodeError, UsageError, read_regular

_MAX_BYTES = 32 << 20
PATIENCE_SECONDS = 10.0
_PORTS = {"http": 80, "https": 443}
T = TypeVar("T")
Text = Annotated[str, Meta(max_length=4096)]


class _Group(msgspec.Struct):
    targets: list[Text]
    labels: dict[Text, Text] = {}


def parse_url(text: str) -> Endpoint:
    """A base URL: ``http://HOST[:PORT][/PATH]``; the path ends without a slash.

    Raises:
        UsageError: it is none, or has a user, a query or a fragment.
    """
    mend = "write for example http://prometheus:9090"
    try:
        parts = urllib.parse.urlsplit(text)
        port = parts.port
    except ValueError:
        raise UsageError(f"{text!r} is no URL", mend=mend) from None
    if parts.scheme not in _PORTS or not parts.hostname or not text.isprintable() or " " in text:
        raise UsageError(f"{text!r} is no URL of http or https", mend=mend)
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError(f"{text!r} has more than a host, a port and a path", mend=mend)
    # The host by the same rules as everywhere.
    host = parse_endpoint(f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname).host
    path = urllib.parse.quote(parts.path.rstrip("/"), safe="/%:@!$&'()*+,;=~-._")
    return Endpoint(host, port if port is not None else _PORTS[parts.scheme], path, parts.scheme)


def read_discovery(text: str, client: Client) -> list[Endpoint]:
    """The nodes of a service discovery.

    Args:
        text: its URL, or a file of the same JSON.
        client: asks.

    Raises:
        UsageError: the URL or the file is wrong.
        NodeError: nobody answers.
    """
    if not text.startswith(("http://", "https://")):
        try:
            body = read_regular(Path(text), _MAX_BYTES)
        except OSError as error:
            raise UsageError(f"cannot be read: {error.strerror or error}", where=text) from None
        return groups_of(body, text)
    url, question, query = text.partition("?")
    endpoint = parse_url(url)
    return groups_of(_get(client, endpoint, endpoint.path + question + query), text)


def groups_of(body: bytes, where: str) -> list[Endpoint]:
    """The nodes of the JSON that Prometheus's ``http_sd_configs`` and ``file_sd_configs`` read.

    Raises:
        UsageError: it is no such list, or a target of it is wrong.
    """
    groups = _decoded(body, list[_Group], where, "a list of objects with targets and labels")
    return [
        _target(target, group.labels, where, number) for number, group in enumerate(groups) for target in group.targets
    ]


def _target(target: str, labels: Mapping[str, str], where: str, number: int) -> Endpoint:
    scheme = labels.get("__scheme__") or "http"
    path = labels.get("__metrics_path__") or "/metrics"
    if scheme not in _PORTS or not path.startswith("/") or not path.isascii() or not path.isprintable() or " " in path:
        raise UsageError(f"{scheme}://{target}{path} is no URL of http or https", where=f"{where}, group {number + 1}")
    try:
        found = parse_endpoint(target, _PORTS[scheme])
    except UsageError as error:
        raise UsageError(error.what, where=f"{where}, group {number + 1}", mend=error.mend) from None
    return found._replace(path=path, scheme=scheme, name=name_of(labels.get("instance", "")))


def name_of(text: str) -> str:
    """A label as the name of a node: fit for the terminal, and not too long."""
    return printable(text[:200]).strip()


def _decoded(body: bytes, kind: type[T], where: str, wanted: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"is not {wanted}: {reason}", where=where) from None


def _get(client: Client, endpoint: Endpoint, path: str) -> bytes:
    answer = client.get(endpoint, path or "/", "application/json", PATIENCE_SECONDS)
    if answer.status != 200:
        raise NodeError(f"{endpoint.scheme}://{endpoint.address}{path} answers {answer.status} {answer.reason}")
    return answer.body

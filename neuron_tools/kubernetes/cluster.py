"""Calls to the API server by the plugin, the scheduler and the detector, through the official client."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, cast

from runtime_core.errors import NeuronError, UsageError

_MERGE_PATCH = "application/merge-patch+json"
_STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
_MAX_LINE_BYTES = 16 << 20
_TIMEOUT_SECONDS = 10.0
_WATCH_SECONDS = 300
_RAW = {"_preload_content": False, "_request_timeout": _TIMEOUT_SECONDS}


class ClusterError(NeuronError):
    """The API server refused a call, or did not answer.

    Attributes:
        status: HTTP status of the refusal; 0 if there was no answer.
    """

    def __init__(self, what: str, *, status: int = 0, where: str = "", mend: str = "") -> None:
        """Create an error with a status."""
        super().__init__(what, where=where, mend=mend)
        self.status = status


class Cluster(Protocol):
    """The calls that are made to an API server."""

    def list(self, kind: str, node: str | None = None) -> bytes:
        """Return the JSON list of ``pods`` or ``nodes``; with ``node``, only the pods of that node.

        Raises:
            ClusterError: there was no valid answer.
        """
        ...

    def watch(self, kind: str, version: str, node: str | None = None) -> Iterator[bytes]:
        """Yield the changes since ``version``, one JSON line each, until the server ends the stream.

        Raises:
            ClusterError: the stream was refused or interrupted.
        """
        ...

    def patch_pod(self, namespace: str, name: str, patch: Mapping[str, object]) -> None:
        """Apply a merge patch to a pod."""
        ...

    def patch_node(self, name: str, patch: Mapping[str, object]) -> None:
        """Apply a merge patch to a node."""
        ...

    def patch_node_status(self, name: str, patch: Mapping[str, object]) -> None:
        """Apply a strategic merge patch to the status of a node: conditions are merged by type."""
        ...

    def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """Bind a pod to a node."""
        ...

    def evict(self, namespace: str, name: str) -> None:
        """Evict a pod, if its disruption budget allows it."""
        ...

    def event(self, namespace: str, event: Mapping[str, object]) -> None:
        """Create an event."""
        ...


def _patching(client: Any, configuration: Any, content_type: str) -> Any:  # noqa: ANN401 - the client is untyped
    """Return an API whose patches have one content type; versions of the client have no common way to set it."""
    api_client = client.ApiClient(configuration)
    api_client.set_default_header("Content-Type", content_type)
    return client.CoreV1Api(api_client)


class OfficialCluster:
    """A cluster accessed through the official client."""

    def __init__(self, server: str | None = None) -> None:
        """Connect to the cluster.

        Args:
            server: URL of an API server without authentication (for tests, or ``kubectl proxy``). ``None``: the file in
                ``KUBECONFIG`` or ``~/.kube/config``, or else the service account of the pod.

        Raises:
            ClusterError: none of these exists.
            UsageError: ``server`` is not an HTTP URL.
        """
        import kubernetes.config
        from kubernetes import client
        from kubernetes.config.config_exception import ConfigException

        configuration = client.Configuration()
        config: Any = kubernetes.config
        if server is not None:
            if not server.startswith(("http://", "https://")):
                raise UsageError(f"API server {server!r}: expected http://HOST:PORT or https://HOST:PORT")
            configuration.host = server
        else:
            try:
                if os.environ.get("KUBECONFIG") or (Path.home() / ".kube/config").exists():
                    config.load_kube_config(client_configuration=configuration)
                else:
                    config.load_incluster_config(client_configuration=configuration)
            except (ConfigException, OSError) as error:
                raise ClusterError(
                    f"no access to a cluster ({error})", mend="set KUBECONFIG, or run in a pod with a service account"
                ) from None
        self.server = str(configuration.host)
        # Raw answers of the client are untyped.
        self._api: Any = client.CoreV1Api(client.ApiClient(configuration))
        self._merging: Any = _patching(client, configuration, _MERGE_PATCH)
        self._merging_strategically: Any = _patching(client, configuration, _STRATEGIC_MERGE_PATCH)

    @contextlib.contextmanager
    def _answers(self, doing: str) -> Iterator[None]:
        """Convert every failure of a call to a ClusterError."""
        from kubernetes.client.exceptions import ApiException, OpenApiException
        from urllib3.exceptions import HTTPError

        try:
            yield
        except ApiException as error:
            status = int(error.status or 0)
            text = " ".join(str(error.body or error.reason or "").split())[:300]
            raise ClusterError(f"{doing}: {status} {text}", status=status, where=self.server) from None
        except (OpenApiException, HTTPError, OSError) as error:
            raise ClusterError(f"{doing}: no answer ({type(error).__name__})", where=self.server) from None

    def list(self, kind: str, node: str | None = None) -> bytes:
        """See :class:`Cluster`."""
        with self._answers(f"listing {kind}"):
            return cast(bytes, self._lister(kind)(**_RAW, **self._selector(node)).data)

    def watch(self, kind: str, version: str, node: str | None = None) -> Iterator[bytes]:
        """See :class:`Cluster`."""
        with self._answers(f"watching {kind}"):
            answer = self._lister(kind)(
                watch=True,
                resource_version=version,
                allow_watch_bookmarks=True,
                timeout_seconds=_WATCH_SECONDS,
                _preload_content=False,
                _request_timeout=(_TIMEOUT_SECONDS, _WATCH_SECONDS + _TIMEOUT_SECONDS),
                **self._selector(node),
            )
            try:
                rest = b""
                for chunk in answer.stream(amt=None, decode_content=False):
                    *lines, rest = (rest + chunk).split(b"\n")
                    yield from (line for line in lines if line.strip())
                    if len(rest) > _MAX_LINE_BYTES:
                        raise ClusterError(f"watching {kind}: a line of more than {_MAX_LINE_BYTES} bytes")
            finally:
                answer.close()

    def _lister(self, kind: str) -> Any:  # noqa: ANN401 - a method of the client
        return self._api.list_node if kind == "nodes" else self._api.list_pod_for_all_namespaces

    @staticmethod
    def _selector(node: str | None) -> dict[str, str]:
        return {} if node is None else {"field_selector": f"spec.nodeName={node}"}

    def patch_pod(self, namespace: str, name: str, patch: Mapping[str, object]) -> None:
        """See :class:`Cluster`."""
        with self._answers(f"patching pod {namespace}/{name}"):
            self._merging.patch_namespaced_pod(name, namespace, dict(patch), **_RAW)

    def patch_node(self, name: str, patch: Mapping[str, object]) -> None:
        """See :class:`Cluster`."""
        with self._answers(f"patching node {name}"):
            self._merging.patch_node(name, dict(patch), **_RAW)

    def patch_node_status(self, name: str, patch: Mapping[str, object]) -> None:
        """See :class:`Cluster`."""
        with self._answers(f"patching the status of node {name}"):
            self._merging_strategically.patch_node_status(name, dict(patch), **_RAW)

    def bind(self, namespace: str, name: str, uid: str, node: str) -> None:
        """See :class:`Cluster`."""
        body = {
            "apiVersion": "v1",
            "kind": "Binding",
            "metadata": {"name": name, "namespace": namespace, **({"uid": uid} if uid else {})},
            "target": {"apiVersion": "v1", "kind": "Node", "name": node},
        }
        with self._answers(f"binding pod {namespace}/{name}"):
            self._api.create_namespaced_pod_binding(name, namespace, body, **_RAW)

    def evict(self, namespace: str, name: str) -> None:
        """See :class:`Cluster`."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}
        with self._answers(f"evicting pod {namespace}/{name}"):
            self._api.create_namespaced_pod_eviction(name, namespace, body, **_RAW)

    def event(self, namespace: str, event: Mapping[str, object]) -> None:
        """See :class:`Cluster`."""
        with self._answers("creating an event"):
            self._api.create_namespaced_event(namespace, dict(event), **_RAW)

# ruff: noqa: E501 - inputs and commands are one line each
"""The parsers of untrusted bytes, each with seeds and with the errors that it may raise."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import tempfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from runtime_core.errors import NeuronError

sys.path.insert(0, str(Path(__file__).parent.parent))
X = Path("/x/x")


class Parser(NamedTuple):
    """A parser under attack.

    Attributes:
        seeds: inputs that it accepts.
        parse: the parser; raises one of ``allowed`` for refused inputs.
        allowed: exceptions that callers handle.
        share: relative share of the inputs; fast parsers get more.
    """

    name: str
    seeds: tuple[bytes, ...]
    parse: Callable[[bytes], object]
    allowed: tuple[type[BaseException], ...] = (NeuronError,)
    share: int = 1


def _monitor_config() -> Parser:
    from neuron_monitor.config import parse_config

    whole = {
        "period": "1s",
        "neuron_runtimes": [
            {"tag_filter": "web.*", "address": "unix:/x", "period": "5s", "metrics": [{"type": "neuroncore_counters"}]}
        ],
        "system_metrics": [{"type": "vcpu_usage", "period": "500ms"}, {"type": "neuron_hw_counters"}],
    }
    seeds = (json.dumps(whole).encode(), json.dumps(whole, indent=2).encode())
    return Parser("monitor configuration", seeds, lambda data: parse_config(data, "x"), share=200)


def _web_config() -> Parser:
    from neuron_monitor.prometheus.webconfig import parse_web_config

    seeds = (
        b"tls_server_config:\n  cert_file: a\n  key_file: b\n  min_version: TLS12\n  cipher_suites: [A]\n",
        b"basic_auth_users: {alice: $2b$04$N2htCzIsRlXU1HNQxactQunr0EdN05QpjbD3lO4/Ev7aF9iipVIl.}\n",
        b"http_server_config: {headers: {X-Frame-Options: deny}}\n",
    )
    return Parser("web.yml", seeds, lambda data: parse_web_config(data, "web.yml"), share=3)


def _scenario() -> Parser:
    import neuron_tools.scenario as scenario
    from neuron_tools.scenario.load import parse_scenario

    library = Path(scenario.__file__).parent / "library"
    seeds = tuple(sorted((path.read_bytes() for path in library.glob("*.yaml")), key=len)[:3])
    return Parser("scenario", seeds, lambda data: parse_scenario(data, X), share=1)


def _http() -> Parser:
    from neuron_monitor.prometheus.request import accepts_gzip, parse_head, preferred
    from neuron_monitor.prometheus.routes import OFFERS
    from neuron_monitor.prometheus.users import _credentials

    def parse(data: bytes) -> None:
        request = parse_head(data)
        if request is not None:
            preferred(request.headers.get("accept", ""), OFFERS)
            accepts_gzip(request.headers.get("accept-encoding", ""))
            _credentials(request.headers.get("authorization", ""))

    seeds = (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: application/openmetrics-text;version=1.0.0;q=0.5,*/*;q=0.1\r\n"
        b"Accept-Encoding: gzip\r\nConnection: close\r\n\r\n",
        b"GET / HTTP/1.0\r\nAuthorization: Basic YTpi\r\nContent-Length: 0\r\n\r\n",
    )
    return Parser("HTTP request", seeds, parse, (), share=400)


def _sysfs() -> Parser:
    from runtime_core.telemetry.sysfs.holders import parse_core_list
    from runtime_core.telemetry.sysfs.tree import parse_connected, parse_count

    def parse(data: bytes) -> None:
        parse_count(data)
        text = data.decode("utf-8", "replace")
        parse_connected(text, 1)
        parse_core_list(text)

    return Parser("sysfs file", (b"12345\n", b"0, 2\n", b"0-3,6\n", b"Inferentia\n", b"1-\n"), parse, (), share=400)


def _pod_resources() -> Parser:
    from google.protobuf.message import DecodeError

    from runtime_core.telemetry.kubelet.client import _decoded, _holdings

    def parse(data: bytes) -> None:
        tuple(_holdings(_decoded(data)))

    response = _decoded(b"")
    for number in range(3):
        pod = response.pod_resources.add(name=f"pod{number}", namespace="default")
        container = pod.containers.add(name="main")
        container.devices.add(resource_name="aws.amazon.com/neurondevice", device_ids=["0", "1"])
    return Parser("pod-resources", (response.SerializeToString(),), parse, (DecodeError,), share=200)


def _grpc() -> Parser:
    from google.protobuf.message import DecodeError
    from small_models import small_neff

    from runtime_core.rtd.loading import _Stream
    from runtime_core.rtd.proto import common_pb2, nmgr_pb2

    def parse(data: bytes) -> None:
        stream = _Stream()
        stream.take(nmgr_pb2.load_request.FromString(data))
        nmgr_pb2.infer_request.FromString(data)

    messages = (
        nmgr_pb2.load_request(neff_size=2048),
        nmgr_pb2.load_request(neff_chunk=nmgr_pb2.file_chunk(chunk=small_neff()[:2000])),
        nmgr_pb2.load_request(model_params=nmgr_pb2.model_params(timeout=common_pb2.u32(data=3))),
        nmgr_pb2.load_request(h_eg=common_pb2.h_eg(id=3)),
    )
    seeds = tuple(message.SerializeToString() for message in messages)
    return Parser("gRPC message", seeds, parse, (NeuronError, DecodeError), share=200)


def _read_by_name(read: Callable[[Path], object], data: bytes) -> None:
    handle = os.memfd_create("input")
    try:
        os.write(handle, data)
        read(Path(f"/proc/self/fd/{handle}"))
    finally:
        os.close(handle)


def _recording_seed() -> bytes:
    from runtime_core.driver.node import set_up
    from runtime_core.telemetry import open_source
    from runtime_core.telemetry.recording import RecordingWriter

    with tempfile.TemporaryDirectory() as folder:
        set_up(Path(folder, "node"), type_name="inf1.xlarge")
        source = open_source(f"sim:{folder}/node")
        path = Path(folder, "x.nrec")
        recording = RecordingWriter(path, source=source.name, interval_seconds=1.0)
        for _ in range(3):
            recording.add(source.snapshot(host=True))
        recording.close()
        source.close()
        return path.read_bytes()


def _recording() -> Parser:
    from runtime_core.telemetry.recording import Recording

    def read(path: Path) -> None:
        recording = Recording(path)
        for index in range(min(5, len(recording))):
            recording.snapshot(index)
        recording.close()

    return Parser("recording", (_recording_seed(),), partial(_read_by_name, read), share=20)


def _recording_frames() -> Parser:
    """Arbitrary MessagePack with valid checksums."""
    from runtime_core.telemetry.recording import frames
    from runtime_core.telemetry.recording.columns import put_together

    whole = _recording_seed()
    _, _, length = frames.PREFIX.unpack_from(whole)
    at = frames.PREFIX.size + length + frames.CRC.size
    _, size, _, _ = frames.FRAME.unpack_from(whole, at)
    start = at + frames.FRAME.size
    key = zlib.decompressobj().decompress(whole[start : start + size] + frames.SYNC_TAIL)
    delta = msgspec.msgpack.encode(frames.DeltaRecord([1, 2], [1, 1], [], []))

    def parse(data: bytes) -> None:
        columns = frames.columns_of(frames.decode_key(data))
        put_together(frames.apply(columns, frames.decode_delta(delta)))

    allowed = (ValueError, TypeError, msgspec.MsgspecError, OverflowError, RecursionError)
    return Parser("recording's records", (key,), parse, allowed, share=10)


def _neff() -> Parser:
    from small_models import small_neff

    from runtime_core.neff.reader import read_neff

    return Parser("NEFF", (small_neff(), small_neff(cores=2, weights=2)), read_neff, share=20)


def _neff_manifest() -> Parser:
    """An arbitrary manifest in a valid archive."""
    from neff_files import manifest_of, pack_members
    from small_models import small_neff

    from runtime_core.neff import writer
    from runtime_core.neff.header import pack_header, unpack_header
    from runtime_core.neff.reader import read_neff

    whole = read_neff(small_neff())
    rest = [(name, bytes(content)) for name, content in writer._members(whole)[1:]]
    seed = json.dumps(manifest_of(whole)).encode()

    header = unpack_header(small_neff())

    def parse(data: bytes) -> None:
        payload = pack_members([("neff.json", data), *rest])
        digest = hashlib.sha256(payload).digest()
        read_neff(pack_header(header._replace(data_size_bytes=len(payload), payload_hash=digest)) + payload)

    return Parser("NEFF manifest", (seed,), parse, share=5)


def _onnx() -> Parser:
    import onnx
    from google.protobuf.message import DecodeError
    from onnx import TensorProto, helper

    from runtime_core.compiler.reading import check_model

    value = helper.make_tensor_value_info
    nodes = [helper.make_node("MatMul", ["x", "w"], ["t"]), helper.make_node("Relu", ["t"], ["y"])]
    weight = helper.make_tensor("w", TensorProto.FLOAT, [4, 4], [1.0] * 16)
    shape = [1, 4]
    graph = helper.make_graph(
        nodes, "g", [value("x", TensorProto.FLOAT, shape)], [value("y", TensorProto.FLOAT, shape)], [weight]
    )
    seed = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()

    def parse(data: bytes) -> None:
        check_model(onnx.ModelProto.FromString(data), "x.onnx")

    return Parser("ONNX", (seed,), parse, (NeuronError, DecodeError), share=5)


def _scrape() -> Parser:
    from neuron_top.remote.scrape import Reader

    seeds = (
        b'# TYPE execution_status_total counter\nexecution_status_total{status_type="completed",runtime_tag="web"} 5\n'
        b'neuroncore_utilization_ratio{neuroncore="0"} 0.5\n',
    )

    def parse(data: bytes) -> None:
        Reader().read(data.decode("utf-8", "replace"))

    return Parser("scrape", seeds, parse, share=10)


MAKERS = (
    _http, _sysfs, _monitor_config, _pod_resources, _grpc, _recording, _recording_frames, _neff, _neff_manifest, _scrape,
    _web_config, _scenario, _onnx,
)  # fmt: skip

"""Collectors on loopback: OTLP over gRPC and over HTTP, decoded with the protocol's messages."""

import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2_grpc import (
    MetricsServiceServicer,
    add_MetricsServiceServicer_to_server,
)


def attributes(found):
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in found}


class Received:
    """The data that a collector received."""

    def __init__(self, url):
        self.url = url
        self.requests = []

    @property
    def resource(self):
        return attributes(self.requests[-1].resource_metrics[0].resource.attributes)

    def metrics(self):
        """The metrics of the last push, by name."""
        if not self.requests:
            return {}
        return {m.name: m for m in self.requests[-1].resource_metrics[0].scope_metrics[0].metrics}

    def points(self, name):
        """Attributes and data point of each series of a metric in the last push."""
        metric = self.metrics().get(name)
        if metric is None:
            return []
        data = getattr(metric, metric.WhichOneof("data"))
        return [(attributes(point.attributes), point) for point in data.data_points]


class _Service(MetricsServiceServicer):
    def __init__(self, requests):
        self._requests = requests

    def Export(self, request, context):
        self._requests.append(request)
        return ExportMetricsServiceResponse()


@pytest.fixture
def grpc_collector():
    server = grpc.server(ThreadPoolExecutor(2))
    port = server.add_insecure_port("127.0.0.1:0")
    received = Received(f"grpc://127.0.0.1:{port}")
    add_MetricsServiceServicer_to_server(_Service(received.requests), server)
    server.start()
    yield received
    server.stop(None)


@pytest.fixture
def http_collector():
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            good = self.path == "/v1/metrics" and self.headers["Content-Type"] == "application/x-protobuf"
            if good:
                received.requests.append(ExportMetricsServiceRequest.FromString(body))
            self.send_response(200 if good else 404)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    received = Received(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield received
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(params=["grpc_collector", "http_collector"])
def collector(request):
    return request.getfixturevalue(request.param)

"""A small HTTP server on the loopback interface, and arbitrary JSON for its responses."""

import http.server
import threading
from contextlib import contextmanager

from hypothesis import strategies as st

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@contextmanager
def server(respond):
    """A server that responds with ``respond(path)``: status, content type, body."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self):
            super().setup()
            serving.connections += 1

        def do_GET(self):
            serving.paths.append(self.path)
            status, kind, body = respond(self.path)
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    serving = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    serving.daemon_threads = True
    serving.paths, serving.connections = [], 0
    threading.Thread(target=serving.serve_forever, daemon=True).start()
    try:
        yield serving
    finally:
        serving.shutdown()
        serving.server_close()

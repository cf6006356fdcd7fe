"""Traces reach a collector, with the caller's trace and without ids, searches or tokens."""

import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

ROOT = Path(__file__).parents[2]
TRACE = "0af7651916cd43dd8448eb211c80319c"
# A process of its own: the provider of traces is one per process, for good.
APP = f"""
from jobs.contract.settings import load_settings
from opentelemetry import trace
from serving.app import create_app

client = create_app(load_settings()).test_client()
headers = {{
    "traceparent": "00-{TRACE}-b7ad6b7169203331-01",
    "Authorization": "Bearer hidden-token",
}}
client.get("/songs/hidden-song", headers=headers)
client.get("/search?q=hidden-words", headers=headers)
client.get("/livez")
trace.get_tracer_provider().shutdown()
"""


@pytest.fixture
def collector():
    """A collector on a free port, and the bodies that it got."""
    got = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    server.server_close()
    thread.join()


def test_traces_go_on_from_the_caller_and_hide_what_is_private(collector):
    address, got = collector
    env = {
        "NOCTURNE_OTLP_ENDPOINT": address,
        "NOCTURNE_TOKEN_SECRET": "k" * 32,
        "NOCTURNE_MONGO_URI": "mongodb://127.0.0.1:9",
        "NOCTURNE_STORE_TIMEOUT_MS": "50",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
        "PYTHONPATH": str(ROOT),
    }
    subprocess.run([sys.executable, "-c", APP], env=os.environ | env, check=True, timeout=60)
    spans = [
        span
        for body in got
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]
    names = {span.name for span in spans}
    assert {"GET /songs/<track_id>", "GET /search", "mongodb"} <= names
    assert not any("livez" in name for name in names)
    assert {span.trace_id.hex() for span in spans} == {TRACE}
    assert b"hidden" not in b"".join(got)

"""OpenTelemetry traces, if a collector is named: spans of requests and of calls of stores."""

from typing import Any

from flask import Flask, request
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from jobs.contract.settings import Settings

UNTRACED = "livez,readyz,metrics"
PRIVATE = {"http.target", "http.url", "url.full", "url.path", "url.query"}


def init_traces(app: Flask, settings: Settings) -> None:
    """Send traces to the collector of the settings; a `traceparent` of the caller is gone on from.

    The worker's threads send in the background: a collector that is away costs no answer.
    """
    if not settings.otlp_endpoint:
        return
    provider = TracerProvider(resource=Resource.create({"service.name": "nocturne-serving"}))
    exporter = OTLPSpanExporter(f"{settings.otlp_endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    instrumentor: Any = FlaskInstrumentor()
    instrumentor.instrument_app(app, excluded_urls=UNTRACED)
    app.before_request(_blank)


def _blank() -> None:
    """Let the route's template stand for the path, which may hold ids, and for a search."""
    span: Any = trace.get_current_span()
    route = request.url_rule.rule if request.url_rule else "-"
    for name in PRIVATE & set(getattr(span, "attributes", ())):
        span.set_attribute(name, route)

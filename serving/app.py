"""The Flask app: songs, search, recommendations and events over HTTP."""

from flask import Flask, Response
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from jobs.contract.events import MAX_MESSAGE_BYTES
from jobs.contract.settings import Settings
from jobs.contract.tokens import signing_key
from serving.errors import init_errors
from serving.limits import init_limits
from serving.logs import init_logs
from serving.metrics import init_metrics
from serving.services import EXTENSION, services_of
from serving.traces import init_traces
from serving.views import contract, dev, events, feedback, health, recommend, songs, tokens

HEADERS = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
EXPOSED = ["ETag", "Link", "RateLimit", "RateLimit-Policy", "Retry-After", "X-Request-Id"]


def create_app(settings: Settings) -> Flask:
    """Return the app of one deployment; stores are connected when first needed.

    Raises SettingsError when the key that signs tokens is missing or too short.
    """
    signing_key(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_MESSAGE_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = services_of(settings)
    init_errors(app)
    init_metrics(app)
    init_logs(app)
    init_traces(app, settings)
    for view in (songs, recommend, feedback, events, tokens, health, contract):
        app.register_blueprint(view.bp)
    if settings.environment == "local":
        app.register_blueprint(dev.bp)
    init_limits(app, settings)
    app.after_request(_secured)
    if origins := settings.cors_origins.split():
        CORS(app, origins=origins, expose_headers=EXPOSED, max_age=600)
    if settings.trusted_proxies:
        # Only what so many proxies of ours have written is believed.
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]
    return app


def _secured(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response

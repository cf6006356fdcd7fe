"""The Flask app: songs, search, recommendations and events over HTTP."""

from flask import Flask, Response
from flask_cors import CORS
from werkzeug.middleware.proxy_fix import ProxyFix

from jobs.contract.events import MAX_MESSAGE_BYTES
from jobs.contract.settings import Settings
from jobs.contract.tokens import signing_key
from jobs.stores.media import media_origin
from serving.doors import init_doors
from serving.errors import init_errors
from serving.limits import init_limits
from serving.logs import init_logs
from serving.metrics import init_metrics
from serving.services import EXTENSION, services_of
from serving.static_files import init_static_files
from serving.traces import init_traces
from serving.views import (
    client_errors,
    contract,
    dev,
    events,
    feedback,
    health,
    me,
    media,
    pages,
    recommend,
    signin,
    songs,
    tokens,
)

VIEWS = (
    # The pages' /search hands on to the one of the songs.
    *(pages, songs, media, recommend, feedback, events, client_errors),
    *(tokens, signin, me, health, contract),
)
POLICY = (
    "default-src 'self'; media-src 'self' {media}; img-src 'self' data:; style-src 'self'; "
    "script-src 'self'; object-src 'none'; frame-ancestors 'none'; base-uri 'none'; "
    "form-action 'self'"
)
HEADERS = {
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
    app = Flask(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = MAX_MESSAGE_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = services_of(settings)
    init_errors(app)
    init_metrics(app)
    init_logs(app)
    init_traces(app, settings)
    init_doors(app)
    init_static_files(app)
    for view in VIEWS:
        app.register_blueprint(view.bp)
    if settings.environment == "local":
        app.register_blueprint(dev.bp)
    init_limits(app, settings)
    headers = HEADERS | {"Content-Security-Policy": POLICY.format(media=media_origin(settings))}
    app.after_request(lambda response: _secured(response, headers))
    if origins := settings.cors_origins.split():
        CORS(app, origins=origins, expose_headers=EXPOSED, max_age=600)
    if settings.trusted_proxies:
        # Only what so many proxies of ours have written is believed.
        hops = settings.trusted_proxies
        app.wsgi_app = ProxyFix(app.wsgi_app, hops, hops, hops)  # type: ignore[method-assign]
    return app


def _secured(response: Response, headers: dict[str, str]) -> Response:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    return response

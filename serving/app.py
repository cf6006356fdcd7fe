"""The Flask app: songs, search, recommendations and events over HTTP."""

from flask import Flask

from jobs.contract.events import MAX_MESSAGE_BYTES
from jobs.contract.settings import Settings
from jobs.contract.tokens import signing_key
from serving.errors import init_errors
from serving.services import EXTENSION, services_of
from serving.views import dev, events, health, recommend, songs


def create_app(settings: Settings) -> Flask:
    """Return the app of one deployment; stores are connected when first needed.

    Raises SettingsError when the key that signs listener tokens is missing or too short.
    """
    signing_key(settings)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_MESSAGE_BYTES
    app.json.sort_keys = False  # type: ignore[attr-defined]
    app.extensions[EXTENSION] = services_of(settings)
    init_errors(app)
    for view in (songs, recommend, events, health):
        app.register_blueprint(view.bp)
    if settings.environment == "local":
        app.register_blueprint(dev.bp)
    return app

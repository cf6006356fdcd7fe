"""Apps for tests of HTTP: with every store away, or with some that are lists in memory."""

from dataclasses import replace

from jobs.contract.settings import Settings
from serving.app import create_app
from serving.covers import Covers
from serving.services import EXTENSION
from tests.unit.test_serving_http import closed_port


def away_settings(**changes):
    """Return settings of a local stack of which nothing answers."""
    port = closed_port()
    return Settings(
        environment="local",
        token_secret="k" * 32,
        mongo_uri=f"mongodb://127.0.0.1:{port}",
        milvus_uri=f"http://127.0.0.1:{port}",
        redis_url=f"redis://127.0.0.1:{port}/0",
        kafka_bootstrap=f"127.0.0.1:{port}",
        s3_endpoint=f"http://127.0.0.1:{port}",
        s3_access_key="nocturne",
        s3_secret_key="s" * 16,
        store_timeout_ms=100,
        **changes,
    )


class Here:
    """A part of the app that answers, and what it answers with."""

    def __init__(self, client):
        self.client = client

    def call(self, use):
        return use(self.client)

    def close(self):
        pass


def app_with(settings, **parts):
    """Return an app in which these stores are here, and all others away."""
    app = create_app(settings)
    services = app.extensions[EXTENSION]
    here = {name: Here(client) for name, client in parts.items()}
    stores = replace(services.stores, **here)
    app.extensions[EXTENSION] = replace(services, stores=stores, covers=Covers(stores))
    return app

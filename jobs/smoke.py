"""Ask the app for a generation before it is live, as a listener would get it."""

import json
import time
from collections.abc import Mapping
from typing import Any

import urllib3

from jobs.contract.errors import NotPublished
from jobs.contract.names import GENERATION_HEADER
from jobs.contract.settings import Settings
from jobs.contract.tokens import operator_token
from jobs.stores.documents import Documents
from jobs.stores.vectors import Vectors

LISTENERS = 5
SONGS = 10
STRANGER = "nobody-smoke-test"
PATIENCE_SECONDS = 15.0
SLACK = 1e-3
"""Relative difference of a score that float32 and the order of a sum may make."""

Answer = Mapping[str, Any]


class Smoke:
    """The smoke test of one deployment; it only reads."""

    def __init__(self, settings: Settings, documents: Documents, vectors: Vectors) -> None:
        self._settings = settings
        self._documents = documents
        self._vectors = vectors
        self._http = urllib3.PoolManager(timeout=urllib3.Timeout(10.0), retries=False)

    def test(self, generation: str) -> None:
        """Raise NotPublished, with what was wrong, unless home pages of the generation are right.

        Some listeners with a vector get their best songs, and one without gets songs as well.
        Without a `serving_url` nothing is asked, and it says so.
        """
        if not self._settings.serving_url:
            print("publish: NOCTURNE_SERVING_URL is empty: no smoke test over HTTP", flush=True)
            return
        users = self._documents.some_vectors(generation, LISTENERS)
        if not users:
            raise NotPublished(f"{generation} was not published: no listener has a vector of it")
        for user_id, vector in users.items():
            page = self._home(generation, user_id)
            wrong = _wrong(page, generation) or self._wrong_songs(page, generation, vector)
            if wrong:
                raise NotPublished(
                    f"{generation} was not published: the app's home page for {user_id} {wrong}"
                )
        wrong = _wrong(self._home(generation, STRANGER), generation)
        if wrong:
            raise NotPublished(
                f"{generation} was not published: the app's home page for a new listener {wrong}"
            )
        print(
            f"publish: the app answers with {generation}: {len(users) + 1} home pages", flush=True
        )

    def close(self) -> None:
        """End the connections to the app."""
        self._http.clear()

    def _wrong_songs(self, page: Answer, generation: str, user: list[float]) -> str | None:
        """Return what is wrong with the songs of somebody whose vector is known."""
        if page["strategy"] != "user_vector" or page["degraded"]:
            away = ", ".join(page["degraded"]) or "nothing"
            return f"came by {page['strategy']}, with {away} away"
        scores = {str(song["track_id"]): song["score"] for song in page["songs"]}
        items = self._vectors.get(generation, list(scores))
        if len(items) < len(scores):
            return f"has {len(scores) - len(items)} songs that are not of this generation"
        for track_id, score in scores.items():
            expected = sum(u * i for u, i in zip(user, items[track_id], strict=True))
            if abs(score - expected) > SLACK * max(1.0, abs(expected)):
                return f"scores {track_id} {score:.4f} where its vectors say {expected:.4f}"
        return None

    def _home(self, generation: str, user_id: str) -> Answer:
        """Return a home page; the app may be starting, so it has a little time."""
        url = f"{self._settings.serving_url.rstrip('/')}/recommend/home?limit={SONGS}"
        headers = {
            "Authorization": f"Bearer {operator_token(self._settings, user_id)}",
            GENERATION_HEADER: generation,
        }
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            refused = False
            try:
                response = self._http.request("GET", url, headers=headers)
                said = f"answered {response.status}: {response.data[:300]!r}"
                if response.status == 200:
                    return dict(json.loads(response.data))
                refused = response.status < 500
            except urllib3.exceptions.HTTPError as error:
                said = f"does not answer: {error}"
            if refused or time.monotonic() > deadline:
                raise NotPublished(
                    f"{generation} was not published: the app at {self._settings.serving_url} "
                    f"{said}. Start it, or set NOCTURNE_SERVING_URL= to publish without asking it"
                )
            time.sleep(1)


def _wrong(page: Answer, generation: str) -> str | None:
    tracks = [song["track_id"] for song in page["songs"]]
    if page["generation"] != generation:
        return f"is of {page['generation']}"
    if not tracks:
        return "is empty"
    return "holds a song twice" if len(set(tracks)) < len(tracks) else None

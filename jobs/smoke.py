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
NEW_PLAYS = "fold_in"
"""Strategy for listeners who played something since the training: their vector is in no store."""
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
        """Raise NotPublished, with what was wrong, unless answers of the generation are right.

        Some listeners with a vector get their best songs, at home and behind a song, and one
        without gets songs as well. Without a `serving_url` nothing is asked, and it says so.
        """
        if not self._settings.serving_url:
            print("publish: NOCTURNE_SERVING_URL is empty: no smoke test over HTTP", flush=True)
            return
        users = self._documents.some_vectors(generation, LISTENERS)
        if not users:
            raise NotPublished(f"{generation} was not published: no listener has a vector of it")
        for user_id, vector in users.items():
            home = self._answer(generation, user_id)
            wrong = self._wrong_songs(home, generation, vector, None)
            if not wrong and home["strategy"] != NEW_PLAYS:
                current = str(home["songs"][0]["track_id"])
                following = self._answer(generation, user_id, current)
                wrong = self._wrong_songs(following, generation, vector, current)
            if wrong:
                raise NotPublished(f"{generation} was not published: {user_id} gets {wrong}")
        wrong = _wrong(self._answer(generation, STRANGER), generation)
        if wrong:
            raise NotPublished(f"{generation} was not published: a new listener gets {wrong}")
        print(f"publish: the app answers with {generation}: {len(users) + 1} listeners", flush=True)

    def close(self) -> None:
        """End the connections to the app."""
        self._http.clear()

    def _wrong_songs(
        self, answer: Answer, generation: str, user: list[float], current: str | None
    ) -> str | None:
        """Return what is wrong with the songs of somebody whose vector is known."""
        strategy = "session_vector" if current else "user_vector"
        wrong = _wrong(answer, generation)
        if wrong or answer["strategy"] == NEW_PLAYS:
            return wrong
        if answer["strategy"] != strategy:
            return f"songs by {answer['strategy']} in place of {strategy}"
        scores = {str(song["track_id"]): song["score"] for song in answer["songs"]}
        items = self._vectors.get(generation, [*scores, *([current] if current else [])])
        strange = scores.keys() - items.keys()
        if strange:
            return f"{len(strange)} songs that are not of this generation"
        vector = user
        if current:
            weight = self._settings.session_user_weight
            pairs = zip(user, items[current], strict=True)
            vector = [weight * u + (1 - weight) * i for u, i in pairs]
        for track_id, score in scores.items():
            expected = sum(v * i for v, i in zip(vector, items[track_id], strict=True))
            if abs(score - expected) > SLACK * max(1.0, abs(expected)):
                return f"{track_id} with {score:.4f} where its vectors say {expected:.4f}"
        return None

    def _answer(self, generation: str, user_id: str, current: str | None = None) -> Answer:
        """Return a home page, or what fits behind a song, with no store away.

        The app may be starting, or meet a new collection for the first time: it has a little
        time before this raises NotPublished.
        """
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            refused = False
            try:
                response = self._ask(generation, user_id, current)
                said = f"answered {response.status}: {response.data[:300]!r}"
                if response.status == 200:
                    answer = dict(json.loads(response.data))
                    if not answer["degraded"]:
                        return answer
                    said = f"answers without {', '.join(answer['degraded'])}"
                refused = 400 <= response.status < 500
            except urllib3.exceptions.HTTPError as error:
                said = f"does not answer: {error}"
            if refused or time.monotonic() > deadline:
                raise NotPublished(
                    f"{generation} was not published: the app at {self._settings.serving_url} "
                    f"{said}. See `make status`, and publish again when it is well, or set "
                    "NOCTURNE_SERVING_URL= to publish without asking it"
                )
            time.sleep(1)

    def _ask(self, generation: str, user_id: str, current: str | None) -> urllib3.BaseHTTPResponse:
        url = f"{self._settings.serving_url.rstrip('/')}/recommend"
        headers = {
            "Authorization": f"Bearer {operator_token(self._settings, user_id)}",
            GENERATION_HEADER: generation,
        }
        if current is None:
            return self._http.request("GET", f"{url}/home?limit={SONGS}", headers=headers)
        body = {"current": current, "n": SONGS, "strategy": "session_vector"}
        return self._http.request("POST", f"{url}/next", headers=headers, json=body)


def _wrong(answer: Answer, generation: str) -> str | None:
    tracks = [song["track_id"] for song in answer["songs"]]
    if answer["generation"] != generation:
        return f"songs of {answer['generation']}"
    if not tracks:
        return "no songs"
    return "a song twice" if len(set(tracks)) < len(tracks) else None

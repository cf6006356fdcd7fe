"""The running app as a client sees it, and the lists it ought to give."""

from collections import Counter

import numpy as np
import requests

from jobs.contract import names
from jobs.contract.tokens import listener_token
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors

LISTENERS = 8
SONG_FIELDS = {
    "track_id",
    "title",
    "artist",
    "artist_id",
    "album",
    "genre",
    "duration_ms",
    "release_date",
    "image_url",
    "plays_7d",
    "plays_cumulative",
}


class App:
    """The running app, as one listener or nobody."""

    def __init__(self, stack):
        self.settings = stack.settings
        self.url = stack.app_url

    def ask(self, method, path, user=None, **given):
        headers = {}
        if user is not None:
            headers["Authorization"] = f"Bearer {listener_token(self.settings, user)}"
        return requests.request(method, self.url + path, headers=headers, timeout=30, **given)

    def get(self, path, user=None, **params):
        return self.ask("GET", path, user, params=params)

    def post(self, path, body, user=None):
        return self.ask("POST", path, user, json=body)


class Exact:
    """The live generation's factors, and the lists they give without any index."""

    def __init__(self, settings):
        live = Generations(settings)
        self.generation = live.live().generation
        live.close()
        db = database(settings)
        field = f"vectors.{self.generation}"
        found = db[names.USERS].find({field: {"$exists": True}}).limit(LISTENERS)
        self.users = {d["_id"]: np.array(d["vectors"][self.generation]) for d in found}
        self.artist = {d["_id"]: d.get("artist_id") for d in db[names.SONGS].find({})}
        db.client.close()
        self.ids = sorted(self.artist)
        vectors = Vectors(settings)
        self.items = {}
        for start in range(0, len(self.ids), 500):
            self.items |= vectors.get(self.generation, self.ids[start : start + 500])
        vectors.close()
        self.cap = settings.max_per_artist

    def best(self, vector, excluded, limit):
        """Return (track id, inner product) by the definition, artist cap and all."""
        ids = [i for i in self.ids if i in self.items]
        scores = np.array([self.items[i] for i in ids]) @ vector
        taken, listed = Counter(), []
        for at in np.argsort(-scores, kind="stable"):
            track, artist = ids[at], self.artist[ids[at]]
            if track in excluded or (artist is not None and taken[artist] == self.cap):
                continue
            taken[artist] += 1
            listed.append((track, scores[at]))
            if len(listed) == limit:
                break
        return listed

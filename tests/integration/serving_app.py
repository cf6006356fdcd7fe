"""The running app as a client sees it, and the lists it ought to give."""

import numpy as np
import requests

from jobs.contract import names
from jobs.contract.tokens import listener_token
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors
from serving.recommend.works import work_of

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
    "playable",
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
        found = db[names.USERS].find({field: {"$exists": True}}).sort("_id").limit(LISTENERS)
        self.users = {d["_id"]: np.array(d["vectors"][self.generation]) for d in found}
        songs = list(db[names.SONGS].find({}))
        self.artist = {d["_id"]: d.get("artist_id") for d in songs}
        self.work = {d["_id"]: work_of(d | {"track_id": d["_id"]}) for d in songs}
        db.client.close()
        self.ids = sorted(self.artist)
        vectors = Vectors(settings)
        self.items = {}
        for start in range(0, len(self.ids), 500):
            self.items |= vectors.get(self.generation, self.ids[start : start + 500])
        vectors.close()
        self.cap = settings.max_per_artist

    def best(self, vector, excluded, limit, before=()):
        """Return (track id, inner product) by the definition.

        No work twice; at most two songs of an artist in the list, or, behind the songs `before`,
        in any five in a row.
        """
        ids = [i for i in self.ids if i in self.items]
        scores = np.array([self.items[i] for i in ids]) @ vector
        ranked = [(ids[at], scores[at]) for at in np.argsort(-scores, kind="stable")]
        row, listed = list(before), []
        while len(listed) < limit:
            works = {self.work[track] for track in row if track in self.work}
            last = [self.artist.get(track) for track in (row[-4:] if before else row)]
            fits = (
                (track, score)
                for track, score in ranked
                if track not in excluded
                and track not in row
                and self.work[track] not in works
                and (self.artist[track] is None or last.count(self.artist[track]) < self.cap)
            )
            found = next(fits, None)
            if found is None:
                break
            row.append(found[0])
            listed.append(found)
        return listed

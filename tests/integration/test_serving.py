"""Recommendations and events over HTTP on the whole stack, with a generation live."""

import time
import uuid
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import requests

from jobs.contract.errors import NotPublished
from jobs.contract.names import GENERATION_HEADER, SERVING_STATE
from jobs.contract.tokens import operator_token
from jobs.smoke import LISTENERS as SMOKED
from jobs.smoke import Smoke
from jobs.stores.cache import Cache
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.vectors import Vectors
from tests.integration.serving_app import SONG_FIELDS, App, Exact


@pytest.fixture(scope="module")
def app(stack):
    return App(stack)


@pytest.fixture(scope="module")
def exact(published, stack):
    return Exact(stack.settings)


@pytest.fixture
def cache(stack):
    cache = Cache(stack.settings)
    yield cache
    cache.close()


def check_list(exact, answer, vector, excluded, limit, before=()):
    """Hold an answer against the exact list; return how many of its songs are in that one."""
    expected = exact.best(vector, excluded, limit, before)
    got = [(s["track_id"], s["score"]) for s in answer["songs"]]
    assert answer["generation"] == exact.generation
    assert len({track for track, _ in got}) == len(got) == len(expected)
    assert [s["rank"] for s in answer["songs"]] == list(range(1, len(got) + 1))
    assert all(set(s) >= SONG_FIELDS for s in answer["songs"])
    truth = [float(np.array(exact.items[track]) @ vector) for track, _ in got]
    assert [score for _, score in got] == pytest.approx(truth, rel=1e-3, abs=1e-4)
    artists = [a for a in (exact.artist[t] for t in (*before[-4:], *(t for t, _ in got))) if a]
    rows = [artists] if not before else [artists[n : n + 5] for n in range(len(artists))]
    assert all(max(Counter(row).values()) <= exact.cap for row in rows)
    assert not {track for track, _ in got} & set(excluded)
    return len({track for track, _ in got} & {track for track, _ in expected})


def test_home_is_the_exact_list(app, exact):
    hits = 0
    for user, vector in exact.users.items():
        answer = app.get("/recommend/home", user, limit=20, familiar=1).json()
        assert (answer["strategy"], answer["degraded"], answer["user_id"]) == (
            "user_vector",
            [],
            user,
        )
        hits += check_list(exact, answer, vector, [], 20)
    # The index is approximate; what it may miss is bounded at publication.
    assert hits >= 0.95 * 20 * len(exact.users)


def test_the_seed_rule_is_the_exact_list_for_the_session(app, exact):
    hits = 0
    playable = [i for i in exact.ids if i in exact.items]
    for number, (user, vector) in enumerate(exact.users.items()):
        current, *queued = playable[number * 7 : number * 7 + 5]
        body = {"current": current, "queued": queued, "recent": playable[-3:], "n": 10}
        answer = app.post("/recommend/next", body | {"strategy": "session_vector"}, user).json()
        assert (answer["strategy"], answer["exhausted"]) == ("session_vector", False)
        mixed = 0.7 * vector + 0.3 * np.array(exact.items[current])
        row = [*playable[-3:], current, *queued]
        hits += check_list(exact, answer, mixed, row, 10, before=row)
    assert hits >= 0.95 * 10 * len(exact.users)


def test_next_goes_with_the_session(app, exact):
    """By default: neighbours and cosines, with shares that say which of the two it was."""
    user = next(iter(exact.users))
    playable = [i for i in exact.ids if i in exact.items]
    body = {"current": playable[0], "recent": playable[1:4], "n": 10}
    answer = app.post("/recommend/next", body, user).json()
    assert (answer["strategy"], len(answer["songs"])) == ("session_hybrid", 10)
    for song in answer["songs"]:
        reason = song["reason"]
        assert reason["text"]
        assert reason["taste"] + reason["session"] == pytest.approx(1, abs=1e-3)
    assert not {song["track_id"] for song in answer["songs"]} & set(playable[:4])


def test_next_from_what_is_known(app, exact):
    user = next(iter(exact.users))
    track = next(i for i in exact.ids if i in exact.items)
    for who, current, chosen, strategy in [
        ("nobody", track, "session_vector", "song_vector"),
        (user, "no such song", "session_vector", "user_vector"),
        ("nobody", track, "session_hybrid", "session_hybrid"),
        (user, "no such song", "session_hybrid", "session_hybrid"),
        ("nobody", "no such song", "session_hybrid", "popular"),
    ]:
        answer = app.post("/recommend/next", {"current": current, "strategy": chosen}, who)
        assert answer.headers["Cache-Control"] == "no-store"
        assert (answer.json()["strategy"], len(answer.json()["songs"])) == (strategy, 5)


def test_home_has_shelves_that_say_why(app, exact):
    user = list(exact.users)[1]
    answer = app.get("/recommend/home", user).json()
    shelves = {shelf["id"]: shelf for shelf in answer["shelves"]}
    assert list(shelves) == ["made_for_you", "because", "new_for_you", "popular"]
    assert shelves["made_for_you"]["songs"] == answer["songs"]
    tracks = [song["track_id"] for shelf in answer["shelves"] for song in shelf["songs"]]
    assert len(set(tracks)) == len(tracks)
    assert shelves["because"]["title"].startswith("Because you played ")
    named = [s["reason"]["songs"] for s in answer["songs"] if s["reason"]["kind"] == "plays"]
    assert len(named) > len(answer["songs"]) / 2
    assert all(song["title"] and 0 < song["share"] <= 1 for songs in named for song in songs)


def test_home_is_kept_until_something_happens(stack, app, exact):
    user = list(exact.users)[2]
    first = app.get("/recommend/home", user)
    time.sleep(0.5)  # it is put away after the answer has gone
    again = app.get("/recommend/home", user)
    assert first.headers["ETag"] == again.headers["ETag"]
    assert first.json()["generated_at"] == again.json()["generated_at"]
    assert first.json()["request_id"] != again.json()["request_id"]
    headers = {"If-None-Match": first.headers["ETag"]} | stack.headers(user)
    same = requests.get(f"{app.url}/recommend/home", headers=headers, timeout=30)
    assert (same.status_code, same.content) == (304, b"")
    app.post("/events", {"events": [played(first.json()["songs"][0]["track_id"])]}, user)
    changed = app.get("/recommend/home", user)
    assert changed.headers["ETag"] != first.headers["ETag"]


def test_a_home_that_was_made_before_something_happened_is_not_served(cache):
    """Who computes slowly may write an old answer after a ban: nobody gets to see it."""
    user, song = f"slow-{uuid.uuid4().hex[:8]}", {"s1": 1_760_000_000_000}
    before = cache.seen(user, "home").state
    cache.set_home(user, "home", before, "{}")
    assert cache.seen(user, "home").ready == "{}"
    for happens in (
        lambda: cache.add_plays(user, song, {}),
        lambda: cache.add_plays(user, {}, song),
        lambda: cache.set_choices(user, "[1]"),
    ):
        state = cache.seen(user, "home").state
        happens()
        cache.set_home(user, "home", state, '{"old": 1}')
        assert cache.seen(user, "home").ready is None
    cache.forget([user])
    assert cache.seen(user, "home").state == before


def test_each_play_of_a_listener_without_a_vector_counts_at_once(app, exact):
    """From popular songs to those that go with what was played: a play, an answer."""
    user = f"new-{uuid.uuid4().hex[:8]}"
    assert app.get("/recommend/home", user).json()["strategy"] == "popular"
    taste = next(iter(exact.users.values()))
    answers = []
    for track, _ in exact.best(taste, [], 3):
        assert app.post("/events", {"events": [played(track)]}, user).status_code == 202
        answer = app.get("/recommend/home", user).json()
        assert answer["strategy"] == "fold_in"
        assert track not in {song["track_id"] for song in answer["songs"]}
        answers.append([song["track_id"] for song in answer["songs"]])
    assert answers[0] != answers[1] != answers[2]
    best = {track for track, _ in exact.best(taste, [], 60)}
    assert len(best & set(answers[-1])) > len(answers[-1]) / 2


def test_a_session_without_account_and_similar_songs(app, exact):
    songs = [track for track, _ in exact.best(next(iter(exact.users.values())), [], 4)]
    answers = [app.post("/recommend/session", {"songs": songs[: n + 1]}).json() for n in range(4)]
    assert [a["strategy"] for a in answers] == ["session_hybrid"] * 4
    lists = [[song["track_id"] for song in a["songs"]] for a in answers]
    assert all(len(tracks) == 10 for tracks in lists)
    assert all(set(tracks).isdisjoint(songs[: n + 1]) for n, tracks in enumerate(lists))
    assert len({tuple(tracks) for tracks in lists}) == 4
    similar = app.get(f"/songs/{songs[0]}/similar").json()
    assert [song["track_id"] for song in similar["songs"]] == lists[0]
    assert app.get("/songs/no such song/similar").status_code == 404


def test_unknown_listener_gets_the_popular_songs_of_the_generation(app, exact, stack):
    response = app.get("/recommend/home", "nobody", limit=10)
    answer = response.json()
    assert response.status_code == 200
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert (answer["strategy"], answer["fallback"]) == ("popular", "unknown_listener")
    generations = Generations(stack.settings)
    popular = generations.popular(exact.generation)
    generations.close()
    places = [popular.index(s["track_id"]) for s in answer["songs"]]
    assert len(places) == 10
    assert places == sorted(places)


def played(track, **changes):
    now = int(time.time() * 1000)
    event = {"event_id": str(uuid.uuid4()), "track_id": track, "timestamp": now}
    return event | {"action": "listen", "duration": 90, "total_duration": 180} | changes


def test_what_was_played_just_now_is_not_recommended(app, exact):
    user = list(exact.users)[-1]
    before = [s["track_id"] for s in app.get("/recommend/home", user).json()["songs"]]
    skip = played(before[1], action="skip", listened_ms=3000)
    events = [played(before[0]), played(before[2]), skip]
    response = app.post("/events", {"events": events}, user)
    assert response.status_code == 202
    assert [r["status"] for r in response.json()["results"]] == ["accepted"] * 3
    after = [s["track_id"] for s in app.get("/recommend/home", user).json()["songs"]]
    assert not set(before[:3]) & set(after)  # heard, heard, and left early
    following = app.post("/recommend/next", {"current": before[1], "n": 10}, user).json()
    assert not {before[0], before[1], before[2]} & {s["track_id"] for s in following["songs"]}


def test_bans_hold_from_the_next_answer_on(app, exact):
    user = list(exact.users)[3]
    song = next(s for s in app.get("/recommend/home", user).json()["songs"] if s["artist_id"])
    path = f"/songs/{song['track_id']}/feedback"

    def listed():
        home = app.get("/recommend/home", user).json()
        after = app.post("/recommend/next", {"current": exact.ids[0], "n": 10}, user).json()
        shelves = [s for shelf in home["shelves"] for s in shelf["songs"]]
        return [*home["songs"], *shelves, *after["songs"]]

    def choose(**body):
        return app.ask("PUT", path, user, json=body)

    assert choose(value="ban").status_code == 200
    assert song["track_id"] not in {s["track_id"] for s in listed()}
    assert choose(value="ban", scope="artist").status_code == 200
    assert song["artist_id"] not in {s["artist_id"] for s in listed()}
    chosen = app.get("/feedback", user).json()["feedback"]
    assert [(c["scope"], c["value"]) for c in chosen] == [("artist", "ban"), ("song", "ban")]
    # A ban that ends, ends by itself; one that is taken back holds no more.
    soon = datetime.now(UTC) + timedelta(seconds=2)
    assert choose(value="ban", until=soon.isoformat()).status_code == 200
    assert choose(value=None, scope="artist").status_code == 200
    assert song["track_id"] not in {s["track_id"] for s in listed()}
    time.sleep(2.5)
    after = app.get("/recommend/home", user, limit=21).json()
    assert song["track_id"] in {s["track_id"] for s in after["songs"]}
    assert app.get("/feedback", "somebody else").json() == {"feedback": []}
    assert choose(value="hate").status_code == 400
    assert choose(value="ban", until="2001-01-01T00:00:00Z").status_code == 400
    assert app.ask("PUT", "/songs/nothing/feedback", user, json={"value": "ban"}).status_code == 404


def test_sixty_songs_in_a_row_hold_the_contract_of_the_queue(app, exact):
    user = list(exact.users)[6]  # whom nobody asks for again: in the end everything is banned
    row = [next(t for t in exact.ids if t in exact.items and exact.artist[t])]
    banned = next(a for a in exact.artist.values() if a and a != exact.artist[row[0]])
    song = next(t for t, a in exact.artist.items() if a == banned)
    ban = {"value": "ban", "scope": "artist"}
    assert app.ask("PUT", f"/songs/{song}/feedback", user, json=ban).status_code == 200
    while len(row) < 61:
        body = {"current": row[-1], "recent": row[:-1], "n": 1}
        answer = app.post("/recommend/next", body, user).json()
        assert answer["exhausted"] is False
        (following,) = answer["songs"]
        row.append(following["track_id"])
        assert following["reason"]["text"]
    assert len(set(row)) == len({exact.work[t] for t in row}) == 61
    artists = [exact.artist[t] for t in row]
    for n in range(57):
        assert max(Counter(a for a in artists[n : n + 5] if a).values()) <= 2
    assert banned not in artists
    # When nothing is left, it says so. Other tests leave songs without an artist.
    last = [t for t in exact.ids if exact.artist[t] == exact.artist[row[0]]]
    for artist in {exact.artist[t] for t in exact.ids} - {exact.artist[row[0]], None}:
        song = next(t for t, a in exact.artist.items() if a == artist)
        assert app.ask("PUT", f"/songs/{song}/feedback", user, json=ban).status_code == 200
    for song in (t for t in exact.ids if exact.artist[t] is None):
        only = {"value": "ban"}
        assert app.ask("PUT", f"/songs/{song}/feedback", user, json=only).status_code == 200
    body = {"current": row[0], "recent": last, "n": 1}
    answer = app.post("/recommend/next", body, user).json()
    assert (answer["songs"], answer["exhausted"]) == ([], True)


def test_each_event_is_judged_alone(app):
    good, bad = played("t"), played("t", user_id="somebody else")
    results = app.post("/events", {"events": [bad, good, 7]}, "judged").json()["results"]
    assert [r["status"] for r in results] == ["rejected", "accepted", "rejected"]
    assert results[1] == {"event_id": good["event_id"], "status": "accepted"}
    assert results[0]["reason"].startswith("user_id")


def test_an_operator_may_ask_for_any_servable_generation(stack, app, exact):
    user = next(iter(exact.users))
    operator = {"Authorization": f"Bearer {operator_token(stack.settings, user)}"}

    def home(generation, headers):
        wanted = headers | {GENERATION_HEADER: generation}
        return requests.get(f"{app.url}/recommend/home", headers=wanted, timeout=30)

    live = home(exact.generation, operator)
    assert (live.status_code, live.json()["generation"]) == (200, exact.generation)
    assert live.json()["degraded"] == []
    assert home(exact.generation, stack.headers(user)).status_code == 403
    assert home("g20000101T0000_00000000", operator).status_code == 404
    for wrong in ("yesterday", "g20000101T0000_0000000", "../" + exact.generation):
        assert home(wrong, operator).status_code == 400


def test_a_smoke_test_finds_what_is_wrong_before_listeners_do(stack, app, exact):
    """The app answers rightly; a generation whose vectors were changed behind it does not.

    What listeners skipped lately moves their lists, and is no fault of the generation.
    """
    settings = stack.settings
    for user in list(exact.users)[:SMOKED]:
        skipped = app.get("/recommend/home", user).json()["songs"][1]["track_id"]
        skip = played(skipped, action="skip", listened_ms=3000)
        assert app.post("/events", {"events": [skip]}, user).status_code == 202
    gone = settings.model_copy(update={"serving_url": "http://127.0.0.1:9"})
    with (
        closing(Documents(settings)) as documents,
        closing(Changed(settings)) as changed,
        closing(Vectors(settings)) as vectors,
        closing(Smoke(settings, documents, vectors)) as sound,
        closing(Smoke(settings, changed, vectors)) as other,
        closing(Smoke(gone, documents, vectors)) as away,
    ):
        sound.test(exact.generation)
        with pytest.raises(NotPublished, match="answered 404"):
            other.test("g20000101T0000_00000000")
        with pytest.raises(NotPublished, match="where its vectors say"):
            other.test(exact.generation)
        with pytest.raises(NotPublished, match="does not answer"):
            away.test(exact.generation)


class Changed(Documents):
    """Vectors that are not those the app reads."""

    def some_vectors(self, generation, limit):
        found = super().some_vectors(self._live(), limit)
        return {user: [2 * x for x in vector] for user, vector in found.items()}

    def _live(self):
        return str(self._db[SERVING_STATE].find_one()["generation"])

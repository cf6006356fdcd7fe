"""Each store away in turn, refusing, silent or spoiled: songs all the same, soon, and said so."""

import itertools
import socket
import time

import pytest

from jobs.contract import names
from jobs.contract.tokens import listener_token
from jobs.stores.documents import database
from jobs.stores.generations import Generations
from serving.app import create_app
from serving.services import EXTENSION
from tests.browser.rig import until
from tests.wires import Wire

NUMBERS = itertools.count()
SECONDS = 0.5
"""How long the app waits for a store in these tests."""


@pytest.fixture
def wires(stack):
    wires = {
        "mongodb": Wire(stack.settings.mongo_uri),
        "milvus": Wire(stack.settings.milvus_uri),
        "redis": Wire(stack.settings.redis_url),
    }
    yield wires
    for wire in wires.values():
        wire.break_it("cut")


@pytest.fixture
def client(published, stack, wires):
    settings = stack.settings.model_copy(
        update={
            "mongo_uri": f"{wires['mongodb'].address}/?directConnection=true",
            "milvus_uri": wires["milvus"].address,
            "redis_url": wires["redis"].address,
            "store_timeout_ms": int(SECONDS * 1000),
        }
    )
    app = create_app(settings)
    yield app.test_client()
    app.extensions[EXTENSION].stores.close()


@pytest.fixture(scope="module")
def listener(published, stack):
    generations = Generations(stack.settings)
    field = f"vectors.{generations.live().generation}"
    generations.close()
    db = database(stack.settings)
    user = db[names.USERS].find_one({field: {"$exists": True}}, sort=[("_id", 1)])["_id"]
    db.client.close()
    return {"Authorization": f"Bearer {listener_token(stack.settings, user)}"}


def home(client, listener):
    started = time.monotonic()
    # Another share each time: what is kept ready in Redis does not need the others.
    query = {"limit": 10, "familiar": 1 - next(NUMBERS) / 10_000}
    response = client.get("/recommend/home", query_string=query, headers=listener)
    return response, time.monotonic() - started


def whole_home(client, listener, seconds):
    """Return a home page that lacks no store; a busy machine may not answer in time at first."""

    def whole():
        response, _ = home(client, listener)
        return response.status_code == 200 and not response.json["degraded"] and response

    return until(whole, "a home page that lacks no store", seconds)


@pytest.mark.parametrize("how", ["cut", "silent", "lost", "garbage"])
@pytest.mark.parametrize(
    ("part", "strategy"),
    [("milvus", "user_vector"), ("mongodb", "user_vector"), ("redis", "user_vector")],
)
def test_songs_all_the_same(client, listener, wires, part, strategy, how):
    first = whole_home(client, listener, 15)
    assert first.json["strategy"] == "user_vector"
    wires[part].break_it(how)
    for _ in range(4):
        response, took = home(client, listener)
        assert response.status_code == 200
        assert (response.json["strategy"], response.json["degraded"]) == (strategy, [part])
        assert response.json["generation"] == first.json["generation"]
        tracks = [song["track_id"] for song in response.json["songs"]]
        assert len(set(tracks)) == 10
        assert all(song["title"] for song in response.json["songs"])
        assert took < 4 * SECONDS
    assert took < SECONDS / 2  # by now nobody waits for it any more
    body = {"current": tracks[0], "queued": tracks[1:3]}
    following = client.post("/recommend/next", json=body, headers=listener)
    assert following.status_code == 200
    assert following.json["strategy"] == "session_hybrid"
    assert len(following.json["songs"]) == 5
    assert not set(tracks[:3]) & {song["track_id"] for song in following.json["songs"]}
    ready = client.get("/readyz")
    assert (ready.status_code, ready.json["degraded"]) == (200, [part])

    wires[part].mend()
    whole_home(client, listener, 14)  # less than gRPC takes to give a connection up


def test_catalogue_from_memory_while_mongodb_is_away(client, wires):
    token = {
        "Authorization": f"Bearer {client.post('/dev/token', json={'user_id': 'x'}).json['token']}"
    }
    popular = client.get("/recommend/home?limit=5", headers=token).json["songs"]
    wires["mongodb"].break_it("cut")
    found = client.get("/search", query_string={"q": popular[0]["title"]})
    assert found.json["degraded"] == ["mongodb"]
    assert popular[0]["track_id"] in [s["track_id"] for s in found.json["songs"]]
    assert client.get(f"/songs/{popular[1]['track_id']}").json["title"] == popular[1]["title"]
    assert client.get("/songs/not-held-in-memory").status_code == 503
    first = client.get("/songs?limit=3").json
    rest = client.get("/songs", query_string={"cursor": first["next_cursor"]}).json
    assert not {s["track_id"] for s in first["songs"]} & {s["track_id"] for s in rest["songs"]}


def test_events_are_refused_while_the_broker_is_away(stack):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{closed.getsockname()[1]}"
    app = create_app(stack.settings.model_copy(update={"kafka_bootstrap": address}))
    client = app.test_client()
    headers = {"Authorization": f"Bearer {listener_token(stack.settings, 'x')}"}
    now = int(time.time() * 1000)
    event = {"event_id": "e", "track_id": "t", "timestamp": now, "action": "skip"}
    for _ in range(3):
        started = time.monotonic()
        response = client.post("/events", json={"events": [event]}, headers=headers)
        assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
        assert response.mimetype == "application/problem+json"
    assert time.monotonic() - started < 1  # the third does not wait for the broker
    app.extensions[EXTENSION].stores.close()

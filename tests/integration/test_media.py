"""Audio and covers from the object store, and the browser's cookie, on the whole stack."""

import json
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote
from uuid import uuid4

import pytest
import requests

from jobs.contract import names
from jobs.contract.erasure import listener_hash
from jobs.import_audio import LANDED
from jobs.stores.cache import KINDS, Cache
from jobs.stores.catalogue import Catalogue
from jobs.stores.documents import Documents, database
from jobs.stores.media import AudioLinks
from jobs.stores.objects import Objects

ODD = "odd/../id ?#%&é"


@pytest.fixture(scope="module")
def objects(stack):
    return Objects(stack.settings)


@pytest.fixture(scope="module")
def media(stack, published, objects, db):
    """Covers and short audio of every song, as they were made before; imported ones go again."""
    bucket = stack.settings.media_bucket
    songs = str(published.world / "songs.jsonl")
    yield stack.done("make_media", "--songs", songs, "--seconds", "3")
    objects.delete_below(bucket, f"{names.AUDIO}/audio-")
    objects.delete_below(stack.settings.lake_bucket, LANDED)
    db[names.SONGS].delete_many({"_id": {"$regex": "^audio-"}})
    stack.done("mark_playable")


@pytest.fixture
def browser(stack):
    """A browser with a listener of its own, signed in."""
    session = requests.Session()
    session.headers["Origin"] = stack.app_url
    form = {"user_id": f"browser-{uuid4().hex[:8]}", "next": "/settings"}
    answer = session.post(f"{stack.app_url}/signin", data=form, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings")
    session.user = form["user_id"]
    yield session
    session.close()


def event(**changes):
    return {
        "event_id": uuid4().hex,
        "play_id": uuid4().hex,
        "track_id": "song-00001",
        "timestamp": int(time.time() * 1000),
        "action": "listen",
        "duration": 120,
        "total_duration": 200,
    } | changes


def test_every_song_has_a_cover_and_audio_and_is_made_once(stack, published, objects, media):
    songs = str(published.world / "songs.jsonl")
    assert "made 0 covers and 0 clips" in media
    two = Path(songs).read_text().splitlines()[:2]
    keys = [names.audio_key(json.loads(song)["track_id"]) for song in two]
    for key in keys:
        objects.delete_below(stack.settings.media_bucket, key)
    assert "made 0 covers and 2 clips" in stack.done(
        "make_media", "--songs", songs, "--seconds", "3"
    )
    assert set(keys) <= set(objects.keys(stack.settings.media_bucket, f"{names.AUDIO}/"))


def test_a_stream_plays_from_the_middle(stack, media):
    first = requests.get(
        f"{stack.app_url}/songs/song-00001/stream", timeout=30, allow_redirects=False
    )
    assert (first.status_code, first.headers["Cache-Control"]) == (307, "no-store")
    assert "X-Amz-Credential=serving%2F" in first.headers["Location"]
    part = requests.get(
        f"{stack.app_url}/songs/song-00001/stream",
        headers={"Range": "bytes=1000-1999"},
        timeout=30,
    )
    assert (part.status_code, len(part.content)) == (206, 1000)
    assert part.headers["Content-Range"].startswith("bytes 1000-1999/")
    assert part.headers["Content-Type"] == "audio/mpeg"
    whole = requests.get(first.headers["Location"], timeout=30)
    assert whole.content[1000:2000] == part.content


def test_an_address_ends_and_cannot_be_changed(stack, media):
    short = AudioLinks(stack.settings_of("app").model_copy(update={"media_seconds": 1}))
    address = short.link("song-00001")
    other = address.replace("song-00001", "song-00002")
    assert requests.get(address, timeout=30).status_code == 200
    assert requests.get(other, timeout=30).status_code == 403
    time.sleep(2.5)
    assert requests.get(address, timeout=30).status_code == 403


def test_where_there_is_no_audio_the_store_says_so(stack, media):
    assert requests.get(f"{stack.app_url}/songs/none/stream", timeout=30).status_code == 404


def test_any_id_has_audio_and_a_cover_of_its_own(stack, media, objects):
    bucket = stack.settings.media_bucket
    objects.put(bucket, names.audio_key(ODD), b"odd", "audio/ogg")
    objects.put(bucket, names.cover_key(ODD), b"<html>", "text/html")
    link = AudioLinks(stack.settings).link(ODD)
    answer = requests.get(link, timeout=30)
    assert (answer.content, answer.headers["Content-Type"]) == (b"odd", "audio/ogg")
    plain = quote(ODD.replace("/", ""), safe="")
    cover = requests.get(f"{stack.app_url}/songs/{plain}/cover", timeout=30)
    assert cover.headers["Content-Type"] == "image/svg+xml"
    assert b"<html>" not in cover.content


def test_covers_are_images_of_this_origin(stack, media):
    address = f"{stack.app_url}/songs/song-00001/cover?size=96"
    stored = requests.get(address, timeout=30)
    drawn = requests.get(f"{stack.app_url}/songs/none/cover?size=96", timeout=30)
    for answer in (stored, drawn):
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/svg+xml")
        assert answer.headers["Cache-Control"] == "public, max-age=86400"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        policy = answer.headers["Content-Security-Policy"]
        assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert b"<title>" in stored.content
    assert b"<title>" not in drawn.content
    same = requests.get(address, headers={"If-None-Match": stored.headers["ETag"]}, timeout=30)
    assert (same.status_code, same.content) == (304, b"")


def test_songs_without_audio_are_marked_and_the_etl_keeps_the_mark(stack, media, objects, db):
    silent = "song-00007"
    key = names.audio_key(silent)
    body = objects.get(stack.settings.media_bucket, key)
    stack.done("mark_playable")
    total = db[names.SONGS].count_documents({})
    loud = db[names.SONGS].count_documents({"playable": True})  # not the songs of other tests
    objects.delete_below(stack.settings.media_bucket, key)
    said = stack.done("mark_playable")
    assert f"{total:,} songs: {loud - 1:,} have audio, {total - loud + 1:,} have none" in said
    assert db[names.SONGS].find_one({"_id": silent})["playable"] is False
    assert requests.get(f"{stack.app_url}/songs/{silent}", timeout=30).json()["playable"] is False
    with closing(Documents(stack.settings)) as documents:
        documents.upsert_songs([{"track_id": silent, "title": "Quiet"}])
    assert db[names.SONGS].find_one({"_id": silent})["playable"] is False
    assert ", 0 changed" in stack.done("mark_playable")
    objects.put(stack.settings.media_bucket, key, body, "audio/mpeg")
    assert ", 1 changed" in stack.done("mark_playable")
    assert db[names.SONGS].count_documents({"playable": True}) == loud


def test_music_of_ones_own(stack, media, objects, db, shared_data, tmp_path):
    for path in (shared_data / "audio").glob("*.ogg"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "broken.mp3").write_bytes(b"no audio")
    ended = stack.run(["python", "jobs/import_audio.py", "--dir", str(tmp_path)])
    assert ended.returncode == 1
    assert "broken.mp3: cannot be read" in ended.stderr
    assert "import_audio: 4 songs, 1 files not used" in ended.stdout
    (vibe,) = db[names.SONGS].find({"title": "Vibe Ace", "artist": "Kevin MacLeod"})
    assert (vibe["duration_ms"], vibe["release_date"]) == (61_459, "2011-07-19")
    assert vibe["playable"] is True
    stream = requests.get(f"{stack.app_url}/songs/{vibe['_id']}/stream", timeout=30)
    assert stream.headers["Content-Type"] == "audio/ogg"
    assert stream.content == (tmp_path / "Kevin_MacLeod_-_Vibe_Ace.ogg").read_bytes()
    cover = requests.get(f"{stack.app_url}/songs/{vibe['_id']}/cover", timeout=30)
    assert cover.headers["Content-Type"] == "image/jpeg"
    assert cover.content.startswith(b"\xff\xd8\xff")
    (tmp_path / "broken.mp3").unlink()
    landed = objects.get(stack.settings.lake_bucket, LANDED)
    again = stack.done("import_audio", "--dir", str(tmp_path), "--land-only")
    assert "4 songs, 0 files not used" in again
    assert objects.get(stack.settings.lake_bucket, LANDED) == landed


def test_music_whose_file_names_are_the_ids(stack, media, objects, shared_data, tmp_path):
    path = tmp_path / "my song, 1.ogg"
    path.write_bytes((shared_data / "audio/Kevin_MacLeod_-_Vibe_Ace.ogg").read_bytes())
    stack.done("import_audio", "--dir", str(tmp_path), "--ids", "filename", "--land-only")
    key = names.audio_key("my song, 1")
    assert objects.get(stack.settings.media_bucket, key) == path.read_bytes()
    landed = objects.get(stack.settings.lake_bucket, LANDED).decode()
    assert '"track_id": "my song, 1", "title": "Vibe Ace"' in landed


def test_listeners_to_try_have_a_name_and_say_what_they_like(stack, published):
    with closing(Catalogue(stack.settings, 5_000)) as catalogue:
        found = catalogue.some_listeners(12)
    assert len(found) == 12
    assert all(person["username"] and " and " in person["likes"] for person in found)
    assert found[0]["user_id"] == "listener-0000"


def test_without_names_those_with_a_model_may_be_tried(stack):
    settings = stack.settings.model_copy(update={"mongo_db": "nocturne_unnamed"})
    db = database(settings)
    db[names.USERS].delete_many({})
    db[names.USERS].insert_many([{"_id": "own-1", "vectors": {"g": [1.0]}}, {"_id": "own-2"}])
    with closing(Catalogue(settings, 5_000)) as catalogue:
        found = catalogue.some_listeners(12)
    assert found == [{"user_id": "own-1", "username": None, "likes": None}]
    db.client.drop_database(db.name)
    db.client.close()


def test_a_cookie_speaks_for_its_listener_until_they_sign_out(stack, browser):
    me = browser.get(f"{stack.app_url}/me", timeout=30)
    assert me.json()["user_id"] == browser.user
    assert datetime.fromisoformat(me.json()["expires_at"]) > datetime.now(UTC)
    copied = {"Cookie": f"nocturne_token={browser.cookies['nocturne_token']}"}
    out = browser.post(f"{stack.app_url}/signout", timeout=30, allow_redirects=False)
    assert (out.status_code, out.headers["Location"]) == (303, "/signin")
    assert not browser.cookies
    time.sleep(2.5)  # a worker may know of a revocation so much later
    assert requests.get(f"{stack.app_url}/me", headers=copied, timeout=30).status_code == 401


def test_a_write_by_cookie_must_come_from_a_page_of_ours(stack, browser):
    address, body = f"{stack.app_url}/events", {"events": [event()]}
    for origin in (None, "null", "https://evil.example"):
        answer = browser.post(address, json=body, headers={"Origin": origin}, timeout=30)
        assert answer.status_code == 403
    assert browser.post(address, json=body, timeout=30).status_code == 202


@pytest.mark.parametrize("elsewhere", ["//evil.example", "https://evil.example", "/\\evil.example"])
def test_signing_in_leads_to_no_other_site(stack, elsewhere):
    form = {"user_id": "anyone", "next": elsewhere}
    answer = requests.post(f"{stack.app_url}/signin", data=form, timeout=30, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/")


def test_an_event_that_comes_again_is_a_duplicate(stack, browser):
    def post(*events):
        answer = browser.post(f"{stack.app_url}/events", json={"events": events}, timeout=30)
        return [result["status"] for result in answer.json()["results"]]

    one, two = event(), event()
    assert post(one, one, two) == ["accepted", "duplicate", "accepted"]
    same_play = two | {"event_id": uuid4().hex}
    assert post(one, same_play) == ["duplicate", "duplicate"]
    assert post(same_play | {"action": "complete"}) == ["accepted"]


def test_redis_knows_events_for_a_day_and_no_longer(stack, monkeypatch):
    user, now = f"repeats-{uuid4().hex[:8]}", time.time()
    with closing(Cache(stack.settings)) as cache:
        cache.add_plays(user, {}, {}, ["a", "b"])
        assert cache.sent(user, ["a", "c", "b"]) == {"a", "b"}
        assert cache.sent("other", ["a"]) == set()
        monkeypatch.setattr(time, "time", lambda: now + 86_500)
        assert cache.sent(user, ["a"]) == set()
        cache.add_plays(user, {}, {}, ["c"])
        monkeypatch.setattr(time, "time", lambda: now)
        assert cache.sent(user, ["a", "c"]) == {"c"}
        cache.forget([user])
        assert cache.sent(user, ["c"]) == set()


def test_an_export_has_what_serving_keeps(stack, published, db):
    # The last one: a play of today would change the lists that other tests know of the first.
    last = db[names.USERS].find_one({"vectors": {"$exists": True}}, sort=[("_id", -1)])
    user = str(last["_id"])
    headers = stack.headers(user)
    before = datetime.now(UTC) - timedelta(seconds=1)
    post = {"events": [event()]}
    requests.post(f"{stack.app_url}/events", json=post, headers=headers, timeout=30)
    answer = requests.get(f"{stack.app_url}/me/export", headers=headers, timeout=30)
    assert answer.headers["Content-Disposition"].startswith("attachment")
    assert answer.headers["Cache-Control"] == "no-store"
    kept = answer.json()
    assert kept["user_id"] == user
    assert kept["generation"] in kept["vectors"]
    assert kept["nightly_list"]
    assert "song-00001" in {play["track_id"] for play in kept["recent_plays"]}
    assert datetime.fromisoformat(kept["exported_at"]) > before
    assert "raw/logs" in kept["not_in_this_file"]


def test_who_wants_to_be_erased_is_signed_out_and_waits_for_the_night(stack, browser, db):
    browser.post(f"{stack.app_url}/events", json={"events": [event()]}, timeout=30)
    token = browser.cookies["nocturne_token"]
    asked = browser.post(f"{stack.app_url}/me/erase", timeout=30)
    assert (asked.status_code, asked.json()["status"]) == (202, "queued")
    assert not browser.cookies
    waiting = db[names.ERASURES].find_one_and_delete({"_id": listener_hash(browser.user)})
    assert waiting["user_id"] == browser.user
    with closing(Cache(stack.settings)) as cache:
        kept = [f"{kind}{browser.user}" for kind in KINDS]
        assert cache._redis.exists(*kept) == 0
    time.sleep(2.5)
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(f"{stack.app_url}/me", headers=headers, timeout=30).status_code == 401

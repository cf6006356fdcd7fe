"""What the demo shows of the lake and of the answers over HTTP."""

import json
import random
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import date, timedelta
from typing import Any

import pyarrow as pa
import requests
from deltalake import DeltaTable
from pymongo.database import Database

from infra.local.install import ROOT
from jobs.contract import names
from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings
from jobs.contract.tokens import listener_token
from jobs.stores.documents import Document, database
from jobs.stores.generations import Generations
from jobs.stores.objects import Objects
from jobs.training.tables import lines

REPORTS = ROOT / "reports"
SHOWN_LISTENERS = 5
SAMPLED_LISTENERS = 100
LIST = 10


@contextmanager
def _connected(settings: Settings) -> Iterator[Database[Document]]:
    db = database(settings, timeout_ms=60_000)
    with closing(db.client):
        yield db


def table(settings: Settings, path: str) -> DeltaTable:
    """Open a Delta table of the lake with delta-rs: no Spark is needed to read it."""
    return DeltaTable(
        f"s3://{settings.lake_bucket}/{path}",
        storage_options={
            "AWS_ENDPOINT_URL": settings.s3_endpoint,
            "AWS_ACCESS_KEY_ID": settings.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": settings.s3_secret_key,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "aws_conditional_put": "etag",
        },
    )


def files(found: DeltaTable) -> list[dict[str, Any]]:
    """Return the files of a table: `path`, `size_bytes`, `partition.date` and more of each."""
    return pa.table(found.get_add_actions(flatten=True)).to_pylist()


def catalogue_from_log(settings: Settings) -> None:
    """Land a catalogue of the track ids in the lake that are no songs yet: ids are all it knows."""
    logs = table(settings, names.RAW_LOGS)
    tracks = logs.to_pyarrow_table(columns=["track_id"])["track_id"].unique()
    with _connected(settings) as db:
        known = {song["_id"] for song in db[names.SONGS].find({}, {"_id": 1})}
    new = sorted(set(tracks.to_pylist()) - known)
    lines = "".join(json.dumps({"track_id": t, "title": f"Song {t}"}) + "\n" for t in new)
    if new:
        key = f"{names.LANDING_SONGS}/from_log.jsonl"
        Objects(settings).put(settings.lake_bucket, key, lines.encode(), "application/x-ndjson")
    print(f"  {len(new)} track ids of the log are new to the catalogue", flush=True)


def evaluation(settings: Settings, generation: str) -> None:
    """Print how good a generation is beside the baselines, and leave the page in `reports/`."""
    objects, bucket = Objects(settings), settings.lake_bucket
    report = json.loads(objects.get(bucket, names.report_key(generation)))
    print(f"\nquality of {generation}")
    for line in lines(report):
        print(f"  {line}")
    page = REPORTS / f"evaluation_{generation}.html"
    page.parent.mkdir(exist_ok=True)
    page.write_bytes(objects.get(bucket, names.report_page_key(generation)))
    print(f"  with intervals and plots: {page.relative_to(ROOT)}", flush=True)


def live_generation(settings: Settings) -> str:
    """Return what is live; raises NocturneError when nothing is."""
    with closing(Generations(settings)) as generations:
        live = generations.live().generation
    if live is None:
        raise NocturneError("no generation is live")
    return live


def recommendations(settings: Settings, app: str, as_of: date) -> None:
    """Print five listeners' lists beside their recent plays, and check a hundred home pages."""
    generation = live_generation(settings)
    everyone = listeners(settings, generation)
    sampled = random.Random(0).sample(everyone, min(SAMPLED_LISTENERS, len(everyone)))
    plays = recent_plays(settings, sampled[:SHOWN_LISTENERS], as_of)
    for user in sampled[:SHOWN_LISTENERS]:
        _show(settings, app, user, plays[user])
    full = sum(_is_full(home(settings, app, user)) for user in sampled)
    print(f"\n{full} of {len(sampled)} sampled listeners got {LIST} distinct songs on their home")


def listeners(settings: Settings, generation: str) -> list[str]:
    """Return, in order, everyone who has a vector of this generation."""
    having = {f"vectors.{generation}": {"$exists": True}}
    with _connected(settings) as db:
        return sorted(user["_id"] for user in db[names.USERS].find(having, {"_id": 1}))


def recent_plays(settings: Settings, users: list[str], as_of: date) -> dict[str, list[str]]:
    """Return each listener's last plays before `as_of` as track ids, newest first."""
    start = (as_of - timedelta(days=settings.window_days)).isoformat()
    plays = table(settings, names.RAW_LOGS).to_pyarrow_table(
        columns=["user_id", "track_id", "timestamp"],
        filters=[
            ("date", ">=", date.fromisoformat(start)),
            ("date", "<", as_of),
            ("user_id", "in", users),
            ("action", "=", "listen"),
        ],
    )
    rows = plays.sort_by([("timestamp", "descending")]).to_pylist()
    return {u: [r["track_id"] for r in rows if r["user_id"] == u][:LIST] for u in users}


def home(settings: Settings, app: str, user: str) -> dict[str, Any]:
    """Ask for a listener's home page as the player would."""
    answer = requests.get(
        f"{app}/recommend/home",
        params={"limit": LIST},
        headers={"Authorization": f"Bearer {listener_token(settings, user)}"},
        timeout=10,
    )
    answer.raise_for_status()
    return dict(answer.json())


def _is_full(page: dict[str, Any]) -> bool:
    return len({song["track_id"] for song in page["songs"]}) == LIST


def _show(settings: Settings, app: str, user: str, plays: list[str]) -> None:
    with _connected(settings) as db:
        titles = {s["_id"]: s for s in db[names.SONGS].find({"_id": {"$in": plays}})}
    page = home(settings, app, user)
    print(f"\n{user}  (generation {page['generation']}, strategy {page['strategy']})")
    _print_list("played lately", [titles.get(t, {"title": t}) for t in dict.fromkeys(plays)])
    _print_list("home", page["songs"])
    current = plays[0] if plays else page["songs"][0]["track_id"]
    answer = requests.post(
        f"{app}/recommend/next",
        json={"current": current, "n": 5},
        headers={"Authorization": f"Bearer {listener_token(settings, user)}"},
        timeout=10,
    )
    answer.raise_for_status()
    _print_list(
        f"next after {titles.get(current, {}).get('title', current)}", answer.json()["songs"]
    )


def _print_list(name: str, songs: list[dict[str, Any]]) -> None:
    shown = "; ".join(_label(song) for song in songs[:5])
    print(f"  {name}: {shown}", flush=True)


def _label(song: dict[str, Any]) -> str:
    parts = [song["title"], song.get("artist"), song.get("genre")]
    return " / ".join(part for part in parts if part)

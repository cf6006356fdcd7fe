"""Faults 7, 8, 14: messages that are bad, repeated or late, or that must be forgotten."""

import io
import json
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet as pq

from jobs.contract import names
from jobs.stores.cache import Cache
from jobs.stores.objects import Objects
from tests.faults.rig import Failed, Rig, Sender, event
from tests.integration.lake import raw_logs

DAY_MS = 86_400_000


def bad_messages(rig: Rig, events: int = 10_000) -> str:
    """Fault 7: one in a hundred is bad, in ten ways; one is huge, one deep, one no text."""
    rig.wait_running()
    rig.wait_drained()
    pid, before = rig.pid(), len(rig.quarantined("reason"))
    sender, mark = Sender(rig.settings), uuid4().hex
    now = int(time.time() * 1000)

    def changed(**changes: object) -> bytes:
        return event(f"bad-{uuid4().hex}", 1, **changes)

    kinds = [
        lambda: b"{not json",
        lambda: changed(timestamp="yesterday"),
        lambda: changed(action="dance"),
        lambda: changed(user_id=""),
        lambda: changed(track_id=None),
        lambda: changed(duration=-5),
        lambda: changed(timestamp=now + 3_600_000),
        lambda: changed(timestamp=0),
        lambda: changed(source="elsewhere"),
        lambda: b"",
    ]
    special = [
        changed(origin="x" * 10_000_000),
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'{"event_id": "\xff\xfe' + mark.encode() + b'"}',
    ]
    injected = len(special)
    for message in special:
        sender.raw(message)
    for n in range(events):
        if n % 100:
            sender.one()
        else:
            sender.raw(kinds[n // 100 % len(kinds)]())
            injected += 1
    sender.flush()
    rig.wait_drained()
    said = rig.check_once(sender.acknowledged, sender.prefix)
    rows = rig.quarantined("reason")
    found = len(rows) - before
    if found != injected:
        raise Failed(f"{found} in quarantine, {injected} injected")
    if rig.pid() != pid:
        raise Failed("the driver died of a bad message")
    reasons = Counter(row["reason"] for row in rows)
    return f"quarantine {found} = injected {injected}, {len(reasons)} reasons, 0 crashes; {said}"


def repeated_and_late(rig: Rig, each: int = 200) -> str:
    """Fault 8: repeats within the stream's horizon, late, future and 1970 events."""
    rig.wait_running()
    rig.wait_drained()
    before = Counter(row["reason"] for row in rig.quarantined("reason"))
    sender, now = Sender(rig.settings), datetime.now(UTC)
    wanted: Counter[object] = Counter()
    for days in (0, 1, 6, 13):
        at = now - timedelta(days=days)
        sender.send(each, timestamp=int(at.timestamp() * 1000))
        wanted[at.date()] += each
    for message in [event(i, 1) for i in sender.acknowledged[:each]]:
        sender.raw(message)  # the same ids once more, by a sender that retried
    strays = Sender(rig.settings)
    strays.send(each, timestamp=int((now + timedelta(minutes=10)).timestamp() * 1000))
    strays.send(each, timestamp=int((now - timedelta(days=15)).timestamp() * 1000))
    strays.send(each, timestamp=1000)
    sender.flush()
    rig.wait_drained()
    said = rig.check_once(sender.acknowledged, sender.prefix)
    logs = raw_logs(rig.settings, columns=["event_id", "date"]).to_pylist()
    found = Counter(row["date"] for row in logs if row["event_id"].startswith(sender.prefix))
    if found != wanted:
        raise Failed(f"rows per date are {found}, not {wanted}")
    rig.check_once([], strays.prefix)
    reasons = Counter(row["reason"] for row in rig.quarantined("reason")) - before
    expected = {"duplicate_event": each, "future_timestamp": each, "old_timestamp": 2 * each}
    if reasons != expected:
        raise Failed(f"quarantine has {dict(reasons)}, not {expected}")
    per_date = ", ".join(f"{day}: {n}" for day, n in sorted(found.items()))  # type: ignore[type-var]
    refused = ", ".join(f"{reason}: {n}" for reason, n in expected.items())
    return f"{per_date}; quarantine {refused}; {said}"


def listener_erased(rig: Rig, events: int = 300) -> str:
    """Fault 14: a listener is erased, and looked for in every store."""
    rig.wait_running()
    user = f"erase-me-{uuid4().hex[:8]}"
    sender = Sender(rig.settings)
    sender.send(events, user_id=user)
    sender.raw(event("bad", 1, user_id=user, action="dance"))
    sender.send(events, user_id="somebody-else")
    sender.flush()
    rig.wait_drained()
    generation = "g20000101T0000_00000000"
    key = f"{names.user_factors_path(generation)}/part-0.parquet"
    buffer = io.BytesIO()
    factors = {"id": [user, "somebody-else"], "vector": [[1.0], [2.0]]}
    pq.write_table(pa.table(factors), buffer)
    objects, bucket = Objects(rig.settings), rig.settings.lake_bucket
    objects.put(bucket, key, buffer.getvalue(), "application/octet-stream")
    rig.db[names.USERS].update_one(
        {"_id": user}, {"$set": {"username": user, f"vectors.{generation}": [1.0]}}, upsert=True
    )
    cache = Cache(rig.settings)
    cache.add_plays(user, {"fault-song-001": 1}, {"fault-song-002": 1})
    if not traces(rig, user):
        raise Failed("there should be traces before the erasure, or this shows nothing")
    report = rig.stack.done("erase", "--user", user)
    left = traces(rig, user)
    if left or user in cache.listeners():
        raise Failed(f"traces left in {left}\n{report}")
    cache.close()
    others = sender.acknowledged[events:]
    rig.check_once(others, sender.prefix)
    objects.delete_below(bucket, f"{names.MODELS}/{generation}")
    return f"{events} events, quarantine, vectors, cache: 0 traces; the other {len(others)} stay"


def traces(rig: Rig, user: str) -> list[str]:
    """Return every object of the lake, and every collection, in which the id occurs."""
    found = []
    objects, bucket = Objects(rig.settings), rig.settings.lake_bucket
    for key in objects.keys(bucket, ""):
        body = objects.get(bucket, key)
        text = body.decode("latin-1")
        if key.endswith(".parquet"):
            text += str(pq.read_table(io.BytesIO(body)).to_pylist())
        if user in text:
            found.append(key)
    for name in rig.db.list_collection_names():
        if user in json.dumps(list(rig.db[name].find()), default=str):
            found.append(name)
    return found

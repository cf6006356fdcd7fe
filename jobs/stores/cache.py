"""Redis: what a listener did lately, and answers made ready. Losing it loses nothing for good."""

import hashlib
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

import redis
from redis.backoff import NoBackoff
from redis.client import Pipeline
from redis.retry import Retry

from jobs.contract.settings import Settings
from jobs.stores.documents import in_batches

AWAY = (redis.RedisError,)
"""What a call raises when Redis does not answer in time."""

RECENT = "recent:"
SKIPPED = "skipped:"
CHOICES = "choices:"
HOME = "home:"
SENT = "sent:"
KINDS = (RECENT, SKIPPED, CHOICES, HOME, SENT)
"""Prefixes of a listener's keys: `recent` and `skipped` are sorted sets of track ids by epoch
milliseconds, `choices` a copy of what MongoDB has of bans and loves, `home` a hash of answers,
`sent` a sorted set of marks of events by when the broker had them."""

RECENT_PLAYS = 200
RECENT_DAYS = 14
SKIPPED_SONGS = 50
SKIPPED_SECONDS = 2 * 3600
CHOICES_DAYS = 30
HOME_SECONDS = 60
KEPT = (RECENT, SKIPPED, CHOICES)
"""What a backup has. Marks of events vouch for what one broker had, and for a day only."""
BATCH = 500
SENT_MARKS = 20_000
SENT_SECONDS = 86400

Times = list[tuple[str, int]]
"""Track ids with epoch milliseconds, the newest first."""


@dataclass(frozen=True)
class Kept:
    """One key of a listener with its value, and when it ends by itself (epoch ms)."""

    key: str
    value: str | list[tuple[str, float]]
    ends_at: int


@dataclass(frozen=True)
class Seen:
    """What is kept of a listener. `ready` is an answer that was made in this very `state`."""

    plays: Times
    skips: Times
    state: str
    ready: str | None


class Cache:
    """Plays are kept as track ids, never as vectors, so that they survive a retrain."""

    def __init__(self, settings: Settings) -> None:
        seconds = settings.store_timeout_ms / 1000
        self._redis: redis.Redis = redis.Redis.from_url(
            settings.redis_url,
            decode_responses=True,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),  # the default tries again for many timeouts
        )

    def add_plays(
        self,
        user_id: str,
        plays: dict[str, int],
        skips: dict[str, int],
        marks: Collection[str] = (),
    ) -> None:
        """Remember songs (track id -> epoch ms), the newest play and skip of each.

        `marks` are of the events that said so, which `sent` knows for a day.
        """
        pipe = self._redis.pipeline(transaction=False)
        if marks:
            key, now = f"{SENT}{user_id}", time.time()
            pipe.zadd(key, dict.fromkeys(marks, now))
            pipe.zremrangebyscore(key, 0, now - SENT_SECONDS)
            pipe.zremrangebyrank(key, 0, -SENT_MARKS - 1)
            pipe.expire(key, SENT_SECONDS)
        for kind, songs, most, seconds in (
            (RECENT, plays, RECENT_PLAYS, RECENT_DAYS * 86400),
            (SKIPPED, skips, SKIPPED_SONGS, SKIPPED_SECONDS),
        ):
            if songs:
                key = f"{kind}{user_id}"
                pipe.zadd(key, songs, gt=True)
                pipe.zremrangebyrank(key, 0, -most - 1)
                pipe.expire(key, seconds)
        pipe.execute()

    def sent(self, user_id: str, marks: Sequence[str]) -> set[str]:
        """Return those of the marks that `add_plays` was given in the last day."""
        oldest = time.time() - SENT_SECONDS
        scores = self._redis.zmscore(f"{SENT}{user_id}", list(marks))
        pairs = zip(marks, scores, strict=True)
        return {mark for mark, at in pairs if at is not None and at >= oldest}

    def memory(self, user_id: str) -> tuple[Times, Times]:
        """Return the listener's recent plays and early skips, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        self._ask_memory(pipe, user_id)
        return _times(pipe.execute())

    def _ask_memory(self, pipe: Pipeline, user_id: str) -> None:
        for kind in (RECENT, SKIPPED):
            pipe.zrevrange(f"{kind}{user_id}", 0, -1, withscores=True)

    def set_choices(self, user_id: str, choices: str) -> None:
        """Keep a copy of the listener's bans and loves."""
        self._redis.set(f"{CHOICES}{user_id}", choices, ex=CHOICES_DAYS * 86400)

    def choices(self, user_id: str) -> str | None:
        """Return the copy of the listener's bans and loves."""
        found = self._redis.get(f"{CHOICES}{user_id}")
        return None if found is None else str(found)

    def set_home(self, user_id: str, name: str, state: str, answer: str) -> None:
        """Keep an answer for a minute; it is good while the listener's `state` is this one."""
        pipe = self._redis.pipeline(transaction=False)
        pipe.hset(f"{HOME}{user_id}", name, f"{state} {answer}")
        pipe.expire(f"{HOME}{user_id}", HOME_SECONDS)
        pipe.execute()

    def seen(self, user_id: str, name: str) -> Seen:
        """Return what is kept of a listener, and the answer of that name, in one round trip."""
        pipe = self._redis.pipeline(transaction=False)
        self._ask_memory(pipe, user_id)
        pipe.get(f"{CHOICES}{user_id}")
        pipe.hget(f"{HOME}{user_id}", name)
        *times, choices, kept = pipe.execute()
        state = hashlib.sha256(repr((times, choices)).encode()).hexdigest()[:16]
        made_in, _, answer = (kept or "").partition(" ")
        plays, skips = _times(times)
        return Seen(plays, skips, state, answer if made_in == state else None)

    def kept(self) -> Iterator[Kept]:
        """Yield what a backup has of every listener, in no order; some come twice."""
        for kind in KEPT:
            keys = self._redis.scan_iter(f"{kind}*", count=1000)
            for some in in_batches(map(str, keys), BATCH):
                pipe = self._redis.pipeline(transaction=False)
                for key in some:
                    pipe.get(key) if kind == CHOICES else pipe.zrange(key, 0, -1, withscores=True)
                    pipe.pttl(key)
                found, now = pipe.execute(), int(time.time() * 1000)
                for key, value, left in zip(some, found[::2], found[1::2], strict=True):
                    if left > 0:  # it ended between the two otherwise
                        yield Kept(key, value, now + left)

    def put_back(self, kept: Iterable[Kept]) -> int:
        """Write what a backup had and has not ended since; return how many keys.

        A play or skip that came since the backup stays: the song was heard.
        """
        written = 0
        for some in in_batches((k for k in kept if k.ends_at > time.time() * 1000), BATCH):
            pipe = self._redis.pipeline(transaction=False)
            for one in some:
                pipe.pttl(one.key)
            now, left = int(time.time() * 1000), pipe.execute()
            for one, more in zip(some, left, strict=True):
                if isinstance(one.value, str):
                    pipe.set(one.key, one.value)
                else:
                    pipe.zadd(one.key, dict(one.value), gt=True)
                    most = RECENT_PLAYS if one.key.startswith(RECENT) else SKIPPED_SONGS
                    pipe.zremrangebyrank(one.key, 0, -most - 1)
                pipe.pexpireat(one.key, max(one.ends_at, now + more))
            pipe.execute()
            written += len(some)
        return written

    def forget_copies(self) -> None:
        """Remove what was made of MongoDB: choices and answers of every listener."""
        for kind in (CHOICES, HOME):
            for some in in_batches(self._redis.scan_iter(f"{kind}*", count=1000), BATCH):
                self._redis.delete(*some)

    def listeners(self) -> Iterator[str]:
        """Yield the ids of all of whom anything is kept, in no order; some come twice."""
        for kind in KINDS:
            for key in self._redis.scan_iter(f"{kind}*", count=1000):
                yield str(key).removeprefix(kind)

    def forget(self, user_ids: Iterable[str]) -> None:
        """Remove everything of these listeners."""
        for user_id in user_ids:
            self._redis.delete(*(f"{kind}{user_id}" for kind in KINDS))

    def ping(self) -> None:
        """Raise one of AWAY unless Redis answers."""
        self._redis.ping()

    def close(self) -> None:
        """End the connections."""
        self._redis.close()


def _times(found: list[list[tuple[str, float]]]) -> tuple[Times, Times]:
    plays, skips = ([(str(track_id), int(at)) for track_id, at in times] for times in found)
    return plays, skips

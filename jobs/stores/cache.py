"""Redis: a listener's recent plays. All of it can be rebuilt, so losing it loses nothing."""

from collections.abc import Iterable, Iterator

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from jobs.contract.settings import Settings

AWAY = (redis.RedisError,)
"""What a call raises when Redis does not answer in time."""

RECENT = "recent:"
RECENT_PLAYS = 200
RECENT_DAYS = 14


class Cache:
    """Recent plays as track ids with times, never as vectors, so that they survive a retrain."""

    def __init__(self, settings: Settings) -> None:
        seconds = settings.store_timeout_ms / 1000
        self._redis: redis.Redis = redis.Redis.from_url(
            settings.redis_url,
            decode_responses=True,
            socket_timeout=seconds,
            socket_connect_timeout=seconds,
            retry=Retry(NoBackoff(), 0),  # the default tries again for many timeouts
        )

    def add_plays(self, user_id: str, plays: dict[str, int]) -> None:
        """Remember songs (track id -> epoch ms); only the newest play of a song is kept."""
        if not plays:
            return
        key = f"{RECENT}{user_id}"
        pipe = self._redis.pipeline(transaction=False)
        pipe.zadd(key, plays, gt=True)
        pipe.zremrangebyrank(key, 0, -RECENT_PLAYS - 1)
        pipe.expire(key, RECENT_DAYS * 86400)
        pipe.execute()

    def recent(self, user_id: str) -> list[str]:
        """Return the listener's recent songs, newest first."""
        found = self._redis.zrevrange(f"{RECENT}{user_id}", 0, -1)
        return [str(track) for track in found]

    def listeners(self) -> Iterator[str]:
        """Yield the ids of all who have recent plays, in no order."""
        for key in self._redis.scan_iter(f"{RECENT}*", count=1000):
            yield str(key).removeprefix(RECENT)

    def forget(self, user_ids: Iterable[str]) -> None:
        """Remove the recent plays of these listeners."""
        for user_id in user_ids:
            self._redis.delete(f"{RECENT}{user_id}")

    def ping(self) -> None:
        """Raise one of AWAY unless Redis answers."""
        self._redis.ping()

    def close(self) -> None:
        """End the connections."""
        self._redis.close()

"""Switches under load: no mixed answer, no error, and the old generation is gone in 2 s."""

import threading
import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache

import requests

from infra.local.timing import at_rate
from tests.publishing.world import LISTENERS, Factors, Failed, World, factors, listener

RATE = 50.0
WORKERS = 16
PUBLISHES, ROLLBACKS = 20, 5
MAX_SECONDS = 2.0
SLACK = 1e-3
VECTORS = ("user_vector", "session_vector")


@dataclass
class Seen:
    """Answers: when each came (epoch s) and of which generation; and what was wrong with some."""

    user_weight: float
    answers: list[tuple[float, str]] = field(default_factory=list)
    mixed: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def take(self, user: str, current: str | None, response: requests.Response) -> None:
        """Look at one answer; each song and score must be of the generation that it states."""
        if response.status_code != 200:
            self.errors.append(f"{response.status_code}: {response.text[:200]}")
            return
        body = response.json()
        self.answers.append((time.time(), body["generation"]))
        users, items = _factors(body["generation"])
        vector = users[user]
        if body["strategy"] not in VECTORS or body["degraded"] or not body["songs"]:
            self.errors.append(f"{body['strategy']}, degraded {body['degraded']}")
            return
        if body["strategy"] == "session_vector":
            if current not in items:
                self.mixed.append(f"{body['generation']}: mixed with {current}")
                return
            vector = self.user_weight * vector + (1 - self.user_weight) * items[current]
        for found in body["songs"]:
            item = items.get(found["track_id"])
            if item is None or abs(float(item @ vector) - found["score"]) > SLACK:
                self.mixed.append(f"{body['generation']}: {found['track_id']} {found['score']}")


class Load:
    """Listeners who ask for home and next, at a steady rate, until it is stopped."""

    def __init__(self, world: World) -> None:
        self._world = world
        names = [listener(n) for n in range(LISTENERS)]
        self._headers = {name: world.stack.headers(name) for name in names}
        self._first: dict[str, str] = {}
        self._stop = threading.Event()
        self._local = threading.local()
        self.seen = Seen(world.settings.session_user_weight)

    def run(self) -> None:
        """Ask until `stop`."""
        self.asked, seconds = at_rate(RATE, WORKERS, self._ask, self._stop)
        self.rate = self.asked / seconds

    def stop(self) -> None:
        """Ask no more."""
        self._stop.set()

    def _ask(self, number: int) -> None:
        """Ask for home, or for what fits behind the song that home began with the last time."""
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session, url = self._local.session, self._world.stack.app_url
        user, current = listener(number // 2 % LISTENERS), None
        headers = self._headers[user]
        try:
            if number % 2:
                current = self._first.get(user)
                body = {"current": current, "n": 5, "strategy": "session_vector"}
                answer = session.post(
                    f"{url}/recommend/next", json=body, headers=headers, timeout=30
                )
            else:
                answer = session.get(f"{url}/recommend/home?limit=10", headers=headers, timeout=30)
                if answer.status_code == 200:
                    self._first[user] = answer.json()["songs"][0]["track_id"]
            self.seen.take(user, current, answer)
        except requests.RequestException as error:
            self.seen.errors.append(str(error)[:200])


def switches_under_load(world: World) -> str:
    """Publish and roll back while listeners ask; every answer must be of one generation."""
    made = world.make(PUBLISHES)
    load = Load(world)
    thread = threading.Thread(target=load.run)
    thread.start()
    switches: list[tuple[float, str]] = []
    try:
        for n, generation in enumerate(made, start=1):
            world.run("publish", generation)
            switches.append(_switched(world))
            if n % (PUBLISHES // ROLLBACKS) == 0:
                world.run("rollback", "--reason", "a test")
                switches.append(_switched(world))
        time.sleep(3)
    finally:
        load.stop()
        thread.join()
    seen = load.seen
    if seen.mixed or seen.errors:
        raise Failed(f"{len(seen.mixed)} mixed {seen.mixed[:2]}, errors {seen.errors[:3]}")
    if len(seen.answers) != load.asked:
        raise Failed(f"{load.asked} were asked for, {len(seen.answers)} answers were looked at")
    late = _latest_old_answers(switches, seen)
    if max(late) > MAX_SECONDS:
        raise Failed(f"an old answer {max(late):.2f} s after a switch")
    return (
        f"{PUBLISHES} publishes, {len(switches) - PUBLISHES} rollbacks, {len(seen.answers)} "
        f"answers at {load.rate:.0f}/s: 0 mixed, 0 errors; last old answer {max(late):.2f} s after "
        f"its switch (median {sorted(late)[len(late) // 2]:.2f} s)"
    )


@cache
def _factors(generation: str) -> tuple[Factors, Factors]:
    return factors(int(generation.rpartition("_")[2], 16))


def _switched(world: World) -> tuple[float, str]:
    pointer = world.generations.live()
    assert isinstance(pointer.published_at, datetime)
    return pointer.published_at.timestamp(), str(pointer.generation)


def _latest_old_answers(switches: list[tuple[float, str]], seen: Seen) -> list[float]:
    """Return for each switch how long after it an answer of the generation before came."""
    found = []
    for n, (at, generation) in enumerate(switches):
        end = switches[n + 1][0] if n + 1 < len(switches) else float("inf")
        old = [t - at for t, g in seen.answers if at < t < end and g != generation]
        found.append(max(old, default=0.0))
    return found

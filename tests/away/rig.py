"""An app under load with a wire to each store."""

import os
import signal
import threading
import time
import xmlrpc.client
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import numpy as np
import psutil
import requests

from infra.local import bench_world
from infra.local.bench_world import World
from infra.local.processes import members
from infra.local.timing import at_rate
from jobs.contract.tokens import listener_token
from tests.integration.stack import Stack
from tests.wires import Wire, wired_app

SONGS, LISTENERS = 3_000, 500
RATE, WORKERS = 20.0, 48
BEFORE, DURING, AFTER = 5.0, 20.0, 90.0
PROGRAMS = {"mongodb": "mongo", "milvus": "milvus", "redis": "redis", "kafka": "kafka"}
MARKS = {"mongodb": ("secantus", "mongod"), "milvus": ("milvus",), "redis": ("redis-server",)}
MARKS["kafka"] = ("kafka.Kafka",)


class Failed(AssertionError):
    """An answer was not what listeners are promised."""


@dataclass
class Seen:
    """Answers to home and next (seconds, strategy, degraded), events, and what was wrong."""

    took: list[float] = field(default_factory=list)
    rungs: Counter[str] = field(default_factory=Counter)
    degraded: bool = False
    events: Counter[int] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


class Rig:
    """The app, its load and the wires."""

    def __init__(self, stack: Stack, world: World, wires: dict[str, Wire], app: Any) -> None:
        self.stack = stack
        self.world = world
        self.wires = wires
        self.url, self._process = app
        self.seen = Seen()
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._local = threading.local()
        self._load = threading.Thread(target=at_rate, args=(RATE, WORKERS, self._ask, self._stop))
        self._load.start()

    @property
    def pid(self) -> int:
        """Return the process id of the app's master."""
        return int(self._process.pid)

    def close(self) -> None:
        """End load, app and wires."""
        self._stop.set()
        self._load.join()
        self._process.terminate()
        self._process.wait(30)
        for wire in self.wires.values():
            wire.break_it("cut")

    def fresh(self) -> Seen:
        """Return what was seen since the last call, and look anew."""
        with self._lock:
            seen, self.seen = self.seen, Seen()
        return seen

    def _ask(self, number: int) -> None:
        if not hasattr(self._local, "session"):
            self._local.session = requests.Session()
        session, n = self._local.session, number % LISTENERS
        user, song = self.world.listener(n), self.world.song(number * 37 % SONGS)
        token = listener_token(self.stack.settings, user)
        headers = {"Authorization": f"Bearer {token}"}
        began = time.perf_counter()
        try:
            if number % 10 == 9:
                answer = session.post(
                    f"{self.url}/events",
                    json={"events": [_play(song)]},
                    headers=headers,
                    timeout=30,
                )
                with self._lock:
                    self.seen.events[answer.status_code] += 1
                return
            if number % 2:
                body = {"current": song, "queued": [self.world.song(n)], "n": 5}
                answer = session.post(
                    f"{self.url}/recommend/next", json=body, headers=headers, timeout=30
                )
            else:
                answer = session.get(f"{self.url}/recommend/home", headers=headers, timeout=30)
            wrong = _wrong(answer)
        except requests.RequestException as error:
            wrong, answer = str(error)[:200], None
        took = time.perf_counter() - began
        with self._lock:
            self.seen.took.append(took)
            if wrong:
                self.seen.wrong.append(wrong)
            elif answer is not None:
                body = answer.json()
                self.seen.rungs[body["strategy"]] += 1
                self.seen.degraded = self.seen.degraded or bool(body["degraded"])

    def recovered(self) -> float:
        """Return after how many seconds no answer of a second was degraded; raises Failed."""
        began = time.monotonic()
        while time.monotonic() - began < AFTER:
            self.fresh()
            time.sleep(1.5)
            seen = self.fresh()
            if seen.took and not seen.degraded and not seen.wrong and not seen.events[503]:
                return time.monotonic() - began
        raise Failed(f"still degraded {AFTER:.0f} s after")

    def processes(self, store: str) -> list[psutil.Process]:
        """Return the processes of a store's server."""
        return [
            p
            for p in members(self.stack.local.state)
            if any(mark in " ".join(p.cmdline()) for mark in MARKS[store])
        ]


def _wrong(answer: requests.Response) -> str:
    if answer.status_code != 200:
        return f"{answer.status_code}: {answer.text[:200]}"
    tracks = [song["track_id"] for song in answer.json()["songs"]]
    if not tracks:
        return "an empty answer"
    return "a song twice" if len(set(tracks)) < len(tracks) else ""


def _play(track_id: str) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    event = {"event_id": uuid4().hex, "track_id": track_id, "timestamp": now, "action": "listen"}
    return event | {"duration": 200, "total_duration": 200}


def away(store: str, how: str) -> Callable[[Rig], str]:
    """Return the fault that takes a store away in some way, for twenty seconds."""

    def fault(rig: Rig) -> str:
        time.sleep(BEFORE)
        normal = rig.fresh()
        mend = _break(rig, store, how)
        time.sleep(DURING)
        during = rig.fresh()
        mend()
        seconds = rig.recovered()
        rig.fresh()
        time.sleep(BEFORE)
        return said(normal, during, rig.fresh(), seconds)

    return fault


def all_away(rig: Rig) -> str:
    """Every store is cut off at once, and Kafka frozen."""
    time.sleep(BEFORE)
    normal = rig.fresh()
    mend = _break(rig, "kafka", "frozen")
    for wire in rig.wires.values():
        wire.break_it("cut")
    time.sleep(DURING)
    during = rig.fresh()
    mend()
    for wire in rig.wires.values():
        wire.mend()
    seconds = rig.recovered()
    rig.fresh()
    time.sleep(BEFORE)
    return said(normal, during, rig.fresh(), seconds)


def reloaded(rig: Rig) -> str:
    """The app is told three times to load anew, and its workers are replaced."""
    time.sleep(BEFORE)
    normal = rig.fresh()
    workers = {p.pid for p in psutil.Process(rig.pid).children()}
    for _ in range(3):
        os.kill(rig.pid, signal.SIGHUP)
        time.sleep(DURING / 3)
    during = rig.fresh()
    left = workers & {p.pid for p in psutil.Process(rig.pid).children()}
    if left:
        raise Failed(f"workers {left} were not replaced")
    seconds = rig.recovered()
    rig.fresh()
    time.sleep(BEFORE)
    return said(normal, during, rig.fresh(), seconds)


def _break(rig: Rig, store: str, how: str) -> Callable[[], None]:
    if how in ("slow", "garbage"):
        wire = rig.wires[store]
        wire.break_it(how)  # type: ignore[arg-type]
        return wire.mend
    processes = rig.processes(store)
    if not processes:
        raise Failed(f"no process of {store} was found")
    if how == "frozen":
        _send(processes, signal.SIGSTOP)
        return lambda: _send(processes, signal.SIGCONT)
    supervisor: Any = xmlrpc.client.ServerProxy(rig.stack.settings.supervisor_url).supervisor
    name = PROGRAMS[store]
    for process in processes:
        process.kill()
    supervisor.stopProcess(name)
    return lambda: supervisor.startProcess(name, False)


def _send(processes: list[psutil.Process], what: signal.Signals) -> None:
    for process in processes:
        process.send_signal(what)


def said(normal: Seen, during: Seen, after: Seen, seconds: float) -> str:
    """Sum up a fault; raises Failed where an answer was wrong."""
    wrong = [*during.wrong, *after.wrong]
    if wrong or not during.took:
        raise Failed(f"{len(wrong)} wrong answers of {len(during.took)}: {wrong[:3]}")
    odd = {code for code in during.events if code not in (202, 503)}
    if odd:
        raise Failed(f"events were answered with {odd}")
    rungs = ", ".join(f"{rung} {n}" for rung, n in during.rungs.most_common())
    p99 = " / ".join(f"{1000 * _p99(seen.took):.0f}" for seen in (normal, during, after))
    events = ", ".join(f"{code} {n}" for code, n in sorted(during.events.items()))
    return (
        f"{len(during.took)} answers, 0 5xx, 0 empty; p99 before / during / after {p99} ms; "
        f"{rungs}; events {events or 'none'}; well {seconds:.0f} s after"
    )


def _p99(took: list[float]) -> float:
    return float(np.percentile(took, 99)) if took else float("nan")


def rig_of(stack: Stack) -> Rig:
    """Make a generation, and start an app that reaches every store over a wire."""
    settings = stack.settings
    world = bench_world.draw(SONGS, LISTENERS)
    bench_world.build(settings, world)
    url, process, wires = wired_app(stack, "away_app.log")
    rig = Rig(stack, world, wires, (url, process))
    time.sleep(15)
    rig.recovered()
    return rig

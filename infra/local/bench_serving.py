"""`make bench-serving`: how fast the app answers, beside a plain search in Milvus.

On the running stack's servers, with a database, a bucket, a collection and an app of its own:
100,000 songs of 64 factors and 50,000 listeners are made, not trained. The peer is one search
for a listener's vector, asked of Milvus directly. Every target takes turns with it: times say
more of the machine than of Nocturne, their ratios don't. With SOAK=<minutes> it then asks a
hundred times a second, events among it, and looks for errors and for memory that grows.
"""

import argparse
import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import numpy as np
import orjson
import psutil
import urllib3

from infra.local import bench_world, stack
from infra.local.bench_world import GENERATION, World
from infra.local.config import HOST, administrator, environment, load_local
from infra.local.install import ROOT
from infra.local.processes import members
from infra.local.timing import BenchFailed, Call, Row, Samples, one_round, rows, table
from jobs.contract.errors import NocturneError
from jobs.contract.settings import Settings, load_settings
from jobs.contract.tokens import listener_token
from jobs.stores import catalogue, vectors
from jobs.stores.cache import Cache
from jobs.stores.documents import database
from jobs.stores.objects import Objects
from jobs.stores.vectors import Vectors
from serving.recommend.ranking import Rules, pick

OWN = "bench-serving"
PORT = 8099
REPORTS = ROOT / "reports"
TOP = 256
PEER = f"Milvus search, top {TOP}"
CONNECTIONS = (1, 4, 16)
ROUNDS = 3
WARM = 20
FIRST = 8000
READY = 20
"""Answers in a row, after which every worker will have read generation and titles."""
SAMPLED = 200
SOAK_RATE = 100.0
WORKERS = {
    "threads, 2 x 16 (as shipped)": (),
    "threads, 1 x 32": ("--workers", "1", "--threads", "32"),
    "threads, 2 x 4": ("--threads", "4"),
    "threads, 4 x 8": ("--workers", "4", "--threads", "8"),
    "processes, 2": ("--worker-class", "sync", "--workers", "2"),
    "processes, 8": ("--worker-class", "sync", "--workers", "8"),
}
"""Kinds of gunicorn's workers that `--workers` compares; gthread is the shipped one."""
GORSE = {
    "health endpoint": 1.0,
    "precomputed list": 1.28 / 0.17,
    "item-to-item list": 0.60 / 0.17,
    "live item-to-item recommendation": 19.5 / 0.17,
    "session of 2 to 5 songs": 8.0 / 0.17,
}
"""p50 at 1 connection as ratios to its own health endpoint: Gorse v0.5.11 with SQLite, untuned, on
another machine of this kind (75,000 events of 30Music)."""


def targets(settings: Settings, world: World, milvus: Vectors) -> dict[str, Call]:
    """Return what is measured, by name; every request names its number."""
    ask = asker()
    count = len(world.listeners)
    tokens = [listener_token(settings, world.listener(n)) for n in range(count)]
    cold, songs = itertools.count(WARM + SAMPLED), len(world.songs)
    shares = itertools.count()
    played = [world.song(n * 37 % songs) for n in range(count)]
    new = [listener_token(settings, f"new-{n}") for n in range(WARM)]
    for n, token in enumerate(new):
        ask("POST", "/events", token, json={"events": [_play(played[n + k]) for k in range(3)]})

    def home(_: int) -> Any:
        return ask("GET", "/recommend/home", tokens[next(cold) % count])

    def following(n: int) -> Any:
        body = {"current": played[n % count], "recent": [played[(n + k) % count] for k in (1, 2)]}
        return ask("POST", "/recommend/next", tokens[n % count], json=body)

    def seed_rule(n: int) -> Any:
        body = {"current": played[n % count], "strategy": "session_vector"}
        return ask("POST", "/recommend/next", tokens[n % count], json=body)

    def session(n: int) -> Any:
        songs = [played[(n + k) % count] for k in range(3)]
        return ask("POST", "/recommend/session", json={"songs": songs})

    def folded(n: int) -> Any:
        # Another share each time: none is ready.
        share = 1 - next(shares) / 1_000_000
        return ask("GET", f"/recommend/home?familiar={share:.6f}", new[n % WARM])

    return {
        PEER: lambda n: milvus.search(GENERATION, [world.listeners[n % count].tolist()], TOP),
        "GET /livez": lambda _: ask("GET", "/livez"),
        "home, cold": home,
        "home, warm": lambda n: ask("GET", "/recommend/home", tokens[n % WARM]),
        "home, fold-in": folded,
        "next, hybrid": following,
        "next, seed rule": seed_rule,
        "session, fold-in": session,
        "similar": lambda n: ask("GET", f"/songs/{played[n % count]}/similar"),
        "song": lambda n: ask("GET", f"/songs/{played[n % count]}"),
        "search": lambda n: ask("GET", f"/search?q=title+{n % count}"),
        "search, nothing found": lambda n: ask("GET", f"/search?q=nothing+{n}"),
    }


def asker() -> Callable[..., Any]:
    """Return what asks the app, over connections that stay open, for the JSON of its answer.

    It refuses the answers of a fallback, which are cheaper to give.
    """
    pool = urllib3.HTTPConnectionPool(HOST, PORT, maxsize=64, timeout=10, retries=False)

    def ask(method: str, path: str, token: str = "", **options: Any) -> Any:
        signed = {"Authorization": f"Bearer {token}"} if token else {}
        answer = pool.request(method, path, headers=signed, **options)
        said = {"fallback": answer.status}
        if answer.status in (200, 202):
            said = orjson.loads(answer.data)
        empty = said.get("songs") == [] and not path.startswith("/search")
        if said.get("fallback") or said.get("degraded") or empty:
            raise BenchFailed(f"{method} {path} was answered so: {answer.data[:300]!r}")
        if said.get("generation", GENERATION) != GENERATION:
            raise BenchFailed(f"{path} was answered from {said['generation']}")
        return said

    return ask


def _play(track_id: str) -> dict[str, Any]:
    now = time.time_ns() // 1_000_000
    event = {"event_id": uuid4().hex, "track_id": track_id, "timestamp": now, "action": "listen"}
    return event | {"duration": 200, "total_duration": 200}


def first_pages(settings: Settings, world: World) -> None:
    """Ask for home pages that are not measured, over connections enough to reach every worker."""
    ask = asker()

    def page(n: int) -> None:
        ask("GET", "/recommend/home", listener_token(settings, world.listener(n)))

    with ThreadPoolExecutor(8) as threads:
        last = range(len(world.listeners) - FIRST, len(world.listeners))
        for done in [threads.submit(page, n) for n in last]:
            done.result()


def served_recall(settings: Settings, world: World) -> float:
    """Return which share of the exact lists' first ten the app serves, for 200 listeners.

    The exact list is that of all inner products, under the same rules.
    """
    ask, found = asker(), 0
    artists = {world.song(n): world.artist(n) for n in range(len(world.songs))}
    for n in range(WARM, WARM + SAMPLED):
        token = listener_token(settings, world.listener(n))
        got = ask("GET", "/recommend/home?limit=10&familiar=1", token)["songs"]
        scores = world.songs @ world.listeners[n]
        best = np.argsort(-scores)[:200]
        exact = pick(
            [(world.song(m), float(scores[m])) for m in best],
            lambda ids: {i: {"track_id": i, "artist_id": artists[i]} for i in ids},
            10,
            Rules(settings.max_per_artist),
        )
        found += len({p.track_id for p in exact} & {song["track_id"] for song in got})
    return found / (10 * SAMPLED)


class CpuShares:
    """CPU seconds of the app and of the stores since it was made."""

    def __init__(self, app: psutil.Process) -> None:
        local = stack.remembered(load_local())
        self._groups: dict[str, list[psutil.Process]] = {"app": [app, *app.children()]}
        for process in members(local.state):
            command = " ".join(process.cmdline())
            for name in ("milvus", "secantus", "mongod", "redis", "kafka"):
                if name in command:
                    self._groups.setdefault(name, []).append(process)
        self._groups["this bench"] = [psutil.Process()]
        self._before = self._seconds()

    def _seconds(self) -> dict[str, float]:
        return {
            name: sum(sum(p.cpu_times()[:2]) for p in group if p.is_running())
            for name, group in self._groups.items()
        }

    def said(self) -> str:
        """Return each one's share of the CPU time that all of them took."""
        used = {name: now - self._before[name] for name, now in self._seconds().items()}
        whole = sum(used.values()) or 1.0
        shares = sorted(used.items(), key=lambda pair: -pair[1])
        return ", ".join(f"{name} {100 * part / whole:.0f} %" for name, part in shares)


def soak(settings: Settings, world: World, app: psutil.Process, minutes: float) -> dict[str, Any]:
    """Ask a hundred times a second, one in five an event; return errors, times and memory."""
    pool = urllib3.HTTPConnectionPool(HOST, PORT, maxsize=64, timeout=10, retries=False)
    rng, lock = random.Random(5), threading.Lock()
    took: list[float] = []
    errors: list[str] = []
    memory: list[tuple[float, float]] = []
    count, began = len(world.listeners), time.monotonic()

    def ask(method: str, path: str, **options: Any) -> Any:
        try:
            return pool.request(method, path, **options)
        except urllib3.exceptions.ProtocolError:
            # As browsers do where a kept connection was closed in the moment of asking.
            return pool.request(method, path, **options)

    def one(number: int) -> None:
        n = rng.randrange(count)
        token = {"Authorization": f"Bearer {listener_token(settings, world.listener(n))}"}
        song = world.song(rng.randrange(len(world.songs)))
        began = time.perf_counter()
        try:
            if number % 5 == 0:
                events = {"events": [_play(song)]}
                answer = ask("POST", "/events", headers=token, json=events)
            elif number % 5 in (1, 2):
                body = {"current": song}
                answer = ask("POST", "/recommend/next", headers=token, json=body)
            elif number % 5 == 3:
                answer = ask("GET", "/recommend/home", headers=token)
            else:
                answer = ask("GET", f"/songs/{song}")
            bad = answer.status not in (200, 202) or answer.json().get("degraded")
            said = f"{answer.status} {answer.data[:100]!r}" if bad else ""
        except urllib3.exceptions.HTTPError as error:
            said = str(error)
        with lock:
            took.append(time.perf_counter() - began)
            if said:
                errors.append(said)

    with ThreadPoolExecutor(32) as threads:
        number = 0
        while (since := time.monotonic() - began) < minutes * 60:
            threads.submit(one, number)
            if number % int(10 * SOAK_RATE) == 0:
                used = sum(p.memory_info().rss for p in [app, *app.children()]) / 2**20
                memory.append((since, used))
                print(
                    f"bench: soak {since:4.0f} s, {used:.0f} MiB, {len(errors)} errors", flush=True
                )
            number += 1
            time.sleep(max(0.0, began + number / SOAK_RATE - time.monotonic()))
    first = [used for at, used in memory if at < 60]
    last = [used for at, used in memory if at >= minutes * 60 - 60]
    p50, p99 = (1000 * float(x) for x in np.percentile(took, [50, 99]))
    return {
        "minutes": minutes,
        "requests": len(took),
        "per_s": round(len(took) / (time.monotonic() - began), 1),
        "errors": errors[:5],
        "error_count": len(errors),
        "p50_ms": round(p50, 1),
        "p99_ms": round(p99, 1),
        "mib_first_minute": round(max(first)),
        "mib_last_minute": round(max(last)),
    }


@contextmanager
def own_app(settings: Settings, options: Sequence[str] = ()) -> Iterator[psutil.Process]:
    """Run an app of the bench, with more options of gunicorn; it ends with it."""
    command = [sys.executable, "-m", "gunicorn", "--config", "serving/gunicorn_conf.py"]
    command += ["--bind", f"{HOST}:{PORT}", *options, "serving.wsgi:app"]
    log = (REPORTS / "bench_serving_app.log").open("w")
    process = subprocess.Popen(command, cwd=ROOT, env=_environment(settings), stderr=log)
    try:
        deadline, well = time.monotonic() + 120, 0
        while well < READY:
            ask = asker()  # over a connection of its own: whichever worker takes it
            try:
                ask("GET", "/recommend/home", listener_token(settings, "listener-000000"))
                began = time.monotonic()
                ask("GET", "/search?q=title")
                well = well + 1 if time.monotonic() - began < 0.1 else 0
            except (BenchFailed, urllib3.exceptions.HTTPError) as error:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise BenchFailed(f"the app did not begin to answer: {error}") from None
                time.sleep(1)
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait(30)
        log.close()


def _own(settings: Settings) -> Settings:
    # A limit as in production, but one that is never reached.
    return settings.model_copy(
        update={
            "mongo_db": OWN,
            "lake_bucket": OWN,
            "redis_url": settings.redis_url.rpartition("/")[0] + "/1",
            "kafka_topic": OWN,
            "rate_limit": "1000000/minute",
        }
    )


def _environment(settings: Settings) -> dict[str, str]:
    names = ("mongo_db", "lake_bucket", "redis_url", "kafka_topic", "rate_limit")
    own = {f"NOCTURNE_{name.upper()}": str(getattr(settings, name)) for name in names}
    return os.environ | own | {"PYTHONPATH": str(ROOT)}


def measure(settings: Settings, world: World, minutes: float) -> bool:
    """Measure, print and write the reports; return whether the bars are met."""
    milvus = Vectors(settings, timeout_s=5)
    found: list[Row] = []
    shares = {}
    with own_app(settings) as app:
        calls = targets(settings, world, milvus)
        print(f"bench: {FIRST} home pages, so that workers have seen some songs", flush=True)
        first_pages(settings, world)
        for connections in CONNECTIONS:
            print(f"bench: {connections} connections", flush=True)
            used = CpuShares(app)
            measured = {name: Samples() for name in calls}
            for name in [*calls] * ROUNDS:
                one_round(calls[name], connections, measured[name])
            found += rows(measured, connections, PEER)
            shares[connections] = used.said()
        recall = served_recall(settings, world)
        soaked = soak(settings, world, app, minutes) if minutes else None
    milvus.close()
    health = {r.target: r for r in found if r.connections == 1}
    livez = health["GET /livez"].p50_ms
    text = (
        f"{len(world.songs)} songs of {bench_world.RANK} factors, {len(world.listeners)} "
        f"listeners; {os.cpu_count()} cores shared with the stores and this bench\n\n"
        + table(found)
        + "\nCPU: "
        + "; ".join(f"at {n} connections {said}" for n, said in shares.items())
        + f"\n\nrecall@10 of what is served against exact search: {recall:.3f}\n\n"
        + "p50 at 1 connection as ratios to the own health endpoint: "
        + ", ".join(f"{t} {r.p50_ms / livez:.1f}" for t, r in health.items() if t != PEER)
        + ". Gorse (another machine): "
        + ", ".join(f"{name} {ratio:.1f}" for name, ratio in GORSE.items())
        + "\n"
    )
    if soaked:
        text += "\nSoak: " + ", ".join(f"{k} {v}" for k, v in soaked.items()) + "\n"
    missed = bars(found, soaked)
    text += "".join(f"\nMISSED: {bar}\n" for bar in missed)
    print(text, end="")
    (REPORTS / "serving.md").write_text(text)
    report = {"rows": [asdict(r) for r in found], "recall": recall, "cpu": shares, "soak": soaked}
    (REPORTS / "serving.json").write_text(json.dumps(report | {"missed": missed}, indent=1) + "\n")
    return not missed


def compare_workers(settings: Settings, world: World) -> None:
    """Measure each kind of worker at 16 connections, print and write a table."""
    milvus = Vectors(settings, timeout_s=5)
    wanted = ("GET /livez", "home, warm", "home, cold", "next, hybrid")
    lines = ["| workers | " + " | ".join(f"{name}, /s (p99 ms)" for name in wanted) + " | MiB |"]
    lines.append("|---|" + "---|" * (len(wanted) + 1))
    for name, options in WORKERS.items():
        print(f"bench: {name}", flush=True)
        with own_app(settings, options) as app:
            calls = targets(settings, world, milvus)
            measured = {target: Samples() for target in (PEER, *wanted)}
            for target in (PEER, *wanted) * ROUNDS:
                one_round(calls[target], CONNECTIONS[-1], measured[target])
            found = {r.target: r for r in rows(measured, CONNECTIONS[-1], PEER)}
            cells = [f"{found[t].requests_per_s:.0f} ({found[t].p99_ms:.0f})" for t in wanted]
            used = sum(p.memory_full_info().pss for p in [app, *app.children()]) / 2**20
            lines.append(f"| {name} | " + " | ".join(cells) + f" | {used:.0f} |")
    milvus.close()
    text = "\n".join(lines) + "\n"
    print(text, end="")
    (REPORTS / "serving_workers.md").write_text(text)


def bars(found: list[Row], soaked: dict[str, Any] | None) -> list[str]:
    """Return a sentence for each bar that is not met."""
    one = {r.target: r for r in found if r.connections == 1}
    most = {t: max(r.requests_per_s for r in found if r.target == t) for t in one}
    cold, following = one["home, cold"].p50_to_peer, one["next, hybrid"].p50_to_peer
    warm, livez = most["home, warm"], most["GET /livez"]
    checks = [
        (cold <= 4, f"home, cold: p50 is {cold:.1f} times Milvus', at most 4"),
        (following <= 5, f"next: p50 is {following:.1f} times Milvus', at most 5"),
        (warm >= min(500, livez / 2), f"home, warm: {warm:.0f}/s, {livez:.0f}/s for /livez"),
    ]
    if soaked:
        grown = soaked["mib_last_minute"] / soaked["mib_first_minute"]
        checks.append((soaked["error_count"] == 0, f"soak: {soaked['error_count']} errors"))
        checks.append((grown <= 1.1, f"soak: memory grew to {grown:.2f} of the first minute's"))
    return [said for met, said in checks if not met]


def forget(settings: Settings) -> None:
    """Let Redis know nobody: what listeners did in an earlier run changes their lists."""
    with closing(Cache(settings)) as cache:
        cache.forget(set(cache.listeners()))


def clear(settings: Settings) -> None:
    """Remove what the bench made."""
    forget(settings)
    with closing(Vectors(settings)) as milvus:
        milvus.drop(GENERATION)
    db = database(settings, 300_000)
    db.client.drop_database(OWN)
    db.client.close()
    objects = Objects(settings)
    objects.ensure_bucket(settings.lake_bucket)
    objects.delete_below(settings.lake_bucket, "")


def main() -> int:
    """Run the bench; 1 with a sentence on stderr where a bar is missed or nothing measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--songs", type=int, default=100_000)
    parser.add_argument("--listeners", type=int, default=50_000)
    parser.add_argument("--soak", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--workers", action="store_true", help="compare kinds of workers instead")
    parser.add_argument("--keep", action="store_true", help="leave what was made to the next run")
    args = parser.parse_args()
    try:
        local = stack.remembered(load_local())
        stack.require_running(local)
        # Its bucket is its own, where no other key leads.
        os.environ.update(environment(local) | administrator(local.state))
        settings = _own(load_settings())
        REPORTS.mkdir(exist_ok=True)
        world = bench_world.draw(args.songs, args.listeners)
        try:
            if not bench_world.is_built(settings, world):
                clear(settings)
                bench_world.build(settings, world)
            else:
                forget(settings)
            if args.workers:
                compare_workers(settings, world)
                return 0
            met = measure(settings, world, args.soak)
        finally:
            if not args.keep:
                clear(settings)
    except (NocturneError, urllib3.exceptions.HTTPError, *catalogue.AWAY, *vectors.AWAY) as error:
        print(f"bench: ERROR: {error}", file=sys.stderr)
        return 1
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

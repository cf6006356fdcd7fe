"""Show the same listeners' lists from two generations side by side, for a person to judge.

Home: the ten best unheard songs of the night. Next: the ten that the session vector finds behind
the first of them. What came and what went is marked. Writes `models/<B>/compare_<A>.html` in the
lake, and with --out the same page to a folder. Without --b the newest generation is compared,
without --a what is live. Neither need be published.
"""

import argparse
import json
import random
import sys
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from jobs.contract import names
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.generations import Manifest, generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.reporting.html import render
from jobs.stores import parts
from jobs.stores.catalogue import Catalogue
from jobs.stores.documents import Documents
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.training.comparison import TOP, Lists, best, mix

LISTENERS = 20
READ_MS = 60_000


@dataclass(frozen=True)
class Model:
    """What one generation lists from; `metrics` are of its report, if it has one."""

    manifest: Manifest
    users: dict[str, NDArray[np.float32]]
    ids: list[str]
    items: NDArray[np.float32]
    nightly: dict[str, list[str]]
    metrics: dict[str, float]

    def home(self, user: str) -> list[str]:
        """Return the listener's ten best songs that they had not heard."""
        if user in self.nightly:
            return self.nightly[user][:TOP]
        return best(self.users[user], self.ids, self.items)

    def next(self, user: str, song: str, user_weight: float) -> list[str]:
        """Return the ten songs behind `song`; by the listener alone where it is not known."""
        query = self.users[user]
        if song in self.ids:
            of_song = self.items[self.ids.index(song)]
            query = user_weight * query + (1 - user_weight) * of_song
        return best(query, self.ids, self.items, song)


def read_model(settings: Settings, generation: str) -> Model:
    """Read a generation from the lake; raises BadInput where it is not there."""
    manifest = read_manifest(settings, generation)
    users, vectors = parts.factors(settings, names.user_factors_path(generation))
    ids, items = parts.factors(settings, names.item_factors_path(generation))
    nightly = {}
    if manifest.lists:
        lists = parts.read_part(settings, names.lists_path(generation))
        nightly = dict(zip(lists["id"].to_pylist(), lists["songs"].to_pylist(), strict=True))
    return Model(
        manifest,
        dict(zip(users, vectors, strict=True)),
        ids,
        items,
        nightly,
        _metrics(settings, generation),
    )


def _metrics(settings: Settings, generation: str) -> dict[str, float]:
    with suppress(KeyError):
        body = Objects(settings).get(settings.lake_bucket, names.report_key(generation))
        report = json.loads(body)
        home = report["home"]["unheard"].get("candidate")
        following = report["next"].get("candidate", {})
        found = {name: home[name]["mean"] for name in ("ndcg_10", "recall_20")} if home else {}
        return found | {f"next hr_20, {s}": v["hr_20"]["mean"] for s, v in following.items()}
    return {}


def compare(settings: Settings, a: str, b: str, listeners: int, seed: int) -> dict[str, Any]:
    """Return what the page shows: both models and the lists of the sampled listeners."""
    before, after = read_model(settings, a), read_model(settings, b)
    common = sorted(before.users.keys() & after.users.keys())
    if not common:
        raise BadInput(f"no listener has a vector of both {a} and {b}: nothing to compare")
    sampled = random.Random(seed).sample(common, min(listeners, len(common)))
    rows: list[dict[str, Any]] = []
    for user in sampled:
        home = Lists(before.home(user), after.home(user))
        current = (home.before or home.after or [""])[0]
        weight = settings.session_user_weight
        following = Lists(*(m.next(user, current, weight) for m in (before, after)))
        rows.append({"user": user, "home": home, "current": current, "next": following})
    songs = _songs(settings, rows)
    with closing(Documents(settings)) as documents:
        artists = documents.artists()
    ranks = {track: place for place, track in enumerate(after.manifest.popular, start=1)}
    for row in rows:
        for kind in ("home", "next"):
            lists = row[kind]
            row[f"{kind}_mix"] = [
                mix(found, artists, ranks) for found in (lists.before, lists.after)
            ]
    return {
        "models": [before, after],
        "rows": rows,
        "songs": songs,
        "overlap": {
            kind: float(np.mean([row[kind].overlap for row in rows])) for kind in ("home", "next")
        },
        "new": len(after.users.keys() - before.users.keys()),
        "gone": len(before.users.keys() - after.users.keys()),
    }


def _songs(settings: Settings, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    wanted = {row["current"] for row in rows}
    for row in rows:
        for kind in ("home", "next"):
            wanted |= {*row[kind].before, *row[kind].after}
    found: dict[str, dict[str, Any]] = {}
    ids = sorted(wanted)
    with closing(Catalogue(settings, READ_MS)) as catalogue:
        for start in range(0, len(ids), 100):
            found |= catalogue.songs(ids[start : start + 100])
    return found


def chosen(settings: Settings, a: str | None, b: str | None) -> tuple[str, str]:
    """Return which two are compared; raises BadInput where there are no two."""
    with closing(Generations(settings)) as generations:
        live = generations.live().generation
        everything = [str(document["_id"]) for document in generations.all()]
    first = a or live
    if first is None:
        raise BadInput("nothing is live: say which two, --a and --b")
    second = b or next((g for g in everything if g != first), None)
    if second is None:
        raise BadInput(f"there is no generation besides {first}")
    return first, second


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, where there is nothing to compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--a", type=generation_id, help="the one before (default: live)")
    parser.add_argument("--b", type=generation_id, help="the one after (default: the newest)")
    parser.add_argument("--listeners", type=int, default=LISTENERS, help=f"({LISTENERS})")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other listeners (0)")
    parser.add_argument("--out", type=Path, help="folder that gets the page, too")
    args = parser.parse_args(argv)
    if args.listeners < 1:
        parser.error("--listeners must be at least 1")
    try:
        settings = load_settings()
        a, b = chosen(settings, args.a, args.b)
        found = compare(settings, a, b, args.listeners, args.seed)
        page = render("comparison.html", **found).encode()
        key = f"{names.MODELS}/{b}/compare_{a}.html"
        Objects(settings).put(settings.lake_bucket, key, page, "text/html; charset=utf-8")
    except NocturneError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    for kind, overlap in found["overlap"].items():
        print(f"compare: {kind}: overlap@{TOP} {overlap:.2f} over {len(found['rows'])} listeners")
    print(f"compare: {key}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"compare_{a}_{b}.html"
        path.write_bytes(page)
        print(f"compare: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

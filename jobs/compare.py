"""Show the same listeners' lists from two generations side by side, for a person to judge.

Unheard: the ten best of the night's lists, where both generations have them. All: the ten songs
nearest to the listener, heard or not, which is also what the listener is like. Next: the ten that
the seed rule finds behind the first of those. All exactly, and before the cap on songs of one
artist. What came and what went is marked. Writes `models/<B>/compare_<A>.html` in the lake, and
with --out the same page to a folder. Without --b the newest generation is compared, without --a
what is live, or what was live before it. Neither need be published.
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
from jobs.reporting.html import number, render
from jobs.stores import parts
from jobs.stores.catalogue import Catalogue, Song
from jobs.stores.documents import Documents, in_batches
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest
from jobs.stores.objects import Objects
from jobs.training.comparison import TOP, Lists, Mix, Summary, best, mix, summary

LISTENERS = 20
READ_MS = 60_000
UNHEARD, ALL, NEXT = "home, unheard", "home, all songs", "next"


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
        """Return the ten songs nearest to the listener, heard or not."""
        return best(self.users[user], self.ids, self.items)

    def next(self, user: str, song: str, user_weight: float) -> list[str]:
        """Return the ten songs behind `song`; by the listener alone where it is not known."""
        query = self.users[user]
        if song in self.ids:
            of_song = self.items[self.ids.index(song)]
            query = user_weight * query + (1 - user_weight) * of_song
        return best(query, self.ids, self.items, song)


@dataclass(frozen=True)
class Listener:
    """One listener's lists, and what those of both sides are made of, by kind of list."""

    user_id: str
    current: str
    lists: dict[str, Lists]
    mixes: dict[str, tuple[Mix, Mix]]


def read_model(settings: Settings, generation: str) -> Model:
    """Read a generation from the lake; raises BadInput where it is not there."""
    manifest = read_manifest(settings, generation)
    users, vectors = parts.factors(settings, names.user_factors_path(generation))
    ids, items = parts.factors(settings, names.item_factors_path(generation))
    nightly = {}
    if manifest.lists:
        lists = parts.read_part(settings, names.lists_path(generation))
        nightly = dict(zip(lists["id"].to_pylist(), lists["songs"].to_pylist(), strict=True))
    by_user = dict(zip(users, vectors, strict=True))
    return Model(manifest, by_user, ids, items, nightly, _metrics(settings, generation))


def _metrics(settings: Settings, generation: str) -> dict[str, float]:
    with suppress(KeyError):
        body = Objects(settings).get(settings.lake_bucket, names.report_key(generation))
        report = json.loads(body)
        home = report["home"]["unheard"].get("candidate")
        following = report["next"].get("candidate", {})
        found = {name: home[name]["mean"] for name in ("ndcg_10", "recall_20")} if home else {}
        return found | {f"next hr_20, {s}": v["hr_20"]["mean"] for s, v in following.items()}
    return {}


def listed(
    before: Model, after: Model, user: str, user_weight: float
) -> tuple[str, dict[str, Lists]]:
    """Return the song that plays and the listener's lists of both models, by kind.

    The song is the nearest one of the first model that the second one knows, too.
    """
    home = Lists(before.home(user), after.home(user))
    known = {*after.ids}
    current = next((song for song in home.before if song in known), home.before[0])
    following = Lists(*(m.next(user, current, user_weight) for m in (before, after)))
    unheard = {}
    if user in before.nightly and user in after.nightly:
        unheard = {UNHEARD: Lists(before.nightly[user][:TOP], after.nightly[user][:TOP])}
    return current, unheard | {NEXT: following, ALL: home}


def compare(settings: Settings, a: str, b: str, listeners: int, seed: int) -> dict[str, Any]:
    """Return what the page shows: both models and the lists of the sampled listeners."""
    before, after = read_model(settings, a), read_model(settings, b)
    common = sorted(before.users.keys() & after.users.keys())
    if not common:
        raise BadInput(f"no listener has a vector of both {a} and {b}: nothing to compare")
    with closing(Documents(settings)) as documents:
        artists = documents.artists()
        places = {track: place for place, track in enumerate(documents.by_plays(), start=1)}
    rows = []
    for user in random.Random(seed).sample(common, min(listeners, len(common))):
        current, lists = listed(before, after, user, settings.session_user_weight)
        mixes = {
            kind: (mix(each.before, artists, places), mix(each.after, artists, places))
            for kind, each in lists.items()
        }
        rows.append(Listener(user, current, lists, mixes))
    return {
        "models": [before, after],
        "rows": rows,
        "songs": _songs(settings, rows),
        "summaries": summaries(rows),
        "new": len(after.users.keys() - before.users.keys()),
        "gone": len(before.users.keys() - after.users.keys()),
    }


def summaries(rows: list[Listener]) -> dict[str, Summary]:
    """Return each kind of list over the listeners who have it."""
    found = {}
    for kind in (UNHEARD, NEXT, ALL):
        having = [row for row in rows if kind in row.lists]
        if having:
            lists, mixes = [r.lists[kind] for r in having], [r.mixes[kind] for r in having]
            found[kind] = summary(lists, mixes)
    return found


def _songs(settings: Settings, rows: list[Listener]) -> dict[str, Song]:
    every = [each for row in rows for each in row.lists.values()]
    wanted = {song for each in every for song in (*each.before, *each.after)}
    found: dict[str, Song] = {}
    with closing(Catalogue(settings, READ_MS)) as catalogue:
        for some in in_batches(sorted(wanted), 100):
            found |= catalogue.songs(some)
    return found


def chosen(settings: Settings, a: str | None, b: str | None) -> tuple[str, str]:
    """Return which two are compared; raises BadInput where there are no two."""
    with closing(Generations(settings)) as generations:
        live, were_live = generations.live().generation, generations.servable()
        everything = [str(document["_id"]) for document in generations.all()]
    after = b or next((g for g in everything if g != a), None)
    if after is None:
        raise BadInput(f"there is no generation besides {a}" if a else "there is no generation yet")
    before = a or next((g for g in (live, *were_live) if g not in (None, after)), None)
    if before is None:
        raise BadInput(f"nothing besides {after} was ever live: say which other one, --a")
    return before, after


def lines(summaries: dict[str, Summary]) -> list[str]:
    """Return a table: a row per kind of list, before -> after."""
    head = f"{'list':16}{'listeners':>10}{'overlap@10':>11}{'artists':>14}{'top artist':>16}"
    rows = [head + f"{'median place':>18}{'shift':>8}"]
    for kind, found in summaries.items():
        cells = [f"{found.before.artists:.1f} -> {found.after.artists:.1f}"]
        for name in ("top_share", "place"):
            cells.append(" -> ".join(number(getattr(m, name)) for m in (found.before, found.after)))
        row = f"{kind:16}{found.listeners:10}{found.overlap:11.2f}{cells[0]:>14}"
        rows.append(row + f"{cells[1]:>16}{cells[2]:>18}{number(found.shift):>8}")
    return rows


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
        key = names.comparison_key(a, b)
        Objects(settings).put(settings.lake_bucket, key, page, "text/html; charset=utf-8")
    except NocturneError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 1
    print(*lines(found["summaries"]), sep="\n")
    print(f"compare: {key}")
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
        path = args.out / f"compare_{a}_{b}.html"
        path.write_bytes(page)
        print(f"compare: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

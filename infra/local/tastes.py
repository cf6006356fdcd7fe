"""How well recommendations meet the tastes that the simulator gave its listeners, and hides."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from infra.local import show
from jobs.contract.settings import Settings
from jobs.simulate.tastes import true_affinity
from jobs.stores.generations import Generations

LISTENERS = 100
TOP = 10


@dataclass(frozen=True)
class Row:
    """Mean true affinity of the songs of one kind of list, and where that lies between chance
    (0) and the best that anyone who knew the tastes could list (1)."""

    name: str
    affinity: float
    share: float


def judge(affinity: NDArray[np.float64], lists: dict[str, Sequence[Sequence[int]]]) -> list[Row]:
    """Compare lists of songs (columns of `affinity`), one per listener (its rows).

    Beside the given ones stand `random`, the mean of all songs, and `oracle`, each listener's
    best ones.
    """
    chance = float(affinity.mean())
    best = float(-np.sort(-affinity, axis=1)[:, :TOP].mean())
    means = {"random": chance}
    for name, rows in lists.items():
        means[name] = float(
            np.mean([line[list(row)].mean() for line, row in zip(affinity, rows, strict=True)])
        )
    means["oracle"] = best
    return [Row(name, mean, (mean - chance) / (best - chance)) for name, mean in means.items()]


def report(settings: Settings, app: str, world: Path) -> None:
    """Print the table for a hundred listeners' home pages and write it to `reports/`."""
    generation = show.live_generation(settings)
    songs = [json.loads(line) for line in (world / "songs.jsonl").read_text().splitlines()]
    place = {song["track_id"]: n for n, song in enumerate(songs)}
    tastes = pq.read_table(world / "hidden_tastes.parquet")
    known = sorted({*show.listeners(settings, generation)} & {*tastes["user_id"].to_pylist()})
    sampled = random.Random(0).sample(known, min(LISTENERS, len(known)))
    row_of = {user: row for row, user in enumerate(tastes["user_id"].to_pylist())}
    affinity = true_affinity(tastes.take([row_of[user] for user in sampled]), songs)
    generations = Generations(settings)
    popular = [place[track] for track in generations.popular(generation) if track in place][:TOP]
    generations.close()
    homes = [
        [place[song["track_id"]] for song in show.home(settings, app, user)["songs"]]
        for user in sampled
    ]
    rows = judge(affinity, {"popular": [popular] * len(sampled), "home": homes})
    print(f"\ntrue affinity of the songs listed for {len(sampled)} simulated listeners")
    lines = ["| list | mean true affinity | between chance (0) and the best (1) |", "|---|---|---|"]
    lines += [f"| {row.name} | {row.affinity:.4f} | {row.share:.2f} |" for row in rows]
    print(*(f"  {line}" for line in lines), sep="\n", flush=True)
    show.REPORTS.mkdir(exist_ok=True)
    (show.REPORTS / "demo_tastes.md").write_text("\n".join(lines) + "\n")
    found = [vars(row) for row in rows]
    (show.REPORTS / "demo_tastes.json").write_text(json.dumps(found, indent=1) + "\n")

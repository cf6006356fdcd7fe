"""Write a simulated world to a folder: its songs, listeners, history and hidden tastes.

songs.jsonl (the most popular song first), users.jsonl and history.parquet (the event fields,
by time) are for `landing/`. hidden_tastes.parquet is the truth behind them, which evaluation
alone may read. world.json, written last, says what made them; simulate_live reads it.
"""

import argparse
import json
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from jobs.contract.errors import BadInput
from jobs.simulate.history import make_history
from jobs.simulate.tastes import hidden_tastes
from jobs.simulate.world import World, WorldArguments, make_world

MARKER = "world.json"
FILES = ("songs.jsonl", "users.jsonl", "history.parquet", "hidden_tastes.parquet")
FEWEST_SONGS = 50


def main(argv: list[str] | None = None) -> int:
    """Write the world unless the folder holds that very one already."""
    options = _parse(argv)
    marker = options.out / MARKER
    arguments = WorldArguments(
        days=options.days,
        until=options.until or _until_of(marker) or datetime.now(UTC).date(),
        listeners=options.listeners,
        songs=options.songs,
        seed=options.seed,
    )
    what = f"{arguments.days} days before {arguments.until}, seed {arguments.seed}"
    if _is_made(options.out, arguments):
        print(f"{options.out} already holds this world ({what}): nothing to do")
        return 0
    started = time.monotonic()
    world = make_world(arguments)
    marker.unlink(missing_ok=True)
    events = _write(world, options.out)
    _save(marker, arguments.marker().encode())
    _summarise(events, arguments, what)
    print(f"wrote {options.out} in {time.monotonic() - started:.1f} s")
    return 0


def read_world(folder: Path) -> World:
    """Make the world again that `folder` holds; raises BadInput where it holds none."""
    marker = folder / MARKER
    if not marker.is_file():
        raise BadInput(f"no simulated world in {folder}: run jobs/simulate_history.py --out there")
    return make_world(WorldArguments.from_marker(marker.read_text()))


def _write(world: World, out: Path) -> pa.Table:
    out.mkdir(parents=True, exist_ok=True)
    _save(out / "songs.jsonl", _json_lines(world.catalogue.rows()))
    _save(out / "users.jsonl", _json_lines(world.listeners.rows()))
    _save_table(out / "hidden_tastes.parquet", hidden_tastes(world.listeners))
    events = make_history(world, lambda done: _progress(done, world.arguments.listeners))
    _save_table(out / "history.parquet", events)
    return events


def _summarise(events: pa.Table, arguments: WorldArguments, what: str) -> None:
    counts = pc.value_counts(events["action"]).to_pylist()
    by_action = ", ".join(f"{c['counts']:,} {c['values']}" for c in counts)
    print(f"{arguments.songs:,} songs, {arguments.listeners:,} listeners, {what}")
    print(f"{events.num_rows:,} events ({by_action})")


def _progress(done: int, listeners: int) -> None:
    if done % 300 == 0 or done == listeners:
        print(f"simulated {done:,} of {listeners:,} listeners", flush=True)


def _until_of(marker: Path) -> date | None:
    try:
        return WorldArguments.from_marker(marker.read_text()).until
    except (OSError, BadInput):
        return None


def _is_made(out: Path, arguments: WorldArguments) -> bool:
    """Compare whole markers, version included; a file that is gone makes it unmade."""
    marker = out / MARKER
    if not marker.is_file() or marker.read_text() != arguments.marker():
        return False
    return all((out / name).is_file() for name in FILES)


def _json_lines(rows: Iterable[Mapping[str, object]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def _save(path: Path, body: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(body)
    part.replace(path)


def _save_table(path: Path, table: pa.Table) -> None:
    part = path.with_name(f"{path.name}.part")
    pq.write_table(table, part, compression="snappy")
    part.replace(path)


def _parse(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--days", type=int, default=100, help="days of history (100)")
    parser.add_argument(
        "--until",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="UTC day after the history (that of the world in --out if there is one, else today)",
    )
    parser.add_argument("--listeners", type=int, default=1200, help="listeners (1200)")
    parser.add_argument("--songs", type=int, default=2400, help="songs (2400)")
    parser.add_argument("--seed", type=int, default=42, help="another seed is another world (42)")
    parser.add_argument("--out", type=Path, required=True, help="folder to write to")
    options = parser.parse_args(argv)
    if options.days < 1 or options.listeners < 1 or options.songs < FEWEST_SONGS:
        parser.error(f"needs at least 1 day, 1 listener and {FEWEST_SONGS} songs")
    return options


if __name__ == "__main__":
    raise SystemExit(main())

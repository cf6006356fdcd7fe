"""Train ALS on the last days of plays in the lake and record one generation.

Reads `raw/logs` at one table version, writes factors, and the manifest last, to
`models/<generation>/`. Nothing is indexed or published: see build_index and publish. A repeat
with the same --generation gives the same result. The last line of the output is the generation.
"""

import argparse
import shutil
import subprocess
import sys
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import get_args

from pyspark.sql import DataFrame

from jobs.contract import names
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.generations import Manifest, Norms, generation_id, new_generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.phases import phase
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest, write_manifest
from jobs.stores.objects import Objects
from jobs.training import als, checks, window
from jobs.training.weights import Weighting, weighted

timed = partial(phase, "train_als")


def train(settings: Settings, as_of: date, generation: str) -> Manifest:
    """Train one generation and return its manifest, of an earlier run if that was whole.

    Raises TooLittleData before anything is written. A run that fails later removes what it
    wrote, so that there is never half a generation.
    """
    found = None
    with suppress(BadInput):
        found = read_manifest(settings, generation)
    if found is None:
        try:
            found = _train(settings, as_of, generation)
            write_manifest(settings, found)
        except BaseException:
            written = f"{names.MODELS}/{generation}/"
            Objects(settings).delete_below(settings.lake_bucket, written)
            raise
    elif (found.as_of, found.params) == (as_of, parameters(settings)):
        print(f"train_als: {generation} is trained since {found.created_at}: nothing to do")
    else:
        raise BadInput(
            f"{generation} was trained as of {found.as_of} with {found.params}; for another "
            "training choose another --generation"
        )
    Generations(settings).record_trained(found)
    return found


def parameters(settings: Settings) -> dict[str, float | int | str]:
    """Return what, besides the plays, decides the factors."""
    chosen = ("window_days", "rank", "reg", "alpha", "iterations", "weighting", "seed")
    return {name: getattr(settings, name) for name in chosen} | {"blocks": als.BLOCKS}


def code_version(settings: Settings) -> str:
    """Return the version that the settings name, else the git commit, else `unknown`."""
    git = shutil.which("git")
    if settings.code_version or git is None:
        return settings.code_version or "unknown"
    command = [git, "describe", "--always", "--dirty", "--abbrev=12"]
    answer = subprocess.run(  # noqa: S603
        command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip() or "unknown"


def _train(settings: Settings, as_of: date, generation: str) -> Manifest:
    start = window.window_start(as_of, settings.window_days)
    spark = spark_session(settings, f"train_als {generation}")
    try:
        version = lake.table_version(spark, lake.url(settings, names.RAW_LOGS))
        described = f"[{start}, {as_of}) of {names.RAW_LOGS}, table version {version}"
        logs = lake.read_logs(spark, settings, start, as_of, version)
        plays = window.plays_between(logs, start, as_of)
        pairs = window.plays_per_pair(plays).cache()
        with timed("reading"):
            found = {name: int(n) for name, n in window.totals(pairs).first().asDict().items()}
        counted = ", ".join(f"{n} {name}" for name, n in found.items())
        print(f"train_als: {counted} in {described}", flush=True)
        checks.require_enough(found, settings, described)
        popular = window.popular(plays, as_of, settings.popular_songs).collect()
        norms = _factorise(settings, generation, pairs, found)
    finally:
        spark.stop()
    return Manifest(
        generation=generation,
        as_of=as_of,
        window_start=start,
        lake_version=version,
        code_version=code_version(settings),
        params=parameters(settings),
        norms=norms,
        popular=[row.track_id for row in popular],
        created_at=datetime.now(UTC),
        **found,
    )


def _factorise(
    settings: Settings, generation: str, pairs: DataFrame, found: dict[str, int]
) -> Norms:
    """Fit, write and check the factors; return their norms."""
    params = als.AlsParams(
        settings.rank, settings.reg, settings.alpha, settings.iterations, settings.seed
    )
    with timed("training"):
        factors = als.train(weighted(pairs, settings.weighting), params)
    norms = {}
    with timed("writing and checking"):
        for kind, path, frame in (
            ("users", names.user_factors_path(generation), factors.users),
            ("items", names.item_factors_path(generation), factors.items),
        ):
            lake.write_factors(frame, lake.url(settings, path))
            written = lake.read_factors(pairs.sparkSession, lake.url(settings, path))
            summary = checks.factor_summary(written, settings.rank).first()
            checks.require_sound(kind, summary.rows, summary.bad, found[kind])
            norms[kind] = summary.norm
    return Norms(**norms)


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when nothing could be trained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--as-of",
        type=date.fromisoformat,
        default=datetime.now(UTC).date(),
        metavar="YYYY-MM-DD",
        help="the day after the window's last one (UTC; default: today)",
    )
    parser.add_argument("--generation", type=generation_id, help="its id; default: a new one")
    setting = "in place of the setting NOCTURNE_"
    for name in ("window_days", "rank", "iterations", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=setting + name.upper())
    for name in ("reg", "alpha"):
        parser.add_argument(f"--{name}", type=float, help=setting + name.upper())
    parser.add_argument("--weighting", choices=get_args(Weighting), help=setting + "WEIGHTING")
    given = vars(parser.parse_args(argv))
    as_of, generation = given.pop("as_of"), given.pop("generation")
    try:
        manifest = train(load_settings(**given), as_of, generation or new_generation_id(as_of))
    except NocturneError as error:
        print(f"train_als: {error}", file=sys.stderr)
        return 1
    print(manifest.generation)
    return 0


if __name__ == "__main__":
    sys.exit(main())

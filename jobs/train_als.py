"""Train ALS on the last days of plays in the lake and record one generation.

Reads `raw/logs` at one table version, writes factors, and the manifest last, to
`models/<generation>/`. Nothing is indexed or published: see build_index and publish. A repeat
with the same --generation gives the same result. The last line of the output is the generation.
"""

import argparse
import sys
import time
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, get_args

from jobs.code_version import code_version
from jobs.contract import names
from jobs.contract.errors import BadInput, NocturneError
from jobs.contract.generations import Manifest, generation_id, new_generation_id
from jobs.contract.settings import Settings, load_settings
from jobs.generation_parts import fit_factors, write_factors, write_lists
from jobs.phases import phase, summary
from jobs.predecessor import predecessor, read_start
from jobs.session import spark_session
from jobs.stores import lake
from jobs.stores.generations import Generations
from jobs.stores.manifests import read_manifest, write_manifest
from jobs.stores.objects import Objects
from jobs.stores.tuned import TunedParams
from jobs.training import checks, mllib, window
from jobs.training.night import Start
from jobs.training.recipe import Recipe
from jobs.training.weights import Weighting, mean_weight

timed = partial(phase, "train_als")


@dataclass(frozen=True)
class Order:
    """What to train: the day after the window, and the table version to read (None: newest).

    `like` is the manifest of a generation that is repeated, from the same start.
    """

    as_of: date
    generation: str
    like: Manifest | None = None
    tuned_by: str | None = None


def tuned(settings: Settings, candidate: bool) -> tuple[Settings, str | None]:
    """Return the settings with the parameters that a tuning found, and which winner they are.

    Those that are the default since they passed the gate, if there are any; or the `candidate`,
    which was proposed last: raises BadInput where there is none.
    """
    with closing(TunedParams(settings)) as store:
        found = store.proposed() if candidate else store.default()
    if found is None:
        if candidate:
            raise BadInput("no tuning has proposed anything: run tune_als first")
        return settings, None
    print(f"train_als: parameters of the tuning {found['_id']}: {found['params']}", flush=True)
    return settings.model_copy(update=found["params"]), str(found["_id"])


def repetition(settings: Settings, of: str, generation: str | None) -> tuple[Settings, Order]:
    """Return the settings and the order that train generation `of` once more, under another id.

    Raises BadInput where this code or the lake can no longer do so.
    """
    manifest = read_manifest(settings, of)
    if manifest.params.get("blocks") != mllib.BLOCKS:
        raise BadInput(f"{of} was trained with {manifest.params.get('blocks')} blocks of rows")
    params = Recipe.of(manifest.params).params()
    window_days = int(manifest.params["window_days"])
    repeated = settings.model_copy(update=params | {"window_days": window_days})
    new = generation or new_generation_id(manifest.as_of)
    return repeated, Order(manifest.as_of, new, manifest)


def train(settings: Settings, order: Order) -> Manifest:
    """Train one generation and return its manifest, of an earlier run if that was whole.

    Raises TooLittleData before anything is written. A run that fails later removes what it
    wrote, so that there is never half a generation.
    """
    found, as_of, generation = None, order.as_of, order.generation
    with suppress(BadInput):
        found = read_manifest(settings, generation)
    if found is None:
        try:
            found = _train(settings, order)
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
    window = {"window_days": settings.window_days, "blocks": mllib.BLOCKS}
    return Recipe.of(settings).params() | window


def _start(settings: Settings, order: Order) -> tuple[Start | None, dict[str, Any]]:
    """Return what to start from, and what the manifest says of it."""
    if order.like is None:
        found, said = predecessor(settings, order.as_of, parameters(settings))
    elif order.like.started_from is None:
        found, said = None, "from scratch, as it was"
    else:
        found = read_manifest(settings, order.like.started_from)
        said = f"from the factors of {found.generation}, as it was"
    begin = None
    if found is not None:
        try:
            begin = read_start(settings, found)
        except BadInput as error:
            if order.like is not None:
                raise
            found, said = None, f"from scratch: {error}"
    print(f"train_als: {said}", flush=True)
    if found is None:
        return None, {}
    return begin, {"started_from": found.generation, "chain": found.chain + 1}


def _train(settings: Settings, order: Order) -> Manifest:
    began = time.monotonic()
    as_of, generation, version = order.as_of, order.generation, None
    if order.like is not None:
        version = order.like.lake_version
    begin, chain = _start(settings, order)
    split = as_of - timedelta(days=settings.test_days)
    start = window.window_start(as_of, settings.window_days)
    spark = spark_session(settings, f"train_als {generation}")
    try:
        if version is None:
            version = lake.table_version(spark, lake.url(settings, names.RAW_LOGS))
        elif lake.is_vacuumed(spark, settings, names.RAW_LOGS, version):
            raise BadInput(
                f"version {version} of {names.RAW_LOGS} has been vacuumed: its plays cannot be "
                "read again (see NOCTURNE_LAKE_RETENTION_DAYS)"
            )
        described = f"[{start}, {as_of}) of {names.RAW_LOGS}, table version {version}"
        logs = lake.read_logs(spark, settings, start, as_of, version)
        plays = window.plays_between(logs, start, as_of)
        pairs = window.plays_per_pair(plays, as_of).cache()
        with timed(settings, "reading"):
            found = {name: int(n) for name, n in window.totals(pairs).first().asDict().items()}
        counted = ", ".join(f"{n} {name}" for name, n in found.items())
        print(f"train_als: {counted} in {described}", flush=True)
        checks.require_enough(found, settings, described)
        floor = settings.popular_min_listeners
        popular = window.popular(plays, as_of, settings.popular_songs, floor).collect()
        night = fit_factors(settings, plays, as_of, split, begin)
        norms = write_factors(settings, generation, night, found)
        decayed = window.plays_per_pair(plays, as_of, settings.half_life).cache()
        derived = write_lists(settings, generation, plays, decayed)
        mean = mean_weight(decayed, settings.weighting)
        written = found["users"] + found["items"] + sum(derived.values())
        print(
            summary("train_als", found["plays"], written, 0, time.monotonic() - began), flush=True
        )
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
        tuned_by=order.tuned_by,
        mean_weight=mean,
        created_at=datetime.now(UTC),
        engine=night.engine,
        iterations=night.iterations,
        **(chain if night.engine == "exact" else {}),
        cosine=night.cosine,
        split=None if night.before_split is None else split,
        **found,
        **derived,
    )


def main(argv: list[str] | None = None) -> int:
    """Return 1, with a sentence on stderr, when nothing could be trained."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--as-of",
        type=date.fromisoformat,
        metavar="YYYY-MM-DD",
        help="the day after the window's last one (UTC; default: today)",
    )
    parser.add_argument("--generation", type=generation_id, help="its id; default: a new one")
    parser.add_argument(
        "--like",
        type=generation_id,
        metavar="GENERATION",
        help="repeat this one from its manifest: the same plays and parameters",
    )
    setting = "in place of the setting NOCTURNE_"
    for name in ("window_days", "rank", "iterations", "seed"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=int, help=setting + name.upper())
    for name in ("reg", "alpha", "half_life"):
        parser.add_argument(f"--{name.replace('_', '-')}", type=float, help=setting + name.upper())
    parser.add_argument("--weighting", choices=get_args(Weighting), help=setting + "WEIGHTING")
    parser.add_argument(
        "--tuned",
        action=argparse.BooleanOptionalAction,
        default=False,
        help="with the parameters that tune_als proposes",
    )
    given = vars(parser.parse_args(argv))
    as_of, generation, like = given.pop("as_of"), given.pop("generation"), given.pop("like")
    candidate = given.pop("tuned")
    own = any(value is not None for name, value in given.items() if name != "window_days")
    if like and (as_of or own or candidate or given["window_days"]):
        parser.error("--like takes day and parameters from the manifest: give no others")
    if candidate and own:
        parser.error("--tuned takes the parameters from the tuning: give no others")
    try:
        settings = load_settings(**given)
        as_of = as_of or datetime.now(UTC).date()
        if like:
            settings, order = repetition(settings, like, generation)
        else:
            winner = None
            if not own:
                settings, winner = tuned(settings, candidate)
            order = Order(as_of, generation or new_generation_id(as_of), tuned_by=winner)
        manifest = train(settings, order)
    except NocturneError as error:
        print(f"train_als: {error}", file=sys.stderr)
        return 1
    print(manifest.generation)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""30Music's log as of 2015-01-05: nothing is lost on the way, and the result is personal.

The days before the window are left out, since reading them shows nothing more.
"""

import json
import random
import re
from datetime import UTC, date, datetime

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from infra.local import show
from jobs.contract.names import AUDIO, report_key
from jobs.stores.objects import Objects
from jobs.training.tables import lines
from tests.integration.lake import quarantine, raw_logs

AS_OF = date(2015, 1, 5)
SINCE = datetime(2014, 10, 6, tzinfo=UTC)


@pytest.fixture(scope="module")
def generation(stack, published, generations, shared_data, tmp_path_factory):
    whole = pq.read_table(shared_data / "30music/sessions_sample_10.parquet.snappy")
    log = tmp_path_factory.mktemp("30music") / "log.parquet"
    pq.write_table(whole.filter(pc.field("ts") >= int(SINCE.timestamp())), log)
    printed = stack.done("import_logs", str(log), "--format", "30music")
    show.catalogue_from_log(stack.settings)
    # None of these songs has audio: where some have, the others would be left out.
    Objects(stack.settings).delete_below(stack.settings.media_bucket, f"{AUDIO}/")
    airflow = stack.airflow()
    airflow.succeed("etl_master_data")
    run = airflow.succeed("train_als", {"as_of": AS_OF.isoformat()})
    for dag, caused in airflow.runs_caused_by("train_als", run):
        airflow.expect_success(dag, caused)
    import_id = re.search(r"import ([0-9a-f]{64})", printed)[1]
    imported = [("import_id", "=", import_id)]
    accepted = raw_logs(stack.settings, columns=["event_id"], filters=imported)
    refused = quarantine(stack.settings, columns=["reason"], filters=imported)
    assert len(accepted) + len(refused) == pq.read_metadata(log).num_rows
    assert len(set(accepted["event_id"].to_pylist())) == len(accepted)
    return generations.live().generation


def test_the_window_holds_the_plays_of_ninety_days(generations, generation):
    document = generations.find(generation)
    assert (document["as_of"], document["pairs"]) == (AS_OF.isoformat(), 73_623)


def test_a_hundred_listeners_get_ten_distinct_songs(stack, generation):
    users = show.listeners(stack.settings, generation)
    for user in random.Random(1).sample(users, 100):
        songs = show.home(stack.settings, stack.app_url, user)["songs"]
        assert len({song["track_id"] for song in songs}) == 10, user
        assert all(song["title"] for song in songs)


def test_unheard_songs_are_found_better_than_by_popularity(stack, generation):
    objects, bucket = Objects(stack.settings), stack.settings.lake_bucket
    report = json.loads(objects.get(bucket, report_key(generation)))
    print(*lines(report), sep="\n")
    unheard = report["home"]["unheard"]
    als, popular = unheard["candidate"], unheard["popularity 90 d"]
    assert als["recall_20"]["mean"] > 2 * popular["recall_20"]["mean"]
    assert als["ndcg_10"]["mean"] > 2 * popular["ndcg_10"]["mean"]


def test_it_passed_the_gate(generations, generation):
    gate = generations.find(generation)["gate"]
    assert (gate["passed"], gate["objections"]) == (True, [])

"""The metrics on lists short enough to work out by hand, and on a real log."""

from datetime import date, timedelta
from math import log2
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from jobs.training import holdout
from jobs.training.als import AlsParams, train
from jobs.training.ranking import (
    Holdout,
    best_songs,
    by_factors,
    by_popularity,
    quality,
)
from jobs.training.ranking import holdout as holdout_of
from jobs.training.weights import weighted
from jobs.training.window import plays_between, plays_per_pair, window_start

SONGS = ["a", "b", "c", "d"]
PLAYS = pd.Series({"a": 9, "b": 5, "c": 2, "d": 1})
TRAIN = pd.DataFrame({"user_id": ["u", "u", "v"], "track_id": ["a", "b", "c"]})
# u replays a, finds d, and hears z, which no model can know; v only replays.
TEST = pd.DataFrame({"user_id": ["u", "u", "u", "v"], "track_id": ["a", "d", "z", "c"]})


@pytest.fixture
def data() -> Holdout:
    return holdout_of(["u", "v"], SONGS, PLAYS, TRAIN, TEST)


def test_all_songs_by_hand(data: Holdout) -> None:
    # Popularity lists a b c d: u hits at 1 and 4 of 3 relevant songs, v at 3 of 1.
    found = quality(data, by_popularity(data), unheard=False)
    ideal = 1 + 1 / log2(3) + 1 / log2(4)
    assert found.users == 2
    assert found.recall_20 == pytest.approx((2 / 3 + 1) / 2)
    assert found.ndcg_10 == pytest.approx(((1 + 1 / log2(5)) / ideal + 1 / log2(4)) / 2)


def test_unheard_songs_by_hand(data: Holdout) -> None:
    # Without a and b the list of u is c d: one hit at 2 of the relevant d and z. v has none left.
    found = quality(data, by_popularity(data), unheard=True)
    assert found.users == 1
    assert found.recall_10 == pytest.approx(1 / 2)
    assert found.ndcg_10 == pytest.approx((1 / log2(3)) / (1 + 1 / log2(3)))


def test_recall_10_and_20_differ_past_ten() -> None:
    songs = [f"s{i:02}" for i in range(30)]
    plays = pd.Series(range(30, 0, -1), index=songs)
    test = pd.DataFrame({"user_id": ["u", "u"], "track_id": ["s00", "s15"]})
    data = holdout_of(["u"], songs, plays, TRAIN[:0], test)
    found = quality(data, by_popularity(data), unheard=False)
    assert (found.recall_10, found.recall_20) == (0.5, 1.0)


def test_ties_go_by_plays() -> None:
    scores = np.array([1, 2, 1, -np.inf], np.float32)
    assert best_songs(scores, np.array([1, 0, 3, 9], np.float32)).tolist() == [1, 2, 0]


def test_judged_users_know_five_songs_and_play_again(spark: SparkSession) -> None:
    pairs = [("u", f"s{i}") for i in range(5)] + [("v", f"s{i}") for i in range(4)]
    pairs += [("w", f"s{i}") for i in range(6)]
    known = spark.createDataFrame(pairs, "user_id string, track_id string")
    test = spark.createDataFrame([("u", "x"), ("v", "x")], "user_id string, track_id string")
    assert [row.user_id for row in holdout.judged_users(known, test).collect()] == ["u"]


def test_nobody_to_judge() -> None:
    data = holdout_of([], SONGS, PLAYS, TRAIN, TEST)
    assert quality(data, by_popularity(data), unheard=False).users == 0


@pytest.fixture(scope="module")
def real_log(spark: SparkSession, shared_data: Path) -> DataFrame:
    """30Music with the columns that training reads; its ids are numbers."""
    log = spark.read.parquet(str(shared_data / "30music" / "sessions_sample_10.parquet.snappy"))
    return log.select(
        F.col("user_id").cast("string"),
        F.col("song_id").cast("string").alias("track_id"),
        F.lit("listen").alias("action"),
        F.to_date(F.timestamp_seconds("ts")).alias("date"),
    )


def test_als_beats_popularity_on_30music(real_log: DataFrame) -> None:
    """The quality that a study of the same log reached with the same settings."""
    as_of = date(2015, 1, 5)
    pairs = plays_per_pair(plays_between(real_log, window_start(as_of, 90), as_of)).cache()
    assert pairs.count() == 73_623
    factors = train(weighted(pairs, "log"), AlsParams(64, 6.0, 320.0, 15, 42))

    test = plays_per_pair(plays_between(real_log, as_of, as_of + timedelta(days=14)))
    users = holdout.judged_users(pairs, test)
    user_rows = holdout.of_users(factors.users, users, "id").toPandas()
    items = factors.items.orderBy(F.xxhash64("id")).toPandas()
    data = holdout_of(
        user_rows["id"].tolist(),
        items["id"].tolist(),
        holdout.plays_per_song(pairs).toPandas().set_index("track_id")["plays"],
        holdout.of_users(pairs, users).toPandas(),
        holdout.of_users(test, users).toPandas(),
    )
    pairs.unpersist()
    assert len(user_rows) == 809

    model = by_factors(np.array(user_rows["vector"].tolist()), np.array(items["vector"].tolist()))
    als = quality(data, model, unheard=True)
    popularity = quality(data, by_popularity(data), unheard=True)

    assert popularity.recall_20 == pytest.approx(0.0155, abs=0.003)
    assert als.recall_20 == pytest.approx(0.0466, abs=0.007)  # the noise of one seed
    assert als.ndcg_10 == pytest.approx(0.0402, abs=0.007)
    assert als.recall_20 > 2.5 * popularity.recall_20

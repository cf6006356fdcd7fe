"""The questions of an evaluation: whom it asks, what they knew, and what they played then.

A time split inside the window: models learn from the plays before `split`, and are asked what
the listeners played in the days from then on. Spark counts the pairs; what is asked of a sample
of the listeners fits into the driver, whatever the size of the log.
"""

from dataclasses import dataclass
from datetime import date
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.training.metrics import Ints
from jobs.training.ranking import Floats
from jobs.training.sessions import in_sessions

MAX_LISTENERS = 5_000
MAX_MOVES = 10_000
MAX_CROWD_PAIRS = 3_000_000
"""Pairs of other listeners from which the item-kNN baseline learns."""
FRESH_DAYS = 7
OWN_HALF_LIFE_DAYS = 30.0
SESSION_DECAY = 0.8
"""Weight of a song of the session per song that came after it (quality study of 30Music)."""


@dataclass(frozen=True)
class Songs:
    """The songs with a play before the split, in the order of a hash of their ids.

    Not in that of the ids, which could tell what was played together. `plays` and `fresh` (last
    7 days) are counts, `age` days from the first play in the window to the split, `artist` a
    number per artist (-1: unknown).
    """

    ids: pd.Index
    plays: Floats
    fresh: Floats
    age: Ints
    artist: Ints


@dataclass(frozen=True)
class Moves:
    """Steps from one song to another inside a session of the test days.

    `listener` is a row of the exam, `current` and `next` are songs (-1: not known before), and
    `session` holds the songs played so far, the current one as 1, each earlier one .8 of it.
    """

    listener: Ints
    current: Ints
    next: Ints
    session: sp.csr_matrix


@dataclass(frozen=True)
class Exam:
    """Listeners in a fixed order with their plays before the split and their songs after it.

    `heard` (plays) and `own` (plays, halved every 30 days) are listeners x songs; `relevant`
    are each listener's songs of the test days, those that no model knows past the last song.
    `crowd` are the plays of a sample of all listeners.
    """

    split: date
    end: date
    listeners: pd.Index
    songs: Songs
    heard: sp.csr_matrix
    own: sp.csr_matrix
    crowd: sp.csr_matrix
    relevant: list[Ints]
    moves: Moves

    def rows(self) -> Ints:
        """Return the number of each listener."""
        return np.arange(len(self.listeners))

    def heard_songs(self) -> list[Ints]:
        """Return each listener's songs of the time before the split."""
        songs, ends = self.heard.indices.astype(np.int64), self.heard.indptr
        return [songs[start:end] for start, end in pairwise(ends)]


def set_exam(
    train: DataFrame, test: DataFrame, artists: dict[str, str], split: date, end: date
) -> Exam:
    """Set the exam from the plays before (`train`) and after (`test`) the split.

    Both have user_id, track_id, date and timestamp, one row per play; `artists` gives the artist
    of a track id, where it is known. Asked are up to 5,000 listeners with plays on both sides.
    """
    age = F.datediff(F.lit(split), "date")
    test = test.cache()
    pairs = (
        train.groupBy("user_id", "track_id")
        .agg(
            F.count("*").alias("plays"),
            F.count_if(age <= FRESH_DAYS).alias("fresh"),
            F.sum(F.pow(F.lit(0.5), age / OWN_HALF_LIFE_DAYS)).alias("own"),
            F.max(age).alias("age"),
        )
        .cache()
    )
    songs = _songs(pairs, artists)
    asked = (
        test.select("user_id")
        .distinct()
        .join(pairs, "user_id", "left_semi")
        .orderBy(F.xxhash64("user_id"), "user_id")
        .limit(MAX_LISTENERS)
        .cache()
    )
    listeners = pd.Index(asked.toPandas()["user_id"], dtype=object)
    known = pairs.join(F.broadcast(asked), "user_id", "left_semi").toPandas()
    heard = _matrix(known, "plays", listeners, songs.ids)
    own = _matrix(known, "own", listeners, songs.ids)
    answers = test.join(F.broadcast(asked), "user_id", "left_semi")
    exam = Exam(
        split=split,
        end=end,
        listeners=listeners,
        songs=songs,
        heard=heard,
        own=own,
        crowd=_crowd(pairs, songs),
        relevant=_relevant(answers, listeners, songs),
        moves=_moves(in_sessions(answers), listeners, songs),
    )
    for frame in (test, pairs, asked):
        frame.unpersist()
    return exam


def _songs(pairs: DataFrame, artists: dict[str, str]) -> Songs:
    found = (
        pairs.groupBy("track_id")
        .agg(
            F.sum("plays").alias("plays"),
            F.sum("fresh").alias("fresh"),
            F.max("age").alias("age"),
        )
        .orderBy(F.xxhash64("track_id"), "track_id")
        .toPandas()
    )
    named = found["track_id"].map(artists)
    return Songs(
        ids=pd.Index(found["track_id"], dtype=object),
        plays=found["plays"].to_numpy(np.float32),
        fresh=found["fresh"].to_numpy(np.float32),
        age=found["age"].to_numpy(np.int64),
        artist=pd.factorize(named)[0].astype(np.int64),
    )


def _matrix(rows: pd.DataFrame, column: str, listeners: Any, songs: Any) -> sp.csr_matrix:
    at = (listeners.get_indexer(rows["user_id"]), songs.get_indexer(rows["track_id"]))
    values = rows[column].to_numpy(np.float64)
    matrix = sp.csr_matrix((values, at), shape=(len(listeners), len(songs)))
    matrix.sort_indices()
    return matrix


def _crowd(pairs: DataFrame, songs: Songs) -> sp.csr_matrix:
    count = pairs.count()
    share = min(1.0, MAX_CROWD_PAIRS / max(1, count))
    drawn = F.pmod(F.xxhash64("user_id"), F.lit(10_000)) < int(10_000 * share)
    rows = pairs.where(drawn).select("user_id", "track_id", "plays").toPandas()
    return _matrix(rows, "plays", pd.Index(rows["user_id"].unique()), songs.ids)


def _relevant(answers: DataFrame, listeners: pd.Index, songs: Songs) -> list[Ints]:
    played = answers.select("user_id", "track_id").distinct().toPandas()
    known = songs.ids.append(pd.Index(played["track_id"].unique()).difference(songs.ids))
    at = known.get_indexer(played["track_id"])
    groups = pd.Series(at, index=played["user_id"]).groupby(level=0).agg(list).to_dict()
    return [np.array(sorted(groups.get(user, [])), dtype=np.int64) for user in listeners]


def _moves(sessions: DataFrame, listeners: pd.Index, songs: Songs) -> Moves:
    """Return a sample of the moves to another song; a session's moves are not all in it."""
    columns = ["user_id", "session", "place", "track_id"]
    rows = sessions.select(*columns).toPandas().sort_values(["session", "place"])
    rows = rows.reset_index(drop=True)
    following = rows.shift(-1)
    step = (rows["session"] == following["session"]) & (rows["track_id"] != following["track_id"])
    places = np.flatnonzero(step.to_numpy())
    if len(places) > MAX_MOVES:
        places = np.sort(np.random.default_rng(0).choice(places, MAX_MOVES, replace=False))
    at = songs.ids.get_indexer(rows["track_id"])
    return Moves(
        listener=listeners.get_indexer(rows["user_id"])[places].astype(np.int64),
        current=at[places].astype(np.int64),
        next=at[places + 1].astype(np.int64) if len(places) else np.empty(0, np.int64),
        session=_so_far(at, rows["place"].to_numpy(), places, len(songs.ids)),
    )


def _so_far(at: Ints, place: Ints, moves: Ints, songs: int) -> sp.csr_matrix:
    """Return moves x songs: what the session held up to the current song; a repeat counts 1."""
    row, column, value = [], [], []
    for move, position in enumerate(moves):
        played = at[position - place[position] : position + 1]
        weight = SESSION_DECAY ** np.arange(len(played))[::-1]
        known = played >= 0
        row.append(np.full(known.sum(), move))
        column.append(played[known])
        value.append(weight[known])
    if not row:
        return sp.csr_matrix((0, songs))
    at_cells = (np.concatenate(row), np.concatenate(column))
    matrix = sp.csr_matrix((np.concatenate(value), at_cells), shape=(len(moves), songs))
    matrix.sum_duplicates()
    matrix.data = np.minimum(matrix.data, 1.0)
    return matrix

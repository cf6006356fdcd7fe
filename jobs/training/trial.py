"""A recipe is tried: trained on the plays before the split, then it sits the exam."""

import pandas as pd
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from jobs.training.als import Factors, Vectors, collect_factors
from jobs.training.baselines import popularity
from jobs.training.contestant import Answers, Contestant, answer, contestant, home_scorer
from jobs.training.exam import Exam
from jobs.training.metrics import Ints
from jobs.training.neighbours import session_vectors, song_neighbours
from jobs.training.night import fold_listeners
from jobs.training.ranking import top_lists
from jobs.training.recipe import Recipe, fit
from jobs.training.sessions import in_sessions


def try_recipe(
    exam: Exam,
    plays: DataFrame,
    recipe: Recipe,
    neighbours: pd.DataFrame,
    user_weight: float,
    songs: Vectors | None = None,
) -> Answers:
    """Return what a model trained on `plays` (before the split) by the recipe answers.

    `songs` are the vectors that such a training gave, where there was one already.
    """
    if songs is None:
        factors = fit(plays, exam.split, recipe)
    else:
        factors = fold_listeners(plays, exam.split, recipe, songs)
    return answer(exam, seated(exam, factors, neighbours), user_weight)


def home_lists(exam: Exam, factors: Factors) -> dict[str, Ints]:
    """Return the lists of `all` songs of given factors, and of popularity, by model."""
    nothing = pd.DataFrame({"id": [], "neighbour": [], "weight": []})
    model = seated(exam, factors, nothing)
    rows, plays = len(exam.listeners), exam.songs.plays
    return {
        "candidate": top_lists(home_scorer(model), rows, plays),
        "popularity": top_lists(popularity(exam, False, rows), rows, plays),
    }


def seated(exam: Exam, factors: Factors, neighbours: pd.DataFrame) -> Contestant:
    """Bring factors and neighbours into the order of the exam; only its listeners are read."""
    asked = factors.users.sparkSession.createDataFrame(
        pd.DataFrame({"id": exam.listeners.astype(str)}), "id string"
    )
    users = factors.users.join(F.broadcast(asked), "id", "left_semi")
    return contestant(exam, collect_factors(users), collect_factors(factors.items), neighbours)


def neighbour_pairs(plays: DataFrame, recipe: Recipe) -> pd.DataFrame:
    """Return id, neighbour and weight: the session neighbours of each song, a row per pair."""
    sessions = in_sessions(plays)
    found = song_neighbours(sessions, session_vectors(sessions, recipe))
    pairs = found.select("id", F.explode("neighbours").alias("n"))
    return pairs.select("id", F.col("n.id").alias("neighbour"), "n.weight").toPandas()

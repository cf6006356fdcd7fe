"""An exam asks what was played after the split, and a real log has known answers."""

from datetime import date, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from pyspark.sql import DataFrame, SparkSession

from infra.local.bench_quality import MUSIC, TEST_DAYS, read_music
from jobs.reporting.evaluation import evaluation_html
from jobs.training import assessment
from jobs.training.assessment import compare, relevant, report, slices
from jobs.training.contestant import Answers, answer, contestant
from jobs.training.exam import Exam, set_exam
from jobs.training.recipe import Recipe
from jobs.training.tables import lines
from jobs.training.trial import neighbour_pairs, try_recipe

SPLIT, END = date(2024, 3, 1), date(2024, 3, 8)
RECIPE = Recipe(8, 0.5, 20.0, 5, "log", 1)


def plays_of(spark: SparkSession, rows: list[tuple[str, str, int, int]]) -> DataFrame:
    """Rows are listener, song, days after the split and minutes of that day."""
    made = []
    for user, track, day, minute in rows:
        at = datetime(2024, 3, 1) + timedelta(days=day, minutes=minute)
        made.append(
            (user, track, at.date(), int((at - datetime(1970, 1, 1)).total_seconds()) * 1000)
        )
    return spark.createDataFrame(made, "user_id string, track_id string, date date, timestamp long")


@pytest.fixture(scope="module")
def exam(spark: SparkSession) -> Exam:
    train = [("u", song, -day, 0) for day, song in enumerate("abcde", start=1)]
    train += [("u", "a", -40, 0), ("v", "c", -8, 0), ("w", "d", -1, 0)]
    # u replays a, moves on to f, that nobody played before, and to d; v goes from b to c to c.
    test = [("u", "a", 0, 0), ("u", "f", 0, 4), ("u", "d", 0, 8), ("u", "b", 0, 90)]
    test += [("v", "b", 1, 0), ("v", "c", 1, 3), ("v", "c", 1, 6), ("x", "a", 1, 0)]
    artists = {"a": "A", "b": "A", "c": "B"}
    return set_exam(plays_of(spark, train), plays_of(spark, test), artists, SPLIT, END)


def songs(exam: Exam, numbers) -> list[str]:
    known = [*exam.songs.ids, "?"]
    return [known[min(n, len(exam.songs.ids))] if n >= 0 else "?" for n in numbers]


def row(exam: Exam, listener: str) -> int:
    return exam.listeners.get_loc(listener)


def test_who_is_asked_and_what_they_knew(exam: Exam) -> None:
    assert set(exam.listeners) == {"u", "v"}  # w plays nothing later, x was not there before
    u, v = row(exam, "u"), row(exam, "v")
    assert sorted(songs(exam, exam.heard_songs()[u])) == list("abcde")
    assert sorted(songs(exam, exam.relevant[u])) == ["?", "a", "b", "d"]
    unheard = relevant(exam, "unheard")
    assert (songs(exam, unheard[u]), songs(exam, unheard[v])) == (["?"], ["b"])
    a, c = (exam.songs.ids.get_loc(song) for song in "ac")
    assert exam.heard[u, a] == 2
    assert exam.own[u, a] == pytest.approx(0.5 ** (1 / 30) + 0.5 ** (40 / 30))
    assert (exam.songs.plays[c], exam.songs.fresh[c], exam.songs.age[a]) == (2, 1, 40)
    assert exam.songs.artist[a] == exam.songs.artist[exam.songs.ids.get_loc("b")]
    assert exam.songs.artist[exam.songs.ids.get_loc("d")] == -1


def test_moves_stay_inside_a_session_and_go_to_another_song(exam: Exam) -> None:
    moves = exam.moves
    steps = zip(
        exam.listeners[moves.listener],
        songs(exam, moves.current),
        songs(exam, moves.next),
        strict=True,
    )
    assert sorted(steps) == [("u", "?", "d"), ("u", "a", "?"), ("v", "b", "c")]
    at = songs(exam, moves.next).index("d")
    assert moves.session[at, exam.songs.ids.get_loc("a")] == pytest.approx(0.8)
    assert moves.session[at].nnz == 1  # f, the current one, is no song that models know


def test_slices_ask_whom_they_name(exam: Exam) -> None:
    found = slices(exam)
    new = next(who for name, (who, _) in found.items() if name.startswith("new listeners"))
    assert list(exam.listeners[new]) == ["v"]
    (counted,) = [c for name, (_, c) in found.items() if name.startswith("songs under")]
    assert sorted(exam.songs.ids[counted]) == ["b", "c", "d", "e"]


def test_a_song_without_a_vector_is_never_listed(exam: Exam) -> None:
    known = [song for song in exam.songs.ids if song != "c"]
    items = np.random.default_rng(1).normal(size=(len(known), 4)).astype(np.float32)
    users = np.ones((1, 4), np.float32)
    none = neighbours_frame([])
    model = contestant(exam, (["u"], users), (known, items), none)
    found = answer(exam, model, 0.7)
    c = exam.songs.ids.get_loc("c")
    assert c not in found.home["all"]
    at = songs(exam, exam.moves.next).index("c")
    assert all(np.isinf(ranks[at]) for ranks in found.next.values())


def neighbours_frame(rows):
    import pandas as pd

    return pd.DataFrame(rows, columns=["id", "neighbour", "weight"])


def test_the_next_song_by_each_strategy(exam: Exam) -> None:
    """Vectors point to d, neighbours of the session to b: each strategy follows its own."""
    axes = np.eye(5, dtype=np.float32)
    ids = list(exam.songs.ids)
    vectors = {song: axes[n] for n, song in enumerate(ids)}
    vectors["d"] = vectors["a"] * 0.9 + vectors["d"] * 0.1
    items = (ids, np.array([vectors[song] for song in ids]))
    user = (["u"], vectors["a"][None])
    model = contestant(exam, user, items, neighbours_frame([("a", "b", 3.0), ("a", "d", 1.0)]))
    ranks = answer(exam, model, 0.7).next
    at = songs(exam, exam.moves.next).index("d")  # the session so far: a, then a song unknown
    assert ranks["session_neighbours"][at] == 2
    assert ranks["session_vector"][at] == 2  # behind a itself, which may come again
    assert ranks["session_hybrid"][at] < ranks["session_neighbours"][at] + 1


def test_a_report_for_nobody_is_still_a_report(spark: SparkSession) -> None:
    train = plays_of(spark, [("u", "a", -1, 0)])
    empty = set_exam(train, train.limit(0), {}, SPLIT, END)
    found = report(empty, assessment.baseline_answers(empty, 90), 1)
    assert (found["judged"], found["moves"]) == (0, 0)
    assert lines(found)[0].startswith("0 listeners")


def test_the_page_shows_text_as_text(exam: Exam) -> None:
    found = report(exam, assessment.baseline_answers(exam, 90), 1)
    found |= {"generation": "<b>g</b>", "as_of": "2024-03-08", "params": {}, "notes": []}
    found["factors"] = {k: {"rows": 1, "bad": 0, "norm": 1.0} for k in ("users", "items")}
    gate = {"passed": False, "override": None, "objections": ["worse & <i>smaller</i>"]}
    page = evaluation_html(found, gate)
    assert "&lt;b&gt;g&lt;/b&gt;" in page
    assert "worse &amp; &lt;i&gt;smaller&lt;/i&gt;" in page
    assert page.count("<svg") == 2
    assert "<script" not in page


def test_a_worse_model_differs_beyond_noise_and_an_equal_one_does_not() -> None:
    draw = np.random.default_rng(3)
    good = draw.normal(0.5, 0.2, 400)
    worse = good - np.abs(draw.normal(0.1, 0.1, 400))
    from jobs.training.assessment import _interval

    rows = np.arange(400)
    lost, same = (_interval(one - good, rows, 1, 0.99) for one in (worse, good))
    assert lost["high"] < 0
    assert (same["low"], same["high"]) == (0, 0)


@pytest.fixture(scope="module")
def music(spark: SparkSession, shared_data: Path) -> tuple[Exam, DataFrame]:
    plays = read_music(spark, shared_data / MUSIC)
    cut = date(2015, 1, 5)
    train = plays.where(plays.date.between(cut - timedelta(days=90), cut - timedelta(days=1)))
    end = cut + timedelta(days=TEST_DAYS)
    test = plays.where(plays.date.between(cut, end - timedelta(days=1)))
    return set_exam(train, test, {}, cut, end), train


def test_als_finds_what_a_study_of_the_same_log_found(music: tuple[Exam, DataFrame]) -> None:
    exam, train = music
    recipe = Recipe(64, 1.5, 16.0, 8, "log", 42)
    found = try_recipe(exam, train, recipe, neighbour_pairs(train, recipe), 0.7)
    baselines = assessment.baseline_answers(exam, 90)
    numbers = report(exam, {"als": found} | baselines, 1)
    print(*lines(numbers), sep="\n")
    assert numbers["judged"] == 809
    home = {name: m["recall_20"]["mean"] for name, m in numbers["home"]["unheard"].items()}
    ndcg = {name: m["ndcg_10"]["mean"] for name, m in numbers["home"]["unheard"].items()}
    assert home["popularity 90 d"] == pytest.approx(0.0155, abs=0.003)
    assert home["als"] == pytest.approx(0.0466, abs=0.007)  # the noise of one seed
    assert ndcg["als"] == pytest.approx(0.0402, abs=0.007)
    assert ndcg["item-kNN"] == pytest.approx(0.0410, abs=0.004)
    following = {s: m["hr_20"]["mean"] for s, m in numbers["next"]["als"].items()}
    assert following["session_hybrid"] > 0.40
    assert following["session_hybrid"] > 1.8 * following["session_vector"]
    (main, *_) = compare(exam, found, baselines["popularity 90 d"], 1)
    assert main["low"] > 0


def test_answers_hold_every_view(music: tuple[Exam, DataFrame]) -> None:
    found: Answers = assessment.baseline_answers(music[0], 90)["own songs"]
    heard = music[0].heard_songs()
    overlap = [
        np.isin(row, songs).any() for row, songs in zip(found.home["unheard"], heard, strict=True)
    ]
    assert not any(overlap)

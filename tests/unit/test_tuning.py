"""A search that survives its process, and proposes what is better."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from jobs.contract.settings import load_settings
from jobs.reporting.tuning import tuning_html
from jobs.training.recipe import Recipe
from jobs.training.search import complete, lines, search, searched, summary
from jobs.tune_als import study_of

DEFAULT = Recipe(96, 1.25, 14.0, 5, "log", 1)


def study(tmp_path, default=DEFAULT):
    settings = load_settings(tuning_dir=str(tmp_path / "studies"))
    return study_of(settings, default, date(2024, 3, 1), 7, 0)


def measure(recipe):
    """A hill whose top is rank 64 and alpha 40."""
    score = 1 - abs(recipe.rank - 64) / 200 - abs(recipe.alpha - 40) / 1000
    return {"unheard ndcg_10": score, "unheard recall_20": score / 2, "next hr_20": 0.4}


def test_the_first_trial_is_what_is_in_use_and_the_best_is_better(tmp_path):
    found = study(tmp_path)
    search(found, DEFAULT, 25, measure)
    report = summary(found, DEFAULT, date(2024, 3, 1))
    assert report["trials"][0] is report["default"]
    assert report["default"]["params"]["alpha"] == 14.0
    assert report["best"]["score"] > report["default"]["score"]
    assert report["better"]
    assert len(report["trials"]) == 25
    assert lines(report)[1].split()[0] == str(report["best"]["trial"])
    page = tuning_html(report)
    assert page.count("<svg") == 2
    assert "<script" not in page


def test_a_repeat_goes_on_where_it_was(tmp_path):
    search(study(tmp_path), DEFAULT, 3, measure)
    before = [trial.params for trial in complete(study(tmp_path))]
    again = study(tmp_path)
    search(again, DEFAULT, 3, lambda _: pytest.fail("all trials were done"))
    search(again, DEFAULT, 5, measure)
    assert [trial.params for trial in complete(again)][:3] == before
    assert len(complete(again)) == 5


def test_a_default_that_failed_is_tried_again(tmp_path):
    """A training that runs out of memory is a failed trial; without the default nothing counts."""

    def fails(recipe):
        raise MemoryError(recipe)

    with pytest.raises(MemoryError):
        search(study(tmp_path), DEFAULT, 2, fails)
    again = study(tmp_path)
    search(again, DEFAULT, 2, measure)
    assert [trial.state.name for trial in again.trials] == ["FAIL", "COMPLETE", "COMPLETE"]
    assert complete(again)[0].params == searched(DEFAULT)


def test_another_default_is_tried_in_the_same_study(tmp_path):
    """The winner has become the default since; what it must beat is itself."""
    search(study(tmp_path), DEFAULT, 12, measure)
    best = summary(study(tmp_path), DEFAULT, date(2024, 3, 1))["best"]
    winner = replace(DEFAULT, **best["params"])
    found = study(tmp_path, winner)
    search(found, winner, 12, lambda _: pytest.fail("the winner was tried"))
    assert not summary(found, winner, date(2024, 3, 1))["better"]
    unseen = replace(DEFAULT, alpha=15.0)
    search(found, unseen, 12, measure)
    assert complete(found)[-1].params == searched(unseen)


def test_scores_that_mean_something_else_are_another_study(tmp_path):
    search(study(tmp_path), DEFAULT, 1, measure)
    for other in (replace(DEFAULT, rank=80), replace(DEFAULT, iterations=9)):
        found = study(tmp_path, other)
        search(found, other, 1, measure)
        assert len(complete(found)) == 1


@pytest.mark.parametrize(("following", "better"), [(0.4, False), (0.5, True)])
def test_equal_scores_are_decided_by_the_next_song(tmp_path, following, better):
    found = study(tmp_path)
    figures = {"unheard ndcg_10": 0.5, "unheard recall_20": 0.5}
    search(found, DEFAULT, 1, lambda _: figures | {"next hr_20": 0.4})
    search(found, DEFAULT, 2, lambda _: figures | {"next hr_20": following})
    assert summary(found, DEFAULT, date(2024, 3, 1))["better"] is better


KILLED = """
import os, signal
from pathlib import Path
from tests.unit.test_tuning import DEFAULT, measure, study
from jobs.training.search import search
import sys
done = []
def dying(recipe):
    if len(done) == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    done.append(recipe)
    return measure(recipe)
search(study(Path(sys.argv[1])), DEFAULT, 9, dying)
"""


def test_a_killed_search_gives_up_one_trial_and_tries_it_again(tmp_path):
    command = [sys.executable, "-c", KILLED, str(tmp_path)]
    ended = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(Path.cwd())}, check=False)
    assert ended.returncode == -signal.SIGKILL
    found = study(tmp_path)
    interrupted = found.trials[2].params
    search(found, DEFAULT, 3, measure)
    states = [trial.state.name for trial in found.trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]
    assert complete(found)[2].params == interrupted

"""A search that survives its process, and proposes what is better."""

import os
import signal
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from jobs.contract.settings import load_settings
from jobs.reporting.tuning import tuning_html
from jobs.training.recipe import Recipe
from jobs.tune_als import complete, lines, search, study_of, summary

DEFAULT = Recipe(96, 1.25, 14.0, 5, "log", 1)


def study(tmp_path):
    settings = load_settings(tuning_dir=str(tmp_path / "studies"))
    return study_of(settings, date(2024, 3, 1), 7, 0)


def measure(recipe):
    """A hill whose top is rank 64 and alpha 40."""
    score = 1 - abs(recipe.rank - 64) / 200 - abs(recipe.alpha - 40) / 1000
    return {"unheard ndcg_10": score, "unheard recall_20": score / 2, "next hr_20": 0.4}


def test_the_first_trial_is_what_is_in_use_and_the_best_is_better(tmp_path):
    found = study(tmp_path)
    search(found, DEFAULT, 25, measure)
    report = summary(found, date(2024, 3, 1))
    assert report["default"]["params"]["alpha"] == 14.0
    assert report["best"]["score"] > report["default"]["score"]
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


KILLED = """
import os, signal
from pathlib import Path
from tests.unit.test_tuning import DEFAULT, measure, study
from jobs.tune_als import search
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
    states = [trial.state.name for trial in found.trials]
    assert states == ["COMPLETE", "COMPLETE", "FAIL", "WAITING"]
    interrupted = found.trials[2].params
    search(found, DEFAULT, 3, measure)
    assert complete(found)[2].params == interrupted

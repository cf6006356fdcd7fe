"""What `make bench-training` measures, on few pairs, and what it makes of its measurements."""

from datetime import date

import numpy as np
import pytest

from infra.local import training_report
from infra.local.bench_chain import CHAINS, SCRATCH, SPLIT, Night, Values, summary
from infra.local.bench_engines import DRIVER_PAIRS, Fit, engines
from infra.local.bench_pairs import Case, simulated
from infra.local.bench_training import measure
from infra.local.training_report import Measured
from jobs.training.als import AlsParams, collect_factors
from jobs.training.exact import Limits

PAIRS = 10_000
PARAMS = AlsParams(rank=8, reg=0.1, alpha=5, iterations=4, seed=1)


def by_song(factors):
    ids, matrix = collect_factors(factors.items)
    return matrix[np.argsort(ids)].ravel().tolist()


def cosine(one, other):
    return np.dot(one, other) / np.linalg.norm(one) / np.linalg.norm(other)


@pytest.fixture(scope="module")
def measured(spark, tmp_path_factory):
    """Few simulated pairs, without MLlib; a judge keeps the models: their songs' vectors."""
    pairs = simulated(spark, PAIRS, tmp_path_factory.mktemp("pairs"))
    models = []

    def judge(factors):
        models.append(by_song(factors))
        return {"model": len(models) - 1}

    case = Case("tiny", pairs, PARAMS, by_mllib=0, judge=judge, simulated=True)
    return {row.engine: row for row in measure(case, 1, Limits(PAIRS))}, models


def test_every_engine_fits_once_to_warm_up_and_then_so_often(measured):
    rows, _ = measured
    assert list(rows)[:3] == ["exact, driver", "exact, executors", "exact, warm"]
    for row in rows.values():
        assert (row.pairs, len(row.fits)) == (PAIRS, 1)
        assert row.cold != row.fits[0]
        assert row.typical.setup + row.iterations * row.typical.iteration > 0
        assert row.typical.whole > row.typical.setup
        assert row.gib["driver"] > 0.05
        assert row.gib["jvm"] > 0.05
    assert rows["exact, executors"].gib["workers"] > 0


def test_the_shipped_engine_is_judged_and_who_starts_from_its_songs(measured):
    rows, models = measured
    assert [name for name, row in rows.items() if row.quality] == ["exact, driver", "exact, warm"]
    assert len(models) == 2  # the fit that warms up is not judged
    scratch, warm = models
    assert cosine(scratch, warm) > 0.985  # two iterations from random vectors: 0.94
    assert rows["exact, warm"].iterations == 2


def test_simulated_pairs_are_distinct_and_grow_with_their_number(spark, tmp_path):
    sizes = []
    for pairs in (5_000, 10_000):
        found = simulated(spark, pairs, tmp_path).toPandas()
        assert len(found) == len(found.drop_duplicates(["user_id", "track_id"])) == pairs
        assert found["weight"].min() > 0
        sizes.append(found["user_id"].nunique())
    assert 1.6 < sizes[1] / sizes[0] < 2.4


def test_the_driver_and_mllib_are_not_asked_for_what_is_too_much():
    names = [engine.name for engine in engines(DRIVER_PAIRS + 1, 4, 0, Limits())]
    assert names[:2] == ["exact, executors", "exact, warm"]
    (shipped,) = (e for e in engines(1_000, 4, 15, Limits(0)) if e.judged and e.gives_start)
    assert (shipped.name, shipped.iterations) == ("exact, executors", 4)


def row(engine, pairs, whole, setup, iteration, iterations=4, data="simulated"):
    fit = Fit(whole, setup, iteration)
    slow = Fit(whole * 10, setup, iteration * 10)
    gib = {"driver": 0.5, "jvm": 1.0, "workers": 0.25}
    return Measured(
        *(f"{data} {pairs}", data == "simulated", pairs, 64, engine, iterations, slow),
        [fit, fit, slow],
        gib,
        [],
    )


ROWS = [
    row("mllib", 1_000, 80.0, None, 20.0, data="real"),
    row("exact, driver", 1_000, 8.0, 1.0, 0.5, data="real"),
    row("mllib", 2_000, 40.0, None, 40.0, iterations=1),
    row("exact, driver", 2_000, 10.0, 2.0, 1.0),
    row("exact, driver", 20_000, 100.0, 40.0, 10.0),
]


def cells(table):
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]


def test_the_table_compares_with_mllib_what_can_be_compared():
    mllib, real, short, exact, alone = cells(training_report.costs(ROWS))
    assert mllib[5:11] == ["800.0", "80.00", "1.0", "-", "20.000", "1.0"]
    assert real[5:11] == ["80.0", "8.00", "10.0", "1.00", "0.500", "40.0"]
    assert (short[7], short[10]) == ("-", "1.0")  # it did one iteration of four
    assert (exact[7], exact[10]) == ("-", "40.0")
    assert (alone[7], alone[10]) == ("-", "-")  # mllib did not fit these
    assert real[11:] == ["0.50", "1.00", "0.25"]


def test_growth_is_from_the_fewest_to_the_most_simulated_pairs():
    assert cells(training_report.growth(ROWS)) == [
        ["exact, driver", "2,000 to 20,000", "1.00", "1.30"]
    ]


def test_the_report_says_what_was_left_out_and_draws_every_engine():
    text = training_report.report(ROWS, 5_000_000)
    assert "mllib did not fit simulated 20000" in text
    assert "5,000,000 pairs" in text
    drawn = training_report.iteration_plot(ROWS)
    assert drawn.startswith("<svg")
    for label in ("mllib, real", "mllib, simulated", "exact, driver, simulated"):
        assert label in drawn


def a_night(day, way, seconds, of):
    values = Values(np.array(of), np.array(["ann", "bob", "bob"], dtype=object))
    return Night(date(2015, 1, day), way, seconds, None, {"hit": values})


def test_ways_are_compared_with_scratch_without_the_first_night():
    ways = (SCRATCH, *CHAINS, SPLIT)
    nights = [a_night(1, way, 9.0, [1.0, 1.0, 1.0]) for way in ways]
    nights += [a_night(2, SCRATCH, 8.0, [0.0, 0.0, 1.0]), a_night(3, SCRATCH, 8.0, [0.0, 1.0, 1.0])]
    for way in ways[1:]:
        nights += [a_night(2, way, 2.0, [0.0, 1.0, 1.0]), a_night(3, way, 2.0, [0.0, 1.0, 1.0])]
    for found in summary(nights):
        assert found["iteration_time"] == 0.25
        difference = found["difference"]["hit"]
        assert difference["mean"] == pytest.approx(1 / 6)  # one of six more
        assert (difference["low"], difference["listeners"]) == (0, 2)

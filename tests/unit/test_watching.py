"""When the stream driver is well, and when it is restarted."""

import pytest

from plugins.watching import FIRST_BACK_OFF_SECONDS, GROWING_CHECKS, Limits, back_off, judge

NOW = 10_000.0
LIMITS = Limits(stale=40, stuck=180, batch=1000)
WELL = {"phase": "running", "at": NOW - 1, "progress_at": NOW - 5, "longest_batch_seconds": 4}
GROWING = [n * 1000 for n in range(GROWING_CHECKS)]


def verdict(health=None, state="RUNNING", lags=(0,), starts=0, floor=0.0):
    begun = [0] * (len(lags) - 1) + [starts]
    looks = zip(lags, begun, strict=True)
    checks = [{"at": NOW - 30, "lag": 0, "starts": 0}] if starts else []
    checks += [{"at": NOW - 5, "lag": lag, "starts": n} for lag, n in looks]
    return judge(WELL | (health or {}), state, {"checks": checks}, NOW, floor, LIMITS)


@pytest.mark.parametrize(
    ("health", "state", "lags", "alert"),
    [
        ({}, "RUNNING", [0], None),
        ({}, None, [0], None),
        ({}, "STARTING", [0], None),
        ({}, "EXITED", [0], "stream_dead"),
        ({}, "FATAL", [0], "stream_dead"),
        ({"at": NOW - 41}, "RUNNING", [0], "stream_frozen"),
        ({"at": NOW - 41, "phase": "starting"}, "RUNNING", [0], None),
        ({"at": NOW - 181, "phase": "starting"}, "RUNNING", [0], "stream_frozen"),
        ({"progress_at": NOW - 181}, "RUNNING", [0], None),  # idle is not stuck
        ({"progress_at": NOW - 181}, "RUNNING", [5], "stream_stuck"),
        ({"progress_at": NOW - 181, "longest_batch_seconds": 100}, "RUNNING", [5], None),
        ({"progress_at": NOW - 181, "phase": "held"}, "RUNNING", [5], None),
        ({"phase": "held"}, "RUNNING", GROWING, None),
        ({}, "RUNNING", GROWING, "lag_growing"),
        ({}, "RUNNING", GROWING[1:], None),
        ({}, "RUNNING", [0, 2000] * 5, None),  # a lag that comes and goes with the batches
        ({}, "RUNNING", [0] * 5 + [9000, 8000, 7000, 6000, 5000], None),  # a burst, being read
        ({}, "RUNNING", [n * 100 for n in range(GROWING_CHECKS)], None),  # under one batch
        ({"rival": {"at": NOW - 3, "pid": 7, "host": "h"}}, "RUNNING", [0], "two_drivers"),
        ({"rival": {"at": NOW - 60, "pid": 7, "host": "h"}}, "RUNNING", [0], None),
        ({"phase": "halted", "error": "OFFSETS LOST"}, "RUNNING", [9], "offsets_lost"),
    ],
)
def test_what_is_wrong(health, state, lags, alert):
    found = verdict(health, state, lags)
    assert (found and found.alert) == alert


def test_a_driver_that_dies_again_and_again_is_told_of():
    assert verdict(starts=3) is None
    assert verdict(starts=4).alert == "stream_crashing"
    assert not verdict(starts=4).heal
    assert verdict({"at": NOW - 41}, starts=4).alert == "stream_frozen"


def test_a_broker_that_was_away_makes_no_growing_lag():
    assert verdict(lags=GROWING).alert == "lag_growing"
    assert verdict(lags=[*GROWING[:5], None, *GROWING[5:]]) is None


def test_only_what_a_restart_can_help_is_restarted():
    assert verdict({"at": NOW - 41}).heal
    assert not verdict({"rival": {"at": NOW, "pid": 7, "host": "h"}}).heal
    assert not verdict({"phase": "halted", "error": "OFFSETS LOST"}).heal


def test_a_driver_is_not_to_blame_for_the_time_when_nobody_watched():
    assert verdict({"at": NOW - 3600}, floor=NOW - 39) is None
    assert verdict({"at": NOW - 3600}, floor=NOW - 41).alert == "stream_frozen"


def test_each_restart_doubles_the_pause_and_an_hour_forgets_it():
    first = FIRST_BACK_OFF_SECONDS
    assert back_off([], NOW) == 0
    assert back_off([NOW - 10], NOW) == first - 10
    assert back_off([NOW - 100, NOW - 10], NOW) == 2 * first - 10
    assert back_off([NOW - 100, NOW - 2 * first - 1], NOW) == 0
    assert back_off([NOW - 3601], NOW) == 0

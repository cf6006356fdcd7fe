"""Faults 1, 2, 6, 12: drivers that die, forget, or are too many."""

import os
import random
import shutil
import signal
import time
from pathlib import Path

from jobs.contract import names
from jobs.contract.names import STREAM_QUERY
from tests.faults.rig import Failed, Rig, Sender


def killed_again_and_again(rig: Rig, kills: int = 20, events: int = 100_000) -> str:
    """Fault 1: SIGKILL of the driver while events come, at any point of its batches."""
    rig.wait_running()
    rate = events / (kills * 18)
    dice, done = random.Random(1), 0
    with Sender(rig.settings).in_background(events, rate) as sender:
        while done < kills:
            rig.wait(rig.pid, 60, "driver process")
            batch = rig.health.read().get("batch")
            # Until it commits something, or is in the middle of it, and then a little longer.
            rig.wait(
                lambda was=batch: (
                    rig.phase() == "running" and rig.health.read().get("batch") != was
                ),
                180,
                "batch after a kill",
            )
            time.sleep(dice.uniform(0, 3))
            rig.kill("stream")
            done += 1

    drained = rig.wait_drained()
    said = rig.check_once(sender.acknowledged, sender.prefix)
    return f"{done} kills: {said}; caught up {drained:.0f} s after; {rig.wait_counts()}"


def killed_between_commits(rig: Rig, events: int = 2_000) -> str:
    """Fault 2: SIGKILL between lake and counts, and between counts and checkpoint."""
    rig.wait_running()
    rig.wait_drained()
    for point in ("before_count", "after_count"):
        with rig.unsupervised():
            sender = Sender(rig.settings).send(events)
            driver = rig.driver("tests/faults/crashing_driver.py", point)
            status = driver.wait(180)
            if status != -signal.SIGKILL:
                raise Failed(f"the driver should have died {point}, it ended with {status}")
            rig.check_once(sender.acknowledged, sender.prefix)  # the lake has the batch already
        rig.wait_drained()
        rig.check_once(sender.acknowledged, sender.prefix)
    return f"before and after the counts, {events:,} events each: {rig.wait_counts()}"


def checkpoint_deleted(rig: Rig, events: int = 10_000) -> str:
    """Fault 6: the checkpoint is deleted under the running driver, and again under a dead one."""
    rig.wait_running()
    folder = Path(rig.settings.checkpoint_dir) / STREAM_QUERY
    with Sender(rig.settings).in_background(events, events / 60) as sender:
        time.sleep(10)
        shutil.rmtree(folder, ignore_errors=True)
        time.sleep(25)
        rig.kill("stream")
        shutil.rmtree(folder, ignore_errors=True)
    rig.wait_running()
    rig.wait_drained()
    said = rig.check_once(sender.acknowledged, sender.prefix)
    return f"deleted twice: {said}; {rig.wait_counts()}"


def two_drivers(rig: Rig, events: int = 6_000) -> str:
    """Fault 12: a second driver is started by hand on the same checkpoint."""
    rig.wait_running()
    rig.alerts.clear("two_drivers")
    first = rig.pid()
    with Sender(rig.settings).in_background(events, events / 60) as sender:
        second = rig.driver()
        try:
            noticed = rig.wait(lambda: is_open(rig, "two_drivers"), 90, "alert of two drivers")
            time.sleep(20)
            if second.poll() is not None or rig.pid() != first:
                raise Failed("both drivers should live, one of them waiting")
            if rig.health.read()["pid"] != first:
                raise Failed("the second driver took over from a healthy one")
        finally:
            os.killpg(second.pid, signal.SIGKILL)
            second.wait()
    rig.wait_drained()
    said = rig.check_once(sender.acknowledged, sender.prefix)
    return f"the first one went on, alert after {noticed:.0f} s: {said}"


def is_open(rig: Rig, alert: str) -> bool:
    """Say whether an alert is open."""
    found = rig.db[names.ALERTS].find_one({"_id": alert})
    return bool(found and found["open"])

"""Faults 3, 4, 5, 13: stores that go away, and a topic that forgets."""

import time

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from jobs.stores.events import connection, topic_bounds
from jobs.stores.holds import Holds
from tests.faults.crashes import is_open
from tests.faults.rig import Failed, Rig, Sender


def broker_restarted(rig: Rig, kills: int = 5, events: int = 40_000) -> str:
    """Fault 3: SIGKILL of the broker while a producer runs."""
    rig.wait_running()
    with Sender(rig.settings).in_background(events, events / (kills * 25)) as sender:
        for _ in range(kills):
            time.sleep(15)
            rig.kill("kafka")
            rig.wait(lambda: topic_bounds(rig.settings), 90, "broker")
    began = time.monotonic()
    rig.wait_running()
    rig.wait_drained()
    caught_up = time.monotonic() - began
    said = rig.check_once(sender.acknowledged, sender.prefix, sender.unacknowledged)
    return (
        f"{kills} kills: {said}, {len(sender.unacknowledged)} never acknowledged; "
        f"caught up {caught_up:.0f} s after the last event"
    )


def store_away(rig: Rig, program: str, seconds: float = 120, events: int = 12_000) -> str:
    """Faults 4 and 5: MinIO, or MongoDB with counts and lease, is away while events come."""
    rig.wait_running()
    with (
        Sender(rig.settings).in_background(events, events / (seconds + 20)) as sender,
        rig.away(program, seconds),
    ):
        pass
    recovered = rig.wait_running()
    drained = rig.wait_drained()
    said = rig.check_once(sender.acknowledged, sender.prefix)
    after = f"caught up by itself {recovered + drained:.0f} s after"
    return f"{seconds:.0f} s: {said}; {after}; {rig.wait_counts()}"


def retention_passed(rig: Rig, events: int = 3_000) -> str:
    """Fault 13: Kafka drops messages that were not read yet."""
    rig.wait_running()
    rig.wait_drained()
    holds = Holds(rig.settings)
    holds.place("fault", "retention passes meanwhile", None)
    rig.wait(lambda: rig.phase() == "held", 60, "held stream")
    lost = Sender(rig.settings).send(events)
    ends = {p: end for p, (_, end) in topic_bounds(rig.settings).items()}
    drop_before(rig, ends)
    kept = Sender(rig.settings).send(events)
    holds.lift("fault")
    holds.close()
    noticed = rig.wait(lambda: rig.phase() == "halted", 90, "halt")
    error = str(rig.health.read()["error"])
    rig.wait(lambda: is_open(rig, "offsets_lost"), 30, "alert of lost offsets")
    if not error.startswith("OFFSETS LOST"):
        raise Failed(f"the halt has another reason: {error}")
    rig.check_once([], kept.prefix)
    shown = rig.stack.done("accept_gap")
    if f"{len(lost.acknowledged)} messages are lost" not in shown:
        raise Failed(f"accept_gap should have counted {len(lost.acknowledged)}: {shown}")
    rig.check_once([], kept.prefix)
    rig.stack.done("accept_gap", "--yes")
    rig.wait_running()
    rig.wait_drained()
    said = rig.check_once(kept.acknowledged, kept.prefix)
    return (
        f"halted after {noticed:.0f} s, alert; nothing skipped until {len(lost.acknowledged)} lost "
        f"messages were accepted; then {said}"
    )


def drop_before(rig: Rig, offsets: dict[int, int]) -> None:
    """Let the broker delete every message before these offsets, as its retention does."""
    admin = AdminClient(connection(rig.settings))
    wanted = [TopicPartition(rig.settings.kafka_topic, p, o) for p, o in offsets.items()]
    for done in admin.delete_records(wanted).values():
        done.result(30)

"""Fault 11: hundreds of micro-batches, then compaction."""

import json
import math
import os
import signal
import time
from collections import defaultdict
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from infra.local import show
from jobs.contract.names import RAW_LOGS
from jobs.contract.settings import Settings
from jobs.stores.events import ensure_topic
from jobs.stores.objects import Objects
from jobs.stores.stream_health import StreamHealth
from tests.faults.rig import Failed, Rig, Sender

FILES_PER_128_MIB = 4
OWN = "fault-files"


def many_batches(rig: Rig, batches: int = 300, per_batch: int = 100) -> str:
    """Fault 11: count files and time a read before and after the night's maintenance."""
    env = {
        "NOCTURNE_KAFKA_TOPIC": OWN,
        "NOCTURNE_LAKE_BUCKET": OWN,
        "NOCTURNE_MONGO_DB": OWN,
        "NOCTURNE_CHECKPOINT_DIR": str(Path(rig.settings.checkpoint_dir) / OWN),
        "NOCTURNE_STREAM_MAX_OFFSETS": str(per_batch),
        "NOCTURNE_STREAM_TRIGGER_SECONDS": "1",
    }
    changed = {k.removeprefix("NOCTURNE_").lower(): v for k, v in env.items()}
    settings = Settings(**(rig.settings.model_dump() | changed))
    rig.stack.ensure_lake(settings)
    ensure_topic(settings)
    sender = Sender(settings).send(batches * per_batch)
    driver = rig.driver(**env)
    try:
        with closing(StreamHealth(settings, 30_000)) as health:
            rig.wait(
                lambda: sum(health.read().get("offsets", {}).values()) >= batches * per_batch,
                batches * 4,
                f"{batches} batches",
            )
            done = health.read()["batch"] + 1
    finally:
        os.killpg(driver.pid, signal.SIGTERM)
        driver.wait(60)
    before = survey(settings)
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date().isoformat()
    rig.stack.done("maintain_lake", "--today", tomorrow, **env)
    after = survey(settings)
    rig.stack.done("verify_lake", **env)
    if after["rows"] != len(sender.acknowledged) or before["rows"] != after["rows"]:
        raise Failed(f"{len(sender.acknowledged)} sent, rows {before['rows']}, {after['rows']}")
    allowed = FILES_PER_128_MIB * math.ceil(after["largest_day_bytes"] / (128 * 2**20))
    if after["most_files"] > allowed:
        raise Failed(f"{after['most_files']} files in a day, {allowed} allowed")
    if after["log_behind_checkpoint"] > 20:
        raise Failed(f"{after['log_behind_checkpoint']} log entries since the last checkpoint")
    return (
        f"{done} batches: {before['most_files']} files a day -> {after['most_files']}, "
        f"read {before['read_s']:.2f} s -> {after['read_s']:.2f} s, "
        f"log {after['log_bytes'] / 1e6:.1f} MB, "
        f"{after['log_behind_checkpoint']} entries behind its checkpoint"
    )


def survey(settings: Settings) -> dict[str, float]:
    """Measure the table `raw/logs`: files of the fullest day, bytes, seconds of a read, log."""
    table = show.table(settings, RAW_LOGS)
    files: dict[str, list[int]] = defaultdict(list)
    for action in show.files(table):
        files[str(action["partition.date"])].append(action["size_bytes"])
    began = time.monotonic()
    rows = len(show.table(settings, RAW_LOGS).to_pyarrow_table())
    read_s = time.monotonic() - began
    objects = Objects(settings)
    log = objects.keys(settings.lake_bucket, f"{RAW_LOGS}/_delta_log/")
    newest = json.loads(
        objects.get(settings.lake_bucket, f"{RAW_LOGS}/_delta_log/_last_checkpoint")
    )["version"]
    return {
        "most_files": max(len(sizes) for sizes in files.values()),
        "largest_day_bytes": max(sum(sizes) for sizes in files.values()),
        "rows": rows,
        "read_s": read_s,
        "log_bytes": sum(len(objects.get(settings.lake_bucket, key)) for key in log),
        "log_behind_checkpoint": table.version() - newest,
    }

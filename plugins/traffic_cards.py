"""The operator's cards about what flows: freshness, stream, serving, events."""

import time
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from jobs.contract import names
from jobs.contract.settings import Settings
from jobs.stores.alerts import Alerts
from jobs.stores.event_counts import EventCounts
from jobs.stores.generations import Generations
from jobs.stores.objects import Objects
from jobs.stores.stream_health import StreamHealth
from plugins.model_cards import MODEL_HOURS
from plugins.page_app import App
from plugins.page_words import Card, ms, percent, since, span
from plugins.watch import process_state
from plugins.watching import Limits, judge, lags_of

STREAM_SECONDS = 120
ERROR_SHARE = 0.01
SLOW_SECONDS = 0.5
SHOWN_KINDS = 12
ENDED_SECONDS = 86_400
Stage = tuple[str, float | None, int | None]
"""Name, when it worked last (epoch seconds; None: never), seconds of its promise, if any."""
MANY_EVENTS = 200
"""Fewer a day say nothing about a drop."""


class TrafficCards:
    """Reads the cards about what flows; its stores are waited for `wait_ms` at most."""

    def __init__(
        self,
        settings: Settings,
        generations: Generations,
        objects: Objects,
        app: App,
        wait_ms: int,
    ) -> None:
        self._settings = settings
        self._generations = generations
        self._objects = objects
        self._app = app
        self._events = EventCounts(settings, wait_ms)
        self._stream = StreamHealth(settings, wait_ms)
        self._alerts = Alerts(settings, wait_ms)

    def freshness(self) -> Card:
        """Return the age of what each stage made last, against its promise."""
        now, health = time.time(), self._stream.read()
        pointer = self._generations.live()
        trained = [d["created_at"] for d in self._generations.all(1)]
        stages = [
            ("Newest event", health.get("last_event_at"), None),
            ("Stream", health.get("progress_at"), STREAM_SECONDS),
            ("Newest file of the lake", self._newest_file(), None),
            ("Training", _epoch(trained[0]) if trained else None, MODEL_HOURS * 3600),
            (
                "Publication",
                pointer.published_at.timestamp() if pointer.published_at else None,
                MODEL_HOURS * 3600,
            ),
        ]
        return promises(stages, now)

    def _newest_file(self) -> float | None:
        """Return when the newest file of the last two days' partitions was written."""
        today = datetime.now(UTC).date()
        found: list[float] = []
        for day in (today, today - timedelta(days=1)):
            prefix = f"{names.RAW_LOGS}/date={day.isoformat()}/"
            found += [at for _, at in self._objects.ages(self._settings.lake_bucket, prefix)]
        return max(found, default=None)

    def stream(self) -> Card:
        """Return how the stream is, by the rules of its supervision."""
        health, seen = self._stream.read(), self._stream.supervision()
        if not health:
            return Card("bad", "The stream driver never ran.")
        limits, state = Limits.of(self._settings), process_state(self._settings)
        verdict = judge(health, state, seen, time.time(), 0.0, limits)
        lags = lags_of(seen)
        facts = [
            ["Phase", str(health.get("phase"))],
            ["Lag at the last look", f"{lags[-1]:,} messages" if lags else "not known"],
            ["Rows a second", str(health.get("rows_per_second", 0))],
            ["Last batch", since(health.get("progress_at"))],
            ["Starts of the driver", str(health.get("starts", 0))],
            ["Rows in quarantine", f"{health.get('quarantined', 0):,}"],
            ["Last look", since(seen.get("watched_at"))],
        ]
        if verdict is not None:
            return Card("bad", f"{verdict.said[0].upper()}{verdict.said[1:]}.", facts)
        if time.time() - seen.get("watched_at", 0.0) > STREAM_SECONDS:
            return Card("bad", "Nobody watches it: is stream_supervisor paused?", facts)
        if health.get("phase") in ("held", "paused"):
            said = f"It stands still on purpose: {'; '.join(health.get('holds') or ['a pause'])}."
            return Card("warning", said, facts)
        if (seen.get("checks") or [{}])[-1].get("lag") is None:
            return Card("unknown", "Kafka does not say how far behind it is.", facts)
        mine = names.runbook("stream_supervisor")
        alerts = [a["_id"] for a in self._alerts.open() if a["runbook"] == mine]
        if alerts or health.get("phase") != "running":
            why = ", ".join(alerts) or "its first batch"
            return Card("warning", f"It runs, and is not known to be well yet: {why}.", facts)
        return Card("good", "It runs, and keeps up.", facts)

    def alerts(self) -> Card:
        """Return what a person must know about, each with its runbook."""
        opened = self._alerts.open()
        ended = self._alerts.ended(time.time() - ENDED_SECONDS)
        rows = [
            [a["_id"], word, a["said"], since(a["raised_at"]), a["runbook"]]
            for word, found in (("open", opened), ("over", ended))
            for a in found
        ]
        said = {0: "None is open.", 1: "One is open."}.get(len(opened), f"{len(opened)} are open.")
        head = ["Alert", "", "It says", "Raised", "Runbook"] if rows else []
        return Card("bad" if opened else "good", said, [], head, rows)

    def serving(self) -> Card:
        """Return what listeners feel: the figures of the last minutes."""
        ready = self._app.ready()
        figures = self._app.figures()
        away = [name for name, state in ready["checks"].items() if state != "ok"]
        facts = [
            ["Over the last", span(figures.seconds)],
            ["Requests", f"{figures.requests:,}"],
            ["p50, p99 of recommendations", f"{ms(figures.p50)}, {ms(figures.p99)}"],
            ["Errors (5xx)", percent(figures.error_share)],
            ["Popular songs instead of personal ones", percent(figures.fallback_share)],
            ["Generations served", ", ".join(figures.generations) or "none"],
            ["Errors told by players", f"{figures.client_errors:,}"],
            ["Away", ", ".join(away) or "nothing"],
        ]
        if len(figures.generations) > 1:
            return Card("bad", "More than one generation is served.", facts)
        if (figures.error_share or 0) > ERROR_SHARE:
            return Card("bad", f"More than {ERROR_SHARE:.0%} of the answers are errors.", facts)
        if (figures.p99 or 0) > SLOW_SECONDS:
            said = f"One in a hundred answers takes longer than {ms(SLOW_SECONDS)}."
            return Card("bad", said, facts)
        if away:
            said = f"It answers without {', '.join(away)}: simpler than usual."
            return Card("warning", said, facts)
        return Card("good", "It answers, with all its stores.", facts)

    def events(self) -> Card:
        """Return events per hour of the last day, and who skips what."""
        now = datetime.now(UTC)
        hours = self._events.since(now - timedelta(days=8))
        last = int(now.timestamp()) // 3600
        by_hour: Counter[int] = Counter()
        today: Counter[tuple[str, str]] = Counter()
        kinds: dict[str, Counter[tuple[str, str]]] = {"origin": Counter(), "generation": Counter()}
        for hour in hours:
            for count in hour["counts"]:
                by_hour[hour["_id"]] += count["events"]
                if hour["_id"] <= last - 24:
                    continue
                today["all", count["action"]] += count["events"]
                for kind, counter in kinds.items():
                    counter[str(count[kind] or "none"), count["action"]] += count["events"]
        day = sum(by_hour[h] for h in range(last - 24, last))
        week_ago = sum(by_hour[h] for h in range(last - 24 - 168, last - 168))
        facts = [[a.capitalize(), f"{today['all', a]:,}"] for a in ("listen", "complete", "skip")]
        rows = [
            [kind, name, f"{listens + skips:,}", percent(skips / (listens + skips))]
            for kind, counter in kinds.items()
            for name, listens, skips in _plays(counter)[:SHOWN_KINDS]
        ]
        bars = [by_hour[h] for h in range(last - 23, last + 1)]
        head = ["By", "", "Plays", "Skipped"]
        if week_ago >= MANY_EVENTS and day < week_ago / 2:
            said = f"{day:,} events in a day: less than half of the {week_ago:,} a week before."
            return Card("bad", said, facts, head, rows, bars)
        return Card("good", f"{sum(bars):,} events in 24 hours.", facts, head, rows, bars)


def promises(stages: Sequence[Stage], now: float) -> Card:
    """Return how old each stage's work is, against its promise; the worst of them is the card's."""
    rows = []
    for stage, at, promise in stages:
        age = None if at is None else now - at
        promised = "-" if promise is None else span(promise)
        rows.append([stage, "never" if age is None else span(age), promised, _kept(age, promise)])
    head = ["Stage", "Age", "Promise", ""]
    for word, state, said in (
        ("missed", "bad", "Promise missed"),
        ("not yet", "warning", "Not yet done"),
    ):
        found = [row[0].lower() for row in rows if row[3] == word]
        if found:
            return Card(state, f"{said}: {', '.join(found)}.", [], head, rows)
    return Card("good", "Every promise is kept.", [], head, rows)


def _kept(age: float | None, promise: int | None) -> str:
    """Return how a promise stands; what was never done, on a fresh stack, is not broken yet."""
    if promise is None:
        return "-"
    if age is None:
        return "not yet"
    return "missed" if age > promise else "kept"


def _epoch(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def _plays(counter: Counter[tuple[str, str]]) -> list[tuple[str, int, int]]:
    """Return name, listens and skips of each name, the most played first."""
    plays = {name: (counter[name, "listen"], counter[name, "skip"]) for name, _ in counter}
    found = [(name, *both) for name, both in plays.items() if sum(both)]
    return sorted(found, key=lambda row: -(row[1] + row[2]))

"""The operator's cards about generations: what is live, how good it is, who switched."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from jobs.contract import names
from jobs.contract.generations import State
from jobs.contract.settings import Settings
from jobs.stores.documents import Document
from jobs.stores.generations import Generations, Pointer
from jobs.stores.objects import Objects
from plugins.page_app import App, AppAway
from plugins.page_words import Card, ago, cell, moment

MODEL_HOURS = 36
"""A night that failed is seen before a second one fails."""
SHOWN_GENERATIONS = 5
SHOWN_SWITCHES = 20
METRICS = (
    ("NDCG@10, unheard", "unheard", "ndcg_10"),
    ("Recall@20, unheard", "unheard", "recall_20"),
    ("NDCG@10, all songs", "all", "ndcg_10"),
)


class ModelCards:
    """Reads the cards about generations; `run_of` finds the run that announced one."""

    def __init__(
        self,
        settings: Settings,
        generations: Generations,
        objects: Objects,
        app: App,
        run_of: Callable[[str], str | None],
    ) -> None:
        self._settings = settings
        self._generations = generations
        self._objects = objects
        self._app = app
        self._run_of = run_of

    def live(self) -> Card:
        """Return what is live, whether all parts agree, and what may be rolled back to."""
        pointer = self._generations.live()
        if pointer.generation is None or pointer.published_at is None:
            return Card("bad", "Nothing was published yet: run train_als.")
        found = {d["_id"]: d for d in self._generations.all()}
        live = found.get(pointer.generation, {})
        state, said = self._agreement(pointer)
        kept = [found[g] for g in self._generations.servable()[:SHOWN_GENERATIONS] if g in found]
        why = pointer.why
        facts = [
            ["Generation", pointer.generation],
            ["Trained on", f"{live.get('window_start', '?')} to {live.get('as_of', '?')}"],
            ["Published", f"{moment(pointer.published_at)}, {ago(pointer.published_at)}"],
            ["By", f"{why['by']}: {why.get('reason')}" if "by" in why else "rebuild_index"],
            ["Run of train_als", self._run_of(pointer.generation) or "not known"],
            ["Listeners, songs", f"{live.get('users', 0):,}, {live.get('items', 0):,}"],
            ["Plays", f"{live.get('plays', 0):,}"],
            ["Fit by", _fit(live)],
        ]
        return Card(
            state,
            said,
            facts,
            more={"live": pointer.generation, "kept": [_shown(d) for d in kept]},
        )

    def _agreement(self, pointer: Pointer) -> tuple[str, str]:
        try:
            ready = self._app.ready()
        except AppAway as error:
            return "unknown", f"Whether the app serves it is not known: {error}"
        if ready["checks"].get("milvus") != "ok":
            return "unknown", "Whether its index answers is not known: Milvus does not answer."
        if ready["generation"] != pointer.generation:
            return "bad", f"The parts disagree: the app serves {ready['generation']}."
        age = datetime.now(UTC) - (pointer.published_at or datetime.now(UTC))
        if age > timedelta(hours=MODEL_HOURS):
            return (
                "bad",
                f"It is older than {MODEL_HOURS} hours: the last nights published nothing.",
            )
        return "good", "Pointer, app and index agree."

    def quality(self) -> Card:
        """Return the last evaluated generation beside the live one and popularity."""
        judged = [d for d in self._generations.all() if d.get("gate")]
        if not judged:
            return Card("unknown", "No generation was evaluated yet.")
        last, gate = judged[0], judged[0]["gate"]
        generation = str(last["_id"])
        try:
            body = self._objects.get(self._settings.lake_bucket, names.report_key(generation))
        except KeyError:
            return Card("unknown", f"There is no report of {generation}.")
        report = json.loads(body)
        popular = names.popularity(report["params"]["window_days"])
        sides = ("candidate", "live", popular)
        rows = [
            [label, *(_mean(report["home"][view], side, metric) for side in sides)]
            for label, view, metric in METRICS
        ]
        rows += [
            [f"NDCG@10, {name}", *(_mean(models, side, "ndcg_10") for side in sides)]
            for name, models in report["slices"].items()
        ]
        coverage = report["home"]["unheard"]
        rows.append(["Coverage@10", *(cell(coverage.get(s, {}).get("coverage")) for s in sides)])
        state, said = _verdict(gate)
        return Card(
            state,
            said,
            [["Candidate", generation], ["Live at the time", str(report.get("live") or "none")]],
            ["", "Candidate", "Live", "Popularity"],
            rows,
            links=[["Report with intervals and plots", f"reports/{generation}"]],
        )

    def history(self) -> Card:
        """Return who made what live, the last first."""
        switches = [
            (step["at"], str(d["_id"]), step)
            for d in self._generations.all()
            for step in d.get("history", [])
            if step["state"] == State.LIVE
        ]
        rows = [
            [moment(at), generation, step.get("by", "rebuild_index"), step.get("reason", "-")]
            for at, generation, step in sorted(switches, key=lambda s: s[0], reverse=True)
        ][:SHOWN_SWITCHES]
        said = "Every switch of the live generation, the last first."
        return Card("good", said, [], ["When", "Generation", "Who", "Why"], rows)


def _fit(live: Document) -> str:
    """Return what fitted a generation, and from what it started."""
    said = f"{live.get('engine') or 'mllib'}, from "
    if not live.get("started_from"):
        return f"{said}scratch"
    near = f"night {live['chain']} of its chain, mean cosine {cell(live['cosine'])}"
    return f"{said}{live['started_from']} ({near})"


def _shown(document: Document) -> dict[str, Any]:
    fields = ("as_of", "plays", "users", "items", "params")
    return {"id": document["_id"], "state": document["state"]} | {f: document[f] for f in fields}


def _mean(models: dict[str, Any], side: str, metric: str) -> str:
    return cell(models.get(side, {}).get(metric, {}).get("mean"))


def _verdict(gate: Document) -> tuple[str, str]:
    objections = "; ".join(gate["objections"])
    if gate.get("override"):
        return "warning", f"It passed by an override of {gate['by']}: {gate['override']}."
    if not gate["passed"]:
        return "bad", f"The gate refused it: {objections}."
    return "good", "It passed the gate."

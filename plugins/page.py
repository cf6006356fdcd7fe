"""The operator's page: HTML and JSON inside Airflow's API server, for whom Airflow knows.

Airflow does not authenticate the apps of plugins: here every route asks it who calls, and
whether they may. Who may see the DAG `rollback` may see the page, who may trigger it may roll
back.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
from airflow.api_fastapi.core_api.security import GetUserDep, requires_access_dag
from airflow.models.asset import AssetEvent
from airflow.utils.session import create_session
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from markdown_it import MarkdownIt
from markupsafe import escape
from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from sqlalchemy import select

from jobs.contract.generations import ID_PATTERN
from jobs.contract.settings import load_settings
from plugins.page_cards import Cards

DAG = "rollback"
FILES = Path(__file__).with_name("page_files")
ROOT = Path(os.environ.get("NOCTURNE_ROOT", str(Path(__file__).resolve().parents[1])))
JOB = ROOT / "jobs" / "rollback.py"
RUNBOOKS = ROOT / "infra" / "runbooks"
TEXT = """<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="../files/page.css"><main class="text">{text}
<p><a href="../">The operator's page</a></p></main></html>"""
ROLLBACK_SECONDS = 90
ANNOUNCED = 100
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'self'; base-uri 'none'; "
    "form-action 'self'; object-src 'none'",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}
REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox; "
REPORT_POLICY += "frame-ancestors 'self'"

Generation = Annotated[str, StringConstraints(pattern=f"^{ID_PATTERN}$")]
Of = TypeVar("Of")
Shown = Literal["page.js", "page.css", "moon.svg"]

may_see = requires_access_dag("GET", param_dag_id=DAG)
may_roll_back = requires_access_dag("POST", DagAccessEntity.RUN, DAG)
router = APIRouter(dependencies=[Depends(may_see)])
rolling_back = threading.Lock()


class Rollback(BaseModel):
    """What an operator decided: `live` is what the page showed them as live."""

    model_config = ConfigDict(extra="forbid", strict=True)

    to: Generation
    typed: str = Field(max_length=200)
    live: Generation
    reason: str = Field(min_length=1, max_length=500)


@cache
def cards() -> Cards:
    """Return the cards of the deployment that Airflow's environment names."""
    return Cards(load_settings(), run_of)


def run_of(generation: str) -> str | None:
    """Return the run of `train_als` that announced a generation, None for one of long ago."""
    newest = (
        select(AssetEvent)
        .where(AssetEvent.source_dag_id == "train_als")
        .order_by(AssetEvent.id.desc())
        .limit(ANNOUNCED)
    )
    with create_session() as session:
        events = session.scalars(newest)
        of = (e.source_run_id for e in events if (e.extra or {}).get("generation") == generation)
        return next(of, None)


@router.get("/")
def page() -> Response:
    """Return the page; its script draws the cards."""
    return FileResponse(FILES / "page.html", headers=HEADERS)


@router.get("/files/{name}")
def file(name: Shown) -> Response:
    """Return what the page is made of."""
    return FileResponse(FILES / name, headers=HEADERS)


@router.get("/cards")
def listed(request: Request, user: GetUserDep, response: Response) -> dict[str, Any]:
    """Return the names of the cards, who asks, and whether they may roll back."""
    response.headers.update(HEADERS)
    try:
        may_roll_back(request, user)
    except HTTPException:
        allowed = False
    else:
        allowed = True
    return {"cards": cards().titles, "user": user.get_name(), "may_roll_back": allowed}


@router.get("/cards/{name}")
def card(name: str, response: Response) -> dict[str, Any]:
    """Return one card."""
    response.headers.update(HEADERS)
    if name not in cards().titles:
        raise HTTPException(404, f"there is no card {name!r}")
    return cards().read(name).known_as()


@router.get("/reports/{generation}")
def report(generation: Generation) -> Response:
    """Return the page of a generation's evaluation."""
    return _report(cards().report, generation)


@router.get("/daily/")
def daily_reports() -> Response:
    """Return the list of the daily reports, the last first."""
    days = "".join(f'<li><a href="{escape(day)}">{escape(day)}</a>' for day in cards().days())
    none = "<p>There is none yet: the DAG daily_report writes one a day.</p>"
    text = f"<h1>Daily reports</h1>{f'<ul>{days}</ul>' if days else none}"
    return HTMLResponse(TEXT.format(title="Daily reports", text=text), headers=HEADERS)


@router.get("/daily/{day}")
def daily_report(day: date) -> Response:
    """Return the report of a day."""
    return _report(cards().daily, day)


@router.get("/runbooks/{name}")
def runbook(name: str) -> Response:
    """Return a runbook as a page."""
    known = {path.name: path for path in RUNBOOKS.glob("*.md")}
    if name not in known:
        raise HTTPException(404, f"there is no runbook {name!r}")
    text = MarkdownIt("commonmark", {"html": False}).enable("table").render(known[name].read_text())
    title = escape(known[name].stem.replace("_", " "))
    return HTMLResponse(TEXT.format(title=title, text=text), headers=HEADERS)


@router.post("/rollback", dependencies=[Depends(may_roll_back)])
def roll_back(
    wanted: Rollback, request: Request, user: GetUserDep, response: Response
) -> dict[str, str]:
    """Make an earlier generation live, as the DAG `rollback` would, in the caller's name.

    409 with a sentence where nothing was rolled back: another rollback runs, something else
    is live by now than the page showed, or the generation cannot serve.
    """
    response.headers.update(HEADERS)
    _from_this_page(request)
    if wanted.typed != wanted.to:
        raise HTTPException(422, f"type {wanted.to} to confirm")
    if not rolling_back.acquire(blocking=False):
        raise HTTPException(409, "another rollback runs: look again in a moment")
    try:
        done = _run(wanted, user.get_name())
    finally:
        rolling_back.release()
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    if done.returncode != 0:
        raise HTTPException(409, said[-1] if said else "nothing was rolled back")
    return {"said": next((s for s in said if " is live" in s), f"{wanted.to} is live")}


def _report(read: Callable[[Of], bytes], of: Of) -> Response:
    try:
        body = read(of)
    except KeyError:
        raise HTTPException(404, f"there is no report of {of}") from None
    headers = HEADERS | {"Content-Security-Policy": REPORT_POLICY}
    return Response(body, media_type="text/html; charset=utf-8", headers=headers)


def _run(wanted: Rollback, by: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(JOB), f"--to={wanted.to}", f"--expect={wanted.live}"]
    command += [f"--reason={wanted.reason}", f"--by={by}"]
    try:
        return subprocess.run(  # noqa: S603  no shell, and every part of it was checked
            command, cwd=ROOT, capture_output=True, text=True, timeout=ROLLBACK_SECONDS
        )
    except subprocess.TimeoutExpired:
        said = f"it took longer than {ROLLBACK_SECONDS} s: see which generation is live"
        raise HTTPException(409, said) from None


def _from_this_page(request: Request) -> None:
    """Refuse what another site lets a browser send; programs have no cookie to be misused."""
    site = request.headers.get("Sec-Fetch-Site")
    _, _, host = request.headers.get("Origin", "").partition("://")
    ours = site == "same-origin" if site is not None else host == request.headers.get("Host")
    if not ours and "Authorization" not in request.headers:
        raise HTTPException(403, "this did not come from the operator's page")


app = FastAPI(title="Nocturne", docs_url=None, redoc_url=None, openapi_url=None)
"""Without the pages that describe it to strangers."""
app.include_router(router)

"""What the HTML pages show: songs, shelves and listeners, as the templates want them."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from serving.recommend.sources import Song
from serving.services import services

MOST_LISTENERS = 12
MOST_CHOICES = 200
UNTITLED = "Untitled"
NOBODY = "Unknown artist"
WHY = {
    "made_for_you": "From what you have played",
    "because": "What goes with it",
    "new_for_you": "Nothing here that you have heard",
    "popular": "What everyone plays",
    "similar": "What goes with this song",
}
NOTICES = {
    "unknown_listener": "These are popular songs: nothing is known of you yet.",
    "no_generation": "These are popular songs: nothing has been trained yet.",
    "nothing_else_left": "You have heard all that fits: these are popular songs.",
}
CHOSEN = {
    "love": ("heart", "You love"),
    "ban": ("ban", "You banned"),
    "less": ("less", "Less like"),
}

Shown = dict[str, Any]
"""What a template is given of one thing."""


MENU = (
    ("add", "add", "Add to queue"),
    ("love", "heart", "Love"),
    ("less", "less", "Less like this"),
    ("ban", "ban", "Never play this song"),
    ("ban-artist", "artist", "Never play this artist"),
    ("share", "share", "Share"),
    ("open", "song", "Go to song"),
)
ROW_ACTS = (
    ("up", "up", "Move up"),
    ("down", "down", "Move down"),
    ("pin", "pin", "Keep in your queue"),
    ("remove", "close", "Remove"),
)
SHORTCUTS = (
    ("Space K", "Play or pause"),
    ("← →", "5 seconds back or on"),
    ("J L", "Previous, next song"),
    ("↑ ↓", "Volume"),
    ("M", "Mute"),
    ("Q", "Queue"),
    ("/", "Search"),
    ("?", "This list"),
)
BLANK = {
    **dict.fromkeys(("track_id", "title", "artist", "album", "genre", "release_date"), ""),
    "duration_ms": None,
    "plays_cumulative": 0,
}
STATIC = Path(__file__).parent / "static"


@cache
def static_root() -> str:
    """Return the folder of all static files, which another content would have elsewhere."""
    digest = hashlib.sha256()
    for file in sorted(STATIC.rglob("*.*")):
        digest.update(f"{file.relative_to(STATIC)}\n".encode() + file.read_bytes())
    return f"/static/{digest.hexdigest()[:16]}"


def static(path: str) -> str:
    """Return the address of a static file."""
    return f"{static_root()}/{path}"


def frame(theme: str) -> Shown:
    """Return what every page has around its `<main>`."""
    modules = sorted(str(file.relative_to(STATIC)) for file in STATIC.rglob("*.js"))
    return {
        "theme": theme,
        "static": static,
        "modules": [static(module) for module in modules],
        "menu": MENU,
        "row_acts": ROW_ACTS,
        "shortcuts": SHORTCUTS,
        "blank": song(BLANK),
    }


def song(found: Song, note: str | None = None, facts: Iterable[str] = ()) -> Shown:
    """Return a song for a card; `facts` are further fields that the player needs of it."""
    path = "/songs/" + quote(found["track_id"], safe="")
    kept = ("artist_id", "duration_ms", "playable", *facts)
    return {
        "track_id": found["track_id"],
        "title": found["title"] or UNTITLED,
        "artist": found["artist"] or NOBODY,
        "album": found["album"],
        "artist_href": searching(found["artist"] or ""),
        "href": "/song/" + quote(found["track_id"], safe=""),
        "cover": f"{path}/cover?size=256",
        "large_cover": f"{path}/cover?size=512",
        "stream": f"{path}/stream",
        "playable": found.get("playable") is not False,
        "details": _details(found),
        "note": note,
        "facts": _json({name: found[name] for name in kept if found.get(name) is not None}),
    }


def _details(found: Song) -> list[str]:
    seconds = (found["duration_ms"] or 0) // 1000
    length = f"{seconds // 60}:{seconds % 60:02}" if seconds else None
    plays = f"{found['plays_cumulative']:,} plays" if found["plays_cumulative"] else None
    year = str(found["release_date"] or "")[:4]
    return [x for x in (found["album"], found["genre"], year, length, plays) if x]


def shelf(row: Mapping[str, Any], about: Mapping[str, Any], trained: str = "") -> Shown:
    """Return a shelf of a recommendation; `about` is the whole answer.

    A reason that all songs share stands once, with the shelf.
    """
    origin = f"shelf:{row['id']}"
    context = {"origin": origin, **{k: about[k] for k in ("request_id", "generation") if about[k]}}
    reasons = [found["reason"] for found in row["songs"]]
    shared = len(reasons) > 1 and all(reason == reasons[0] for reason in reasons)
    if shared:
        context["reason"] = _short(reasons[0])
    songs = []
    for found in row["songs"]:
        personal = row["id"] == "made_for_you" and found["reason"]["kind"] in ("plays", "session")
        facts = ["rank"] if shared else ["rank", "reason"]
        given = {**found, "reason": _short(found["reason"])}
        songs.append(song(given, found["reason"]["text"] if personal else None, facts))
    why = " · ".join(filter(None, (WHY.get(row["id"]), trained if _is_trained(row["id"]) else "")))
    title = row["title"]
    return {"id": row["id"], "title": title, "why": why, "context": _json(context), "songs": songs}


def _json(value: object) -> Markup:
    return htmlsafe_json_dumps(value, separators=(",", ":"))


def _is_trained(shelf_id: str) -> bool:
    return shelf_id in ("made_for_you", "new_for_you")


def _short(reason: Mapping[str, Any]) -> Shown:
    return {name: value for name, value in reason.items() if value not in (None, [])}


def trained(published: datetime | None, now: datetime) -> str:
    """Return when the model that answers was published, in words; empty where none is."""
    if published is None:
        return ""
    at, days = f"{published:%H:%M} UTC", (now.date() - published.date()).days
    if days == 0:
        return f"Trained {'last night' if published.hour < 6 else 'today'}, {at}"
    return f"Trained yesterday, {at}" if days == 1 else f"Trained on {published:%-d %B}, {at}"


def notice(answer: Mapping[str, Any]) -> str:
    """Return what is not as usual in a recommendation, empty if nothing is."""
    if answer.get("fallback") in NOTICES:
        return NOTICES[answer["fallback"]]
    if answer["degraded"]:
        return "Some of Nocturne is away just now: what you see is simpler than usual."
    return ""


def artists(found: Sequence[Song], limit: int = 6) -> list[Shown]:
    """Return the artists of songs that were found, in the same order, each once."""
    names = dict.fromkeys(str(song["artist"]) for song in found if song["artist"])
    return [{"name": name, "href": searching(name)} for name in list(names)[:limit]]


def searching(text: str) -> str:
    """Return the address of the page that shows what is found."""
    return "/search?" + urlencode({"q": text[:100]})


def demo_listeners() -> list[Shown]:
    """Return listeners that one may try the local stack as; raises Away without MongoDB."""
    found = services().stores.mongo.call(lambda m: m.catalogue.some_listeners(MOST_LISTENERS))
    return [
        {
            "user_id": person["user_id"],
            "name": person["username"] or person["user_id"],
            "likes": person["likes"],
            "initials": (person["username"] or person["user_id"])[:1].upper(),
        }
        for person in found
    ]


def choices(user_id: str) -> list[Shown]:
    """Return what a listener loves and bans with names, the newest first."""
    mongo = services().stores.mongo
    made = mongo.call(lambda m: m.choices.of(user_id))[: -MOST_CHOICES - 1 : -1]
    named = {scope: [c["id"] for c in made if c["scope"] == scope] for scope in ("song", "artist")}
    songs = mongo.call(lambda m: m.catalogue.songs(named["song"]))
    by_artist = mongo.call(lambda m: m.catalogue.some_of_artists(named["artist"]))
    shown = []
    for choice in made:
        about, now = choice["id"], datetime.now(UTC)
        if choice["until"] and choice["until"].astimezone(UTC) < now:
            continue
        if choice["scope"] == "song":
            known: Song | None = songs.get(about)
            name = f"{known['title']} · {known['artist']}" if known else about
            track_id = about
        else:
            known = by_artist.get(about)
            name = str(known["artist"]) if known else about
            track_id = known["track_id"] if known else ""
        icon, words = CHOSEN[choice["value"]]
        what = f"{words} this {choice['scope']}"
        shown.append({**choice, "name": name, "track_id": track_id, "icon": icon, "what": what})
    return shown

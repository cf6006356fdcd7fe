"""Which songs are versions of one work: the same artist and the same cleaned title."""

import re
import unicodedata
from functools import lru_cache

from serving.recommend.sources import Song

_BRACKETS = re.compile(r"\s*[(\[{][^)\]}]*[)\]}]")
_VERSION = (
    r"live|acoustic|demo|remaster(?:ed)?|remix(?:ed)?|mono|stereo|instrumental|karaoke|unplugged|"
    r"radio edit|single|album|extended|original|bonus track|deluxe|version|edit|mix|re-?recorded"
)
_TAIL = re.compile(rf"\s+[-–—/]\s+(?:[^-–—/]*\b)?(?:{_VERSION})\b.*$")
_FEATURING = re.compile(r"\s+(?:feat|ft|featuring)\b\.?\s.*$")
_OTHER = re.compile(r"[^\w]+")


def work_of(song: Song) -> str:
    """Return a key that all versions of a work share.

    `Title (Remastered 2009)`, `Title - Live at Home` and `Title feat. Somebody` are `Title`. A
    song without artist or title is a work of its own, as is a title that is nothing but brackets.

    Examples:
        >>> live = {"track_id": "t2", "artist_id": "a1", "title": "Lanterns - Live at Home"}
        >>> work_of({"track_id": "t1", "artist_id": "a1", "title": "Lanterns"}) == work_of(live)
        True
    """
    artist = song.get("artist_id") or song.get("artist")
    title = clean_title(song.get("title") or "")
    return f"{artist}\n{title}" if artist and title else f"\n{song['track_id']}"


@lru_cache(maxsize=50_000)
def clean_title(title: str) -> str:
    """Return a title without what names a version, case-folded, letters and digits alone.

    Examples:
        >>> clean_title("Lanterns (Remastered 2009) feat. Somebody")
        'lanterns'
        >>> clean_title("Live and Let Live")
        'live and let live'
        >>> clean_title("(Intro)")
        'intro'
    """
    text = unicodedata.normalize("NFKC", title).casefold()
    stripped = _FEATURING.sub("", _TAIL.sub("", _BRACKETS.sub("", text)))
    return _OTHER.sub(" ", stripped if _OTHER.sub("", stripped) else text).strip()

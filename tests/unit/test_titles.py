"""Search in the titles held in memory: the same songs as looking at each of them."""

from hypothesis import given
from hypothesis import strategies as st

from serving.recommend.sources import Away
from serving.titles import Titles, TitleStore

SONGS = [
    ("s1", "Bicycle for Ines The Late Anchors"),
    ("s2", "Straße nach Süden Ben"),
    ("s3", "Bicycle\nRace Queen"),
    ("s4", "Queen of Bicycles Ann"),
]


def test_every_word_in_the_order_given():
    titles = Titles(SONGS)
    assert titles.search("bicycle", 10) == ["s1", "s3", "s4"]
    assert titles.search("QUEEN bicycle", 10) == ["s3", "s4"]
    assert titles.search("bicycle queen", 1) == ["s3"]
    assert titles.search("STRASSE", 10) == ["s2"]
    assert titles.search("ben bicycle", 10) == []
    assert titles.search(" ", 10) == []
    assert Titles([]).search("a", 10) == []


WORDS = st.text(alphabet="aAbß\n .*", max_size=8)


@given(st.lists(WORDS, max_size=12), st.text(alphabet="aAbß.*  ", max_size=6), st.integers(1, 12))
def test_it_is_the_same_as_looking_at_each_song(texts, asked, limit):
    songs = [(str(n), text) for n, text in enumerate(texts)]
    words = asked.casefold().split()
    expected = [
        track_id
        for track_id, text in songs
        if all(w in " ".join(text.casefold().split()) for w in words)
    ]
    assert Titles(songs).search(asked, limit) == (expected[:limit] if words else [])


class Stores:
    """A catalogue that counts how often it is read; `away` lets MongoDB not answer."""

    def __init__(self):
        self.songs, self.number, self.reads, self.away = list(SONGS), 1, 0, False
        self.mongo = self.listings = self.catalogue = self

    def call(self, use):
        if self.away:
            raise Away("mongodb")
        return use(self)

    def version(self):
        return self.number

    def titles(self):
        self.reads += 1
        return self.songs


def test_titles_are_read_again_only_when_the_catalogue_changed(monkeypatch):
    monkeypatch.setattr("serving.titles.LOOK_SECONDS", 0.0)
    stores = Stores()
    store = TitleStore(stores)
    assert [len(store.current()) for _ in range(3)] == [4] * 3
    assert stores.reads == 1
    stores.songs.append(("s5", "New"))
    stores.number = 2
    assert store.current().search("new", 5) == ["s5"]
    stores.away, stores.number = True, 3
    assert store.current().search("new", 5) == ["s5"]
    assert stores.reads == 2
    stores.away = False
    store.current()
    assert stores.reads == 3


def test_without_mongodb_there_are_no_titles_yet():
    stores = Stores()
    stores.away = True
    assert TitleStore(stores).current() is None
